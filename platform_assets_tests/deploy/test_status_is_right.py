"""What `status` and the end of `run` say of a service in each state that it can be in: never that it answers where it does not."""

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from platform_assets.cli import services
from platform_assets.cli.console import console
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.envoy import PROGRAM
from platform_assets.deployment.release import Release
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.installation import Installation
from platform_assets.pipelines.check_service import ServiceNotAnswering, check_service, require_answers
from platform_assets.testing.declare import declare
from platform_assets_tests.deploy.conftest import processes, wait_for
from platform_assets_tests.deploy.test_killed_parts import kill_supervisor

pytestmark = pytest.mark.slow

USE_CASE = declare(name="card_fraud", events={"visit": "int64", "at": "datetime", "speed": "float64"}, label="unpaid")


class Scene:
    """One deployed service, and an installation that `status` looks at."""

    def __init__(self, target: LocalTarget, home: Path) -> None:
        self.target, self.service = target, home / "target" / "service"
        environment = {"PLATFORM_ASSETS_HOME": str(home), "PLATFORM_ASSETS_PORT": str(target.envoy_port)}
        self.installation = Installation.from_environment(environment)
        self.serving = ServingHome(str(home), target.envoy_port)

    def status(self) -> tuple[int, str]:
        """Exit code and screen of `platform-assets status`."""
        with console.capture() as captured:
            try:
                services.show_status(self.installation)
                code = 0
            except typer.Exit as ended:
                code = ended.exit_code
        return code, captured.get()


@pytest.fixture
def scene(
    target: LocalTarget, release: Callable[..., Release], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    target.deploy(release("1"))
    log = tmp_path / "prediction_log" / "card_fraud"
    log.mkdir(parents=True)
    line = {"request_id": "r-7", "scored_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "score": 0.25}
    (log / "a.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "feast").mkdir()
    with closing(sqlite3.connect(tmp_path / "feast" / "online.db")) as store:
        store.execute("CREATE TABLE states (entity TEXT)")
    monkeypatch.setattr(ServingHome, "target", lambda _: target)
    monkeypatch.setattr(services, "declared_use_cases", lambda: [DeclaredUseCase(USE_CASE, tmp_path)])
    return Scene(target, tmp_path)


@contextmanager
def file_of(scene: Scene, name: str) -> Iterator[None]:
    """A state that the tiny service takes from a file."""
    (scene.service / name).touch()
    yield
    (scene.service / name).unlink()


@contextmanager
def store_deleted(scene: Scene) -> Iterator[None]:
    """Whoever has the file open goes on reading it."""
    store = scene.serving.bento_root().parent / "feast" / "online.db"
    away = store.rename(store.with_name("away"))
    yield
    away.rename(store)


@contextmanager
def store_damaged(scene: Scene) -> Iterator[None]:
    store = scene.serving.bento_root().parent / "feast" / "online.db"
    whole = store.read_bytes()
    store.write_bytes(whole[:4096] + b"x" * (len(whole) - 4096))
    yield
    store.write_bytes(whole)


@contextmanager
def service_killed(scene: Scene) -> Iterator[None]:
    """It does not come back: its files are damaged as well."""
    (scene.service / "broken").touch()
    os.kill(processes(scene.target)[0].pid or 0, signal.SIGKILL)
    wait_for(lambda: not processes(scene.target)[0].ready)
    yield
    (scene.service / "broken").unlink()


@contextmanager
def proxy_ended(scene: Scene) -> Iterator[None]:
    scene.target._supervisor.stop_program(PROGRAM)
    yield


@contextmanager
def port_taken(scene: Scene) -> Iterator[None]:
    scene.target._supervisor.stop_program(PROGRAM)
    with socket.create_server(("127.0.0.1", scene.target.envoy_port)):
        yield


@contextmanager
def supervisor_killed(scene: Scene) -> Iterator[None]:
    kill_supervisor(scene.target)
    yield


@contextmanager
def all_stopped(scene: Scene) -> Iterator[None]:
    scene.target.stop_all()
    yield


STATES: dict[str, tuple[Callable[[Scene], AbstractContextManager[None]], tuple[str, ...]]] = {
    "the store is gone": (lambda scene: file_of(scene, "store_gone"), ("503", "online.db was deleted")),
    "the store's file is deleted": (store_deleted, ("online.db does not exist", "platform-assets run")),
    "the store's file is damaged": (store_damaged, ("online.db is damaged", "remove it")),
    "the log's disk is full": (lambda scene: file_of(scene, "log_full"), ("No space left on device", "not ready")),
    "the service was killed": (service_killed, ("not ready: it does not answer", "logs/card_fraud-1-0.log")),
    "the proxy ended": (proxy_ended, ("the proxy does not listen", "platform-assets run")),
    "the port is taken": (port_taken, ("is in use by process", "end it, or set envoy_port")),
    "supervisord was killed": (supervisor_killed, ("supervisord does not run", "watched by nobody", "UNWATCHED")),
    "all was stopped": (all_stopped, ("not running", "supervisord does not run and nothing of it runs")),
}


def test_each_state_is_seen_with_what_to_do_and_mended_by_bringing_the_target_up(scene: Scene) -> None:
    for state, (enter, words) in STATES.items():
        code, screen = scene.status()
        assert (code, "answering\n" in screen, "does not answer rightly" in screen) == (0, True, False), screen
        assert "scored a request, which leaves no trace: {'probability': 0.25, 'decision': 'approve'}" in screen
        assert "request r-7: 0.25" in screen
        with enter(scene):
            code, screen = scene.status()
            assert (code, "answering\n" in screen) == (1, False), f"{state}: {screen}"
            for text in ("does not answer rightly", *words):
                assert text in screen, f"{state}: {text!r} not in {screen}"
            with pytest.raises(ServiceNotAnswering, match="card_fraud does not answer rightly"):
                require_answers(USE_CASE, scene.serving, scene.installation.feature_store.settings(USE_CASE))
        wait_for(lambda: scene.target.ensure_running().use_cases["card_fraud"].serving)


def test_what_was_never_deployed_does_not_answer(target: LocalTarget, tmp_path: Path) -> None:
    check = check_service(USE_CASE, ServingHome(str(tmp_path), target.envoy_port), status=target.status())
    assert (check.deployed, check.passed) == (False, False)
    assert "nothing is deployed" in check.problems[0]
