"""What happens to a world while its days go by, and how soon it is told.

Belongs here: planting each accident, and mending what people would mend. Does not belong here: when which one happens (`topic.py`).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import UTC, date, datetime
from time import monotonic, sleep

from platform_assets.monitoring.operations import RunFact, RunState
from platform_assets.orchestration.daemon import Child, runs_since
from platform_assets.orchestration.local_runs.worker import WORKER_TAG, Worker
from platform_assets.testing.daemon_world import DaemonWorld

LOOK_SECONDS = 0.1
WAIT_SECONDS = 300.0


class AccidentMissed(RuntimeError):
    """What was to be struck did not come in time."""


def spoil(world: DaemonWorld, day: date) -> None:
    """A day's file in which every third distance is no number: the audit refuses the day."""
    path = world.folder / "use_case" / "data" / "visits" / f"{day}.csv"
    head, *lines = path.read_text().splitlines()
    spoilt = [f"{line.rpartition(',')[0]},far" if number % 3 == 0 else line for number, line in enumerate(lines)]
    path.write_text("\n".join([head, *spoilt]) + "\n")


def worker_at_work(world: DaemonWorld, job: str = "") -> tuple[RunFact, Worker]:
    """The first run whose process works, of a job where one is named, waiting until there is one.

    Raises:
        AccidentMissed: there was none for minutes.
    """
    deadline = monotonic() + WAIT_SECONDS
    while monotonic() < deadline:
        for run in runs_since(world.jobs, world.use_case, datetime.now(UTC)):
            worker = Worker.read(dict(run.tags).get(WORKER_TAG), run.run_id)
            if (
                run.state is RunState.IN_PROGRESS
                and worker is not None
                and worker.lives
                and (not job or run.job == job)
            ):
                return run, worker
        sleep(LOOK_SECONDS)
    raise AccidentMissed(f"no process worked on {job or 'any job'} within {WAIT_SECONDS:.0f} s")


def kill_worker(world: DaemonWorld, job: str = "") -> float:
    """Kill the process of a run in the middle of its work; seconds until the run is known to have failed."""
    run, worker = worker_at_work(world, job)
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)
    return seconds_until_told(world, run)


def kill_daemon(children: list[Child]) -> None:
    """Kill the daemon and its code server, as though somebody had ended them; runs work on."""
    for child in reversed(children):
        with suppress(ProcessLookupError):
            os.kill(child.process.pid, signal.SIGKILL)
        child.process.wait()


def kill_machine(world: DaemonWorld, children: list[Child]) -> RunFact:
    """Kill the daemon, its code server and the process of a run in the middle of its work; the run."""
    run, worker = worker_at_work(world)
    for child in reversed(children):
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    return run


def seconds_until_told(world: DaemonWorld, run: RunFact) -> float:
    """Seconds until a run that lost its process is no longer in progress.

    Raises:
        AccidentMissed: it still is after minutes.
    """
    began = monotonic()
    while monotonic() < began + WAIT_SECONDS:
        known = {one.run_id: one for one in runs_since(world.jobs, world.use_case, run.queued_at)}
        if known[run.run_id].state is not RunState.IN_PROGRESS:
            return monotonic() - began
        sleep(LOOK_SECONDS)
    raise AccidentMissed(f"run {run.run_id} of {run.job} is in progress although its process is gone")
