"""Compiling the loops ahead of their use: a process that loads them, and that does not outlive the work it helps."""

import subprocess
import sys

import psutil
import pytest

from platform_assets.features.aggregation.compilation import compiled_meanwhile


def test_the_loops_are_loaded_by_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "platform_assets.features.aggregation.compilation"], capture_output=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")


def help_and_fail(before: set[psutil.Process]) -> None:
    with compiled_meanwhile():
        assert set(psutil.Process().children()) - before
        raise ZeroDivisionError


def test_the_process_is_gone_when_the_work_failed() -> None:
    before = set(psutil.Process().children())
    with pytest.raises(ZeroDivisionError):
        help_and_fail(before)
    assert set(psutil.Process().children()) - before == set()
