"""Thirty days under the real daemon with accidents: every row as in a world that nobody disturbed, nothing made twice.

Belongs here: when which accident happens, and what must hold at the end. Does not belong here: planting an accident (`accidents.py`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks.common.report import Bar, Topic
from benchmarks.thirty_days.accidents import (
    kill_daemon,
    kill_machine,
    kill_worker,
    seconds_until_told,
    spoil,
)
from platform_assets.monitoring.operations import RunState
from platform_assets.orchestration.daemon import Child, runs_since
from platform_assets.testing.daemon_world import DaemonWorld

TITLE = "Thirty days under the daemon"
LATE, REFUSED, WORKER, DAEMON, MACHINE, OFF, RETRAIN = 2, 5, 8, 10, 12, 15, 20
"""Offsets of the accidents; off are that day and the next, and on the last one a model is trained."""
DAYS_LATE = 2
FULL_DAYS = 30
TOLD_WITHIN_SECONDS = 60.0
MODEL_COLUMNS = {"score", "decision", "release", "request_id"}
"""Of predictions: what depends on which model was there when a day was caught up."""


@dataclass
class Diary:
    """What happened to the disturbed world.

    Attributes:
        told: seconds until each accident that struck a process was told, by its name.
        rows: of the report.
    """

    told: dict[str, float] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)

    def note(self, accident: str, what: str) -> None:
        """Write down what became of an accident."""
        self.rows.append([accident, what])


def measure_thirty_days(days: int, log: Callable[[str], None]) -> Topic:
    """Live through the days twice: in this process and in order, and under the daemon with accidents.

    Args:
        days: how many; accidents that lie behind them do not happen.
        log: told of the progress.
    """
    with tempfile.TemporaryDirectory(prefix="platform-assets-thirty-days-") as folder:
        quiet, struck, diary = DaemonWorld(Path(folder) / "quiet"), DaemonWorld(Path(folder) / "struck"), Diary()
        begin = quiet.begin()
        for offset in range(days):
            quiet.deliver(begin + timedelta(days=offset))
            quiet.live_a_day_undisturbed(begin + timedelta(days=offset + 1))
        log(f"{days} days that nobody disturbed")
        struck.begin()
        _Struck(struck, begin, days, diary, log).live()
        return _judged(quiet, struck, days, diary)


@dataclass
class _Struck:
    """The disturbed world on its way."""

    world: DaemonWorld
    begin: date
    days: int
    diary: Diary
    log: Callable[[str], None]

    def live(self) -> None:
        offset = 0
        while offset < self.days:
            with self.world.daemon() as children:
                while offset < self.days:
                    if offset == OFF:
                        break
                    self._deliver(offset)
                    self.world.wake(self._day(offset + 1))
                    self.log(f"day {offset + 1} of {self.days}")
                    offset += 1
                    if offset - 1 == DAEMON:
                        kill_daemon(children)
                        self.diary.note("daemon killed", "started again the same morning")
                        break
                    if offset - 1 == MACHINE:
                        self._machine(children)
                        break
                    self._strike(offset - 1)
                    self.world.settle(children, at_most_seconds=600)
            if offset == OFF:
                for each in (OFF, OFF + 1):
                    self._deliver(each)
                offset = min(OFF + 2, self.days)
                self.world.wake(self._day(offset))
                self.diary.note("two days off", "caught up on the third morning")
                if offset == self.days:
                    self._settle_once()
            elif offset == self.days:
                self._settle_once()

    def _settle_once(self) -> None:
        with self.world.daemon() as children:
            self.world.settle(children, at_most_seconds=600)

    def _day(self, offset: int) -> date:
        return self.begin + timedelta(days=offset)

    def _deliver(self, offset: int) -> None:
        """What arrives at the end of a day, with what came late or was mended meanwhile."""
        day = self._day(offset)
        if offset == LATE:
            self.world.deliver(day, "labels")
            self.diary.note("a file two days late", f"visits of {day}")
            return
        self.world.deliver(day)
        if offset == REFUSED:
            spoil(self.world, day)
            self.diary.note("a refused day", f"{day}, mended {DAYS_LATE} days later")
        for accident in (LATE, REFUSED):
            if offset == accident + DAYS_LATE:
                self.world.deliver(self._day(accident), "visits")

    def _strike(self, offset: int) -> None:
        if offset == WORKER:
            self.diary.told["worker killed"] = kill_worker(self.world)
        if offset == RETRAIN:
            self.diary.told["training killed"] = kill_worker(self.world, "train")

    def _machine(self, children: list[Child]) -> None:
        run = kill_machine(self.world, children)
        self.diary.note("machine killed", f"while {run.title} worked; started again the same morning")
        with self.world.daemon() as again:
            self.diary.told["machine killed"] = seconds_until_told(self.world, run)
            self.world.settle(again, at_most_seconds=600)


def _judged(quiet: DaemonWorld, struck: DaemonWorld, days: int, diary: Diary) -> Topic:
    different = _different(quiet.contents(), struck.contents())
    twice, failed = _twice(struck)
    rows = [
        *diary.rows,
        *([name, f"told after {seconds:.0f} s"] for name, seconds in diary.told.items()),
        ["runs that failed meanwhile", str(failed)],
    ]
    late = {name: seconds for name, seconds in diary.told.items() if seconds > TOLD_WITHIN_SECONDS}
    bars = [
        Bar(
            "every row of every table of days as in the undisturbed world",
            "; ".join(different) or "equal",
            not different,
        ),
        Bar("no day made twice", ", ".join(twice) or "none", not twice),
        Bar("each accident to a process told within a minute", ", ".join(late) or "all", not late),
    ]
    how = (
        f"A tiny use case of {days} days, whose files come day by day. Once in this process, in order; once under `dagster-daemon`, a code "
        "server and a simulated clock, with accidents. At the end all tables of days are compared; of predictions without what depends on "
        "which model was there when a day was caught up. Not here: a service, its store and days without requests."
    )
    return Topic(TITLE, how, ("accident", "what became of it"), rows, bars)


def _different(expected: Mapping[str, pl.DataFrame], found: Mapping[str, pl.DataFrame]) -> list[str]:
    """Tables that differ, in words."""
    words = []
    for name, frame in expected.items():
        kept = [column for column in frame.columns if column not in MODEL_COLUMNS]
        other = found[name].select(kept)
        if not frame.select(kept).equals(other):
            words.append(f"{name}: {frame.height} rows expected, {other.height} found")
    return words


def _twice(world: DaemonWorld) -> tuple[list[str], int]:
    """Days of jobs that two runs made, and how many runs failed."""
    runs = runs_since(world.jobs, world.use_case, datetime(2000, 1, 1, tzinfo=UTC))
    made: Counter[tuple[str, str, date]] = Counter()
    for run in runs:
        tags = dict(run.tags)
        if run.state is not RunState.SUCCEEDED or not run.days or "platform_assets/due" not in tags:
            continue
        first, _, last = run.days.partition("/")
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last or first):
            made[run.job, tags.get("platform_assets/part", ""), day] += 1
            day += timedelta(days=1)
    twice = [f"{job} {part} {day}: {count} times" for (job, part, day), count in sorted(made.items()) if count > 1]
    return twice, sum(run.state is RunState.FAILED for run in runs)
