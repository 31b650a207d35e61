"""Processes of ours: nothing of them is left."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from platform_assets.orchestration.daemon import Child, ProcessEnded


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[tuple[Child, int]]:
    """A process that takes no interrupt, and the one that it started."""
    program = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "below = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(below.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    child = Child("stubborn", [sys.executable, "-c", program], {}, tmp_path, tmp_path / "logs" / "stubborn.log")
    while not child.log.read_text().strip():
        time.sleep(0.02)
    yield child, int(child.log.read_text())
    child.end()


def test_nothing_of_a_process_is_left(stubborn: tuple[Child, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.orchestration.daemon.END_WITHIN_SECONDS", 0.2)
    child, below = stubborn
    child.require_alive()
    child.end()
    assert child.process.poll() is not None
    with suppress(psutil.NoSuchProcess):  # killed, and on a busy machine gone a moment later
        psutil.Process(below).wait(30)
    assert not psutil.pid_exists(below)
    with pytest.raises(ProcessEnded, match=r"stubborn ended with -9"):
        child.require_alive()
