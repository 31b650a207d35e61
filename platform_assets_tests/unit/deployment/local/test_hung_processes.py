"""A service process that lives and answers nobody is killed, so that it starts again; one that is slow, starts or refuses is left alone."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from platform_assets.deployment.local import guardian
from platform_assets.deployment.local.guardian import AWAY, HANGS_SECONDS, READY, SILENT, HungProcesses, asked
from platform_assets.deployment.local.launch import PROGRAM_VARIABLE, TARGET_VARIABLE
from platform_assets.deployment.local.state import Arm, Program, TargetState, save_state
from platform_assets.testing.servers import free_port

LOOK = 10.0


class Scene:
    """Two processes of an exposed version and one that nobody asks yet; each says what the test wants."""

    def __init__(self, root: Path) -> None:
        programs = (Program(name="parking-1-0", port=1), Program(name="parking-1-1", port=2))
        arm = Arm(name="parking-1", version="1", fingerprint="f", ready_path="/readyz", programs=programs, exposed=True)
        fresh = arm.model_copy(
            update={"name": "parking-2", "programs": (Program(name="parking-2-0", port=3),), "exposed": False}
        )
        state = TargetState(target_id="t", envoy_port=8700)
        case = state.use_case("parking").model_copy(update={"arms": (arm, fresh)})
        save_state(root / "state.json", state.model_copy(update={"use_cases": {"parking": case}}))
        self.says = {1: READY, 2: READY, 3: SILENT}
        self.seconds, self.killed, self.paths = 0.0, list[str](), set[str]()
        self.hung = HungProcesses(root, self.answer, self.killed.append, lambda: self.seconds)

    def answer(self, port: int, path: str) -> str:
        self.paths.add(path)
        return self.says[port]

    def look_for(self, seconds: float) -> None:
        end = self.seconds + seconds
        while self.seconds < end:
            self.seconds += LOOK
            self.hung.look()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_one_that_answered_and_is_silent_for_too_long_is_killed_once(scene: Scene) -> None:
    scene.look_for(60)
    scene.says[2] = SILENT
    scene.look_for(HANGS_SECONDS)
    assert scene.killed == []
    scene.look_for(LOOK)
    assert scene.killed == ["parking-1-1"]
    scene.look_for(10 * HANGS_SECONDS)
    assert scene.killed == ["parking-1-1"], "the new one has not answered yet: it starts"
    assert scene.paths == {"/readyz"}


@pytest.mark.parametrize("between", [READY, AWAY])
def test_an_answer_or_a_start_in_between_is_no_silence(scene: Scene, between: str) -> None:
    scene.look_for(LOOK)
    for _ in range(5):
        scene.says[1] = SILENT
        scene.look_for(HANGS_SECONDS - LOOK)
        scene.says[1] = between
        scene.look_for(LOOK)
    assert scene.killed == []


def test_of_all_that_are_silent_one_is_killed_at_a_time(scene: Scene) -> None:
    scene.look_for(LOOK)
    scene.says |= {1: SILENT, 2: SILENT}
    scene.look_for(HANGS_SECONDS + LOOK)
    assert scene.killed == ["parking-1-0"]
    scene.look_for(HANGS_SECONDS + LOOK)
    assert scene.killed == ["parking-1-0", "parking-1-1"]


@pytest.mark.parametrize("text", [None, "", "{", "{}"])
def test_a_state_that_cannot_be_read_now_is_read_later(scene: Scene, text: str | None) -> None:
    path = scene.hung.root / "state.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert scene.hung.look() is None


class Refusing(BaseHTTPRequestHandler):
    """A service that is not ready, and says so."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@contextmanager
def refusing() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_what_takes_connections_and_says_nothing_is_told_from_what_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardian, "ANSWER_SECONDS", 0.2)
    with refusing() as port:
        assert asked(port, "/readyz") == READY
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asked(silent.getsockname()[1], "/readyz") == SILENT
    assert asked(free_port(), "/readyz") == AWAY


def test_the_program_is_killed_with_what_it_forked_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TARGET_VARIABLE, "a-target-of-this-test")
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", "import os, time; os.fork(); time.sleep(60)"],
            env={TARGET_VARIABLE: "a-target-of-this-test", PROGRAM_VARIABLE: name},
            start_new_session=True,
        )
        for name in ("parking-1-0", "parking-1-1")
    }
    try:
        guardian.kill_program("parking-1-1")
        assert started["parking-1-1"].wait(10) == -9
        assert started["parking-1-0"].poll() is None
    finally:
        for process in started.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
