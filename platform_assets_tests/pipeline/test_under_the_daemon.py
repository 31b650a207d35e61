"""Days under Dagster's real daemon with accidents end as days do that nobody disturbed: every row equal, nothing made twice."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest
from polars.testing import assert_frame_equal

from platform_assets.monitoring.operations import RunFact, RunState
from platform_assets.monitoring.telemetry.runs import DaemonProcesses
from platform_assets.orchestration.daemon import runs_since
from platform_assets.orchestration.operations_facts import read_daemons
from platform_assets.testing.daemon_world import DaemonWorld

pytestmark = pytest.mark.daemon
DAYS = 4
BEATS_SECONDS = 90.0
"""Within so long each of two daemons has given a sign of life after the other."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> DaemonWorld:
    """The same days in this process, each file in time."""
    world = DaemonWorld(tmp_path_factory.mktemp("undisturbed"))
    begin = world.begin()
    for offset in range(DAYS):
        world.deliver(begin + timedelta(days=offset))
        world.live_a_day_undisturbed(begin + timedelta(days=offset + 1))
    return world


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonWorld]:
    """A healthy day; a day whose events come a day late, on which the daemon is killed; a day on which nothing ran; and a healthy one."""
    world = DaemonWorld(tmp_path_factory.mktemp("disturbed"))
    begin = world.begin()
    healthy, late, off, last = (begin + timedelta(days=offset) for offset in range(DAYS))
    with world.daemon() as daemon:
        world.deliver(healthy)
        world.wake(late)
        world.settle(daemon)
        world.deliver(late, "labels")
        world.wake(off)
        os.killpg(daemon[-1].process.pid, signal.SIGKILL)
        daemon[-1].process.wait()
    world.deliver(off)
    world.wake(last)
    world.deliver(late, "visits")
    world.deliver(last)
    world.wake(last + timedelta(days=1))
    with world.daemon() as daemon:
        world.settle(daemon)
        yield world


def test_every_row_is_as_in_a_world_that_nobody_disturbed(disturbed: DaemonWorld, undisturbed: DaemonWorld) -> None:
    expected, found = undisturbed.contents(), disturbed.contents()
    assert expected.keys() == found.keys()
    for table, frame in expected.items():
        assert not frame.is_empty(), table
        assert_frame_equal(found[table], frame, check_exact=True)


def succeeded(world: DaemonWorld) -> Iterator[tuple[RunFact, date]]:
    """Each day of each run that succeeded, of those that the daemon started."""
    for run in runs_since(world.jobs, world.use_case, datetime(2000, 1, 1, tzinfo=UTC)):
        if run.state is RunState.SUCCEEDED and run.days and "platform_assets/due" in dict(run.tags):
            first, _, last = run.days.partition("/")
            day = date.fromisoformat(first)
            while day <= date.fromisoformat(last or first):
                yield run, day
                day += timedelta(days=1)


def test_no_day_is_made_twice(disturbed: DaemonWorld) -> None:
    made = Counter((run.job, day) for run, day in succeeded(disturbed))
    assert made, "the daemon made nothing"
    assert {what: count for what, count in made.items() if count > 1} == {}
    begin = disturbed.use_case.history.first_day + timedelta(days=14)
    live = {begin + timedelta(days=offset) for offset in range(DAYS)}
    for job in ("load", "predict"):
        assert {day for done, day in made if done == job} == live


def test_two_daemons_at_once_are_told_and_make_nothing_twice(tmp_path: Path) -> None:
    world, processes, seen = DaemonWorld(tmp_path / "world"), DaemonProcesses(), set[int]()
    begin = world.begin()
    with world.daemon() as one, world.daemon() as other:
        for offset in range(2):
            world.deliver(begin + timedelta(days=offset))
            world.wake(begin + timedelta(days=offset + 1))
            world.settle([*one, *other])
            until = monotonic() + BEATS_SECONDS
            while max(seen, default=0) < 2 and monotonic() < until:
                seen.add(processes.alive(read_daemons(world.jobs.instance), datetime.now(UTC)))
                sleep(1)
    made = Counter((run.job, day) for run, day in succeeded(world))
    assert {what: count for what, count in made.items() if count > 1} == {}
    assert {day for done, day in made if done == "load"} == {begin, begin + timedelta(days=1)}
    assert max(seen) == 2, "nobody would be told"


def test_nothing_is_left_running(tmp_path: Path) -> None:
    world = DaemonWorld(tmp_path / "world")
    with world.daemon() as daemon:
        for child in daemon:
            child.require_alive()
        groups = [child.process.pid for child in daemon]
    for group in groups:
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
