"""Runs whose processes are killed, under Dagster's real daemon: they fail with the cause, go on again, and hold no place in the queue.

Belongs here: accidents to processes. Does not belong here: the policy (`deploy/runs/test_retries.py`).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml

from platform_assets.orchestration.local_runs.launcher import CPU_SECONDS_TAG
from platform_assets.orchestration.local_runs.worker import Worker
from platform_assets.orchestration.run_deaths import reported
from platform_assets_tests.unit.orchestration.local_runs import slow_location

ROOT = Path(__file__).parents[4]
MODULE = slow_location.__name__
FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass
class World:
    """An instance with the settings of the project's dagster.yaml, and its daemon."""

    home: Path
    slow: Path
    instance: dg.DagsterInstance
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(ROOT), "DAGSTER_HOME": str(self.home), "PLATFORM_ASSETS_DAGSTER": str(self.home)}
        return os.environ | own | {slow_location.FOLDER: str(self.slow)}

    def start_daemon(self) -> None:
        command = [sys.executable, "-m", "dagster._daemon", "run", "-m", MODULE]
        with (self.home / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                command, env=self.environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True
            )

    def launch(self) -> str:
        """Put a run into the queue, as the UI does; its id."""
        before = {run.run_id for run in self.instance.get_runs()}
        command = [sys.executable, "-m", "dagster", "job", "launch", "-m", MODULE, "-j", "slow"]
        subprocess.run(command, env=self.environment, cwd=self.home, check=True, capture_output=True)
        [run] = [run for run in self.instance.get_runs() if run.run_id not in before]
        return run.run_id

    def pids(self) -> tuple[int, int]:
        """The process of the run that waits, and the one that it started."""
        path = self.slow / "pids"
        self.until(path.exists)
        worker, child = path.read_text().split()
        path.unlink()
        return int(worker), int(child)

    def until(self, look: Callable[[], Any], seconds: float = 180) -> Any:
        """Wait for something; what it answered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := look():
                return answer
            time.sleep(0.2)
        raise AssertionError(self.log()[-6000:])

    def ended(self, run_id: str) -> dg.DagsterRun:
        """The run once it has ended."""

        def look() -> dg.DagsterRun | None:
            run = self.run(run_id)
            return run if run.status in FINISHED else None

        run: dg.DagsterRun = self.until(look)
        return run

    def retry_of(self, run_id: str) -> dg.DagsterRun:
        """The run that Dagster started in place of another."""

        def look() -> dg.DagsterRun | None:
            return next((run for run in self.instance.get_runs() if run.parent_run_id == run_id), None)

        run: dg.DagsterRun = self.until(look)
        return run

    def kill_all(self, but: int | None = None) -> None:
        """Every process at once, as a machine that goes off does, but for one and its own; nothing is removed."""
        assert self.daemon is not None
        top = psutil.Process(self.daemon.pid)
        spared = psutil.Process(but).children(recursive=True) if but else []
        for process in [top, *top.children(recursive=True)]:
            if process.pid != but and process not in spared:
                process.kill()
        self.daemon.wait()

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def log(self) -> str:
        return (self.home / "daemon.log").read_text()

    def messages(self, run_id: str) -> str:
        return "\n".join(
            entry.dagster_event.message or ""
            for entry in self.instance.all_logs(run_id)
            if entry.dagster_event is not None
        )

    def made(self, asset: str) -> int:
        return len((self.slow / f"made_{asset}").read_text().splitlines())


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with started(tmp_path, monkeypatch) as one:
        yield one


@contextmanager
def started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    home, slow = folder / "home", folder / "slow"
    for made in (home, slow):
        made.mkdir()
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    settings["run_monitoring"]["poll_interval_seconds"] = 2
    settings["run_launcher"]["config"] = {"libraries": []}
    settings["concurrency"]["runs"]["max_concurrent_runs"] = 1
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("PLATFORM_ASSETS_DAGSTER", str(home))
    instance = dg.DagsterInstance.from_config(str(home))
    one = World(home, slow, instance)
    try:
        yield one
    finally:
        if one.daemon is not None and one.daemon.poll() is None:
            one.kill_all()
        for run in instance.get_runs():
            worker = Worker.read(run.tags, run.run_id)
            if worker is not None and worker.lives:
                worker.end()
        instance.dispose()


def test_a_run_is_lost_three_times_and_the_queue_goes_on(world: World) -> None:
    """Daemon killed: it goes on. Its process killed: told, started again from what was lost. Machine off: the same at the next start."""
    world.start_daemon()
    first = world.launch()
    pid, child = world.pids()
    worker = Worker.read(world.run(first).tags, first)
    assert worker is not None
    assert worker.pid == pid

    world.kill_all(but=pid)
    world.start_daemon()
    world.until(lambda: f"Checking run {first}" in world.log())
    assert worker.lives, "it outlives its daemon"
    assert world.run(first).status == dg.DagsterRunStatus.STARTED

    os.kill(pid, signal.SIGKILL)
    assert world.ended(first).status == dg.DagsterRunStatus.FAILURE
    assert "is gone, and so is what had started it. It is started again unchanged, 1 of 2 times" in world.messages(
        first
    )
    world.until(lambda: gone(child))

    second = world.retry_of(first).run_id
    pid, child = world.pids()
    os.kill(pid, signal.SIGKILL)  # this daemon has started it, and is told what killed it
    assert world.ended(second).status == dg.DagsterRunStatus.FAILURE
    assert "was ended by signal 9 (SIGKILL). It is started again unchanged, 2 of 2 times" in world.messages(second)
    world.until(lambda: gone(child))

    third, waiting = world.retry_of(second).run_id, world.launch()
    _, child = world.pids()
    world.kill_all()
    assert world.run(third).status == dg.DagsterRunStatus.STARTED
    (world.slow / "go").touch()
    world.start_daemon()
    assert world.ended(third).status == dg.DagsterRunStatus.FAILURE
    assert "It is not started again: 2 of 2 times are used" in world.messages(third)
    assert world.ended(waiting).status == dg.DagsterRunStatus.SUCCESS, "it holds no place in the queue"
    assert gone(child)
    assert float(world.until(lambda: world.run(waiting).tags.get(CPU_SECONDS_TAG))) > 0
    assert [reported(world.instance, run_id).popitem()[1] for run_id in (first, second, third)] == ["killed"] * 3
    assert world.made("first") == 2, "what was made before the death is kept; the run that waited makes its own"
