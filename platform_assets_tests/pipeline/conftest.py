"""A world that `platform-assets run` was called on, as a person would call it: once killed half way, then once more.

Belongs here: the world, and calling commands in it. Does not belong here: what must be true of it.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import polars as pl
import pytest

from platform_assets.declaration import UseCase, load_use_case
from platform_assets.deployment.target import Target
from platform_assets.installation import Installation
from platform_assets.lake.lake import Lake
from platform_assets.pipelines.timeline import Timeline, plan
from platform_assets.registry.model_store import ModelStore
from platform_assets.secret_sources.delivered import deliver
from platform_assets.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "platform_assets" / "defs" / "card_fraud"
SMALL_WORLD = '{"customers": 1000, "terminals": 2000}'
REPLAYED_REQUESTS = 1500
COMMAND_SECONDS = 420
TRAINING_BEGAN = "constant: fold 1 of"
CANARIES = tuple(
    f"canary-{what}-0a1b2c3d4e5f" for what in ("variable", "key", "secret-key", "token", "database", "tracking")
)
"""A secret in every credential that a world without servers can have: one in a variable, the others in a source of secrets."""
PLANTED = {
    "PLATFORM_ASSETS_OBJECT_STORE": json.dumps(
        {"AWS_ACCESS_KEY_ID": CANARIES[1], "AWS_SECRET_ACCESS_KEY": CANARIES[2]}
    ),
    "PLATFORM_ASSETS_CALLER_TOKENS": json.dumps({"checkout": CANARIES[3]}),
    "CARD_DATABASE": f"postgresql://cards:{CANARIES[4]}@db/cards",
    "MLFLOW_TRACKING_TOKEN": CANARIES[5],
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run `platform-assets`.

    Returns:
        Exit code, and what was printed.
    """
    done = subprocess.run(
        [Path(sys.executable).with_name("platform-assets"), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def command_killed_at(environment: Mapping[str, str], text: str, *arguments: str) -> str:
    """Run `platform-assets` and kill it as soon as it has printed a text.

    Returns:
        What was printed until then.
    """
    printed = []
    with subprocess.Popen(
        [Path(sys.executable).with_name("platform-assets"), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            printed.append(line)
            if text in line:
                running.kill()
                break
        running.wait(timeout=COMMAND_SECONDS)
    assert running.returncode == -signal.SIGKILL, "".join(printed)
    return "".join(printed)


@dataclass(frozen=True)
class LivedIn:
    """A world after its run: where it is, and what was printed.

    Attributes:
        printed_before: by a first run that was killed while it trained.
        printed: by the run after it.
    """

    home: Path
    port: int
    environment: Mapping[str, str]
    printed_before: str
    printed: str
    use_case: UseCase

    @property
    def screen(self) -> str:
        """What stands below the line with the use case's name."""
        return re.split(r"─+ card_fraud ─+", self.printed)[-1]

    @property
    def installation(self) -> Installation:
        return Installation.from_environment(self.environment)

    @property
    def settings(self) -> Settings:
        return self.installation.settings

    @property
    def lake(self) -> Lake:
        return self.installation.lake

    @property
    def models(self) -> ModelStore:
        return self.installation.models

    @property
    def days(self) -> Timeline:
        return plan(self.use_case)

    @property
    def target(self) -> Target:
        return self.installation.serving.target()

    @property
    def requests_sent(self) -> int:
        found = re.search(r"(\d+) live requests, (\d+) failed", self.screen)
        assert found is not None, self.screen
        return int(found[1])

    @property
    def curl(self) -> str:
        """The command that the screen offers."""
        return next(line for line in self.screen.splitlines() if line.startswith("curl "))

    @property
    def request(self) -> dict[str, Any]:
        """The body of that command."""
        words = shlex.split(self.curl)
        found: dict[str, Any] = json.loads(words[words.index("-d") + 1])
        return found

    def score(self) -> httpx.Response:
        """Send that body to the deployed address."""
        address = self.target.address(self.use_case.name)
        return httpx.post(f"{address}/score", json=self.request, trust_env=False, timeout=20)

    def run(self, *arguments: str) -> tuple[int, str]:
        return command(self.environment, *arguments)

    def instance(self) -> dg.DagsterInstance:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            return dg.DagsterInstance.get()

    def table(self, layer: str, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        return self.lake.table(self.use_case.name, layer, name, schema).read()


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivedIn]:
    """`platform-assets run` in an empty folder, killed during training, and again; all that was started is stopped.

    The tests that follow hold for a run that nobody disturbed, and show on the way that the kill left no trace.
    """
    home, port, planted = tmp_path_factory.mktemp("lived_in"), free_port(), tmp_path_factory.mktemp("planted")
    deliver(PLANTED, planted)
    environment = {
        "PLATFORM_ASSETS_HOME": str(home),
        "PLATFORM_ASSETS_DAGSTER": str(home / "dagster"),
        "PLATFORM_ASSETS_PORT": str(port),
        "PLATFORM_ASSETS_SIMULATION": SMALL_WORLD,
        "PLATFORM_ASSETS_REPLAYED_REQUESTS": str(REPLAYED_REQUESTS),
        "PLATFORM_ASSETS_SECRETS": json.dumps({"kind": "file", "folder": str(planted)}),
        "KAFKA_SASL_PASSWORD": CANARIES[0],
        "DAGSTER_HOME": str(ROOT),
    }
    (home / "dagster").mkdir()
    try:
        before = command_killed_at(environment, TRAINING_BEGAN, "run", "card_fraud")
        code, printed = command(environment, "run", "card_fraud")
        assert code == 0, printed
        yield LivedIn(home, port, environment, before, printed, load_use_case(FOLDER))
    finally:
        command(environment, "stop")
