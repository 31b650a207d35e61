"""Compiling the loops ahead of their use: a process that loads them, and that does not outlive the work it helps."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from platform_assets.features.aggregation.compilation import compiled_meanwhile, has_bytecode


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


def test_a_module_is_imported_ahead_where_it_was_never_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "never_compiled.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert has_bytecode("never_compiled"), "an import would keep nothing"
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert not has_bytecode("never_compiled")
    assert has_bytecode("a_module_that_is_not_installed"), "there is nothing to compile"
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [sys.executable, "-m", "platform_assets.features.aggregation.compilation", "never_compiled"],
        env=environment,
        check=True,
        timeout=120,
    )
    assert has_bytecode("never_compiled")
