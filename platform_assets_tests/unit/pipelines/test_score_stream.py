"""Scoring a topic with the release that serves: its process is started again, and another release takes over."""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_assets.deployment.packaging import BuiltBento
from platform_assets.deployment.release import UseCaseStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.pipelines import score_stream as module
from platform_assets.pipelines.package import DIGEST_TAG
from platform_assets.pipelines.score_stream import StreamScoringError, score_stream, serving_bento
from platform_assets.registry.model_store import ModelStore
from platform_assets_tests.serving.parking import DECLARATION, use_case

TOPICS = {"brokers": "BROKERS", "events": "arrivals", "predictions": "scores"}
STREAMED = use_case(serving=DECLARATION["serving"] | {"mode": "hybrid", "stream": TOPICS})
WORK = """
import pathlib, signal, sys, time
seen = pathlib.Path(sys.argv[1])
with seen.open("a") as file: file.write("begun " + sys.argv[2] + "\\n")
def stop(*_):
    with seen.open("a") as file: file.write("ended " + sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
if sys.argv[3] != "work": sys.exit(int(sys.argv[3]))
time.sleep(60)
"""


class World:
    """Stands in for target and packed code: what serves now, and what the process does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen, self.folder, self.stop = folder / "seen.txt", folder, threading.Event()
        self.serving: BuiltBento | None = self.bento("one")
        self.exits: list[str] = []
        self.logged: list[str] = []
        monkeypatch.setattr(module, "serving_bento", lambda *_: self.serving)
        monkeypatch.setattr(module, "serving_settings", lambda *_, **__: None)
        monkeypatch.setattr(module, "stream_command", self.command)
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
        monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
        monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.02)

    def bento(self, name: str) -> BuiltBento:
        (self.folder / name / "src").mkdir(parents=True, exist_ok=True)
        return BuiltBento(f"parking:{name}", self.folder / name, f"sha256:{name}", 1)

    def command(self, bento: BuiltBento, *_: Any) -> tuple[list[str], dict[str, str]]:
        what = self.exits.pop(0) if self.exits else "work"
        return [sys.executable, "-c", WORK, str(self.seen), bento.path.name, what], {}

    def run(self, until: Callable[[list[str]], bool]) -> list[str]:
        """Score until something was seen; all that was."""

        def look() -> None:
            while not until(self.lines()) and not self.stop.wait(0.02):
                pass
            self.stop.set()

        watching = threading.Thread(target=look)
        watching.start()
        try:
            nothing = cast(Any, None)
            score_stream(STREAMED, nothing, nothing, nothing, self.stop, self.logged.append, environment={})
        finally:
            self.stop.set()
            watching.join()
        return self.lines()

    def lines(self) -> list[str]:
        return self.seen.read_text().splitlines() if self.seen.exists() else []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_another_release_takes_over_once_the_first_has_finished_its_batch(world: World) -> None:
    def take_over(lines: list[str]) -> bool:
        if lines == ["begun one"]:
            world.serving = world.bento("two")
        return lines[-1:] == ["begun two"]

    assert world.run(take_over) == ["begun one", "ended one", "begun two", "ended two"]
    assert any("two serves now" in line for line in world.logged)


def test_a_process_that_dies_is_started_again(world: World) -> None:
    world.exits = ["1", "3", "work"]
    lines = world.run(lambda lines: len(lines) == 3)
    assert lines == ["begun one", "begun one", "begun one", "ended one"]
    assert [line for line in world.logged if "ended with 3; started again" in line]


def test_topics_that_cannot_be_used_and_nothing_deployed_are_told(world: World) -> None:
    world.exits = ["4"]
    with pytest.raises(StreamScoringError, match="its topics cannot be used"):
        world.run(lambda lines: False)
    world.serving, world.stop = None, threading.Event()
    with pytest.raises(StreamScoringError, match="nothing is deployed"):
        world.run(lambda lines: False)


def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: UseCaseStatus | None, bento: BuiltBento | None) -> Any:
    """Arguments of `serving_bento` where this is deployed and that Bento lies there."""
    version = SimpleNamespace(tags={DIGEST_TAG: "sha256:one"})
    target = SimpleNamespace(status=lambda: SimpleNamespace(use_cases={} if status is None else {"parking": status}))
    monkeypatch.setattr(ServingHome, "target", lambda self: target)
    monkeypatch.setattr(module, "find_bento", lambda *_: bento)
    registry = SimpleNamespace(get=lambda name, number: version if number == "3" else None)
    models = SimpleNamespace(registry=lambda: registry)
    return cast(ModelStore, models), ServingHome(str(tmp_path), 1)


def test_the_release_with_traffic_scores_and_what_it_lacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = UseCaseStatus("parking", "v3-one", "http://address", {"v3-one": 100}, (), None)
    (tmp_path / "b" / "src" / "serving" / "doors").mkdir(parents=True)
    bento = BuiltBento("parking:one", tmp_path / "b", "sha256:one", 1)
    assert serving_bento(STREAMED, *of(tmp_path, monkeypatch, None, bento)) is None
    assert serving_bento(STREAMED, *of(tmp_path, monkeypatch, replace(deployed, weights={}), bento)) is None
    with pytest.raises(StreamScoringError, match="was built before `mode: hybrid` was declared"):
        serving_bento(STREAMED, *of(tmp_path, monkeypatch, deployed, bento))
    (tmp_path / "b" / "src" / "serving" / "doors" / "stream.py").touch()
    assert serving_bento(STREAMED, *of(tmp_path, monkeypatch, deployed, bento)) is bento
    with pytest.raises(StreamScoringError, match="is gone, or was changed since"):
        serving_bento(STREAMED, *of(tmp_path, monkeypatch, deployed, None))
    with pytest.raises(StreamScoringError, match="mode is realtime"):
        serving_bento(use_case(), *of(tmp_path, monkeypatch, deployed, bento))
