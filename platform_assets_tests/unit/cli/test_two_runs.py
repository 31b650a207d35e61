"""Two runs at once on one home: the second one is told of the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platform_assets.pipelines.turns import RunUnderWay, one_run_at_a_time

HOLDS = """
import sys
from pathlib import Path
from platform_assets.pipelines.turns import one_run_at_a_time
with one_run_at_a_time(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_the_second_run_is_told_which_one_works_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "holds\n"
        with (
            pytest.raises(RunUnderWay, match=rf"process {first.pid} since 2\d\d\d.*Wait until it is over"),
            one_run_at_a_time(tmp_path),
        ):
            pass
        first.kill()
        first.wait()
    with one_run_at_a_time(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / "run.lock").read_text()
        with pytest.raises(RunUnderWay), one_run_at_a_time(tmp_path):
            pass


def test_a_lock_that_says_nothing_is_still_one(tmp_path: Path) -> None:
    with one_run_at_a_time(tmp_path):
        (tmp_path / "run.lock").write_text("")
        with pytest.raises(RunUnderWay, match="it has not said which"), one_run_at_a_time(tmp_path):
            pass
