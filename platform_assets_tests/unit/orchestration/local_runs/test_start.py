"""Processes of runs come out of one that has the imports, and where that does not answer, afresh.

Belongs here: starting and ending, without a run. Does not belong here: runs (`test_killed_runs.py`).
"""

import os
import signal
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from platform_assets.orchestration.local_runs import start
from platform_assets.orchestration.local_runs.start import Ending, Starter, WarmStart
from platform_assets.orchestration.local_runs.warm_process import LIBRARIES
from platform_assets.orchestration.local_runs.worker import Worker

RUN = "6d8f1c4e-0000-4000-8000-000000000000"
SECONDS = 120.0
THREADED = "platform_assets_tests.unit.orchestration.local_runs.starts_a_thread"


@pytest.fixture
def warm() -> Iterator[WarmStart]:
    one = WarmStart([])
    yield one
    one.close()


def test_processes_end_with_the_code_of_the_command(warm: WarmStart) -> None:
    """The command of each is `dagster`: one that asks for help is well, one that there is not is told from it."""
    codes = []
    for arguments in (["--version"], ["no-such-command"], ["--version"]):
        pid = warm.start(arguments, SECONDS)
        assert pid is not None
        ending = warm.wait(Worker.of(RUN, pid))
        assert ending.cpu_seconds is not None
        assert 0 < ending.cpu_seconds < SECONDS
        codes.append(ending.exit_code)
    assert codes == [0, 2, 0]


def test_one_that_ends_leaves_those_that_came_out_of_it_alone(warm: WarmStart) -> None:
    pid = warm.start(["api", "grpc", "-m", "json", "-p", "0"], SECONDS)
    assert pid is not None
    worker = Worker.of(RUN, pid)
    warm.close()
    assert not warm.lives
    assert warm.start(["--version"], SECONDS) is None
    try:
        assert worker.lives
    finally:
        os.kill(pid, signal.SIGKILL)
    assert warm.wait(worker) == Ending(), "its end is seen, but not its code"


def test_another_interpreter_and_one_that_does_not_answer_are_started_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Command(SimpleNamespace):
        def get_command_args(self) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit(7)", "api"]

    class Silent:
        lives = True

        def __init__(self, libraries: Any) -> None:
            assert libraries == LIBRARIES

        def start(self, arguments: Any, seconds: float) -> None:
            asked.append(arguments[0])

    monkeypatch.setattr(start, "ExecuteRunArgs", Command)
    monkeypatch.setattr(start, "WarmStart", Silent)
    for executable, times in (("/another/python", 0), (sys.executable, 1)):
        origin: Any = SimpleNamespace(executable_path=executable)
        started = Starter().start(RUN, origin, None)  # type: ignore[arg-type]
        assert len(asked) == times
        assert started.wait().exit_code == 7


def test_it_does_not_split_beside_threads() -> None:
    """What another thread holds would stay held in the new process."""
    one = WarmStart([THREADED])
    assert one.start(["--version"], SECONDS) is None
    assert not one.lives


def test_the_libraries_of_a_day_start_no_threads() -> None:
    one = WarmStart(LIBRARIES)
    try:
        pid = one.start(["--version"], SECONDS)
        assert pid is not None
        assert one.wait(Worker.of(RUN, pid)).exit_code == 0
    finally:
        one.close()
