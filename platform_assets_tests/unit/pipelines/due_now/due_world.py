"""A platform whose jobs take no time: what is due is asked, done, and remembered, day after day.

Belongs here: what tests of `pipelines/due_now/` share. Does not belong here: Dagster (`unit/orchestration/test_due_sensor.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import CHAMPION, DEPLOYMENT, EVALUATION, SERVICE
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, RAW
from platform_assets.pipelines.due import as_of_days_declared, due
from platform_assets.pipelines.due_now.answer import DueAnswer, Remembered, Request, StartedRun
from platform_assets.pipelines.due_now.decide import due_now
from platform_assets.pipelines.due_now.reach import feature_reach, store_reach, training_reach
from platform_assets.pipelines.due_now.standing import Standing
from platform_assets.pipelines.jobs import FEED, LABELS, LOAD, ONLINE, TRAIN, TableName, part_tables
from platform_assets.testing.declare import declare, window

FIRST = date(2024, 1, 1)
DELAY = 3
START = FIRST + timedelta(days=30)
"""The day of the handover."""
VIEW = "activity"
EVENTS = {"payment": "int64", "at": "datetime", "card": "int64", "amount": "float64"}


def payments(**more: Any) -> UseCase:
    """Payments with windows of a week over events and over labels that are three days late, and a model every week."""
    fields: dict[str, Any] = {
        "events": EVENTS,
        "label": "is_bad",
        "label_delay_days": DELAY,
        "features": [
            "amount",
            {
                "name": "activity",
                "entity": "card",
                "windows": [
                    window("payments", "count", None, [7]),
                    window("bad", "sum", "is_bad", [7], delay_days=DELAY),
                ],
            },
        ],
        "training": {"splits": {"train_days": 7, "delay_days": DELAY, "test_days": 2, "folds": 1}, "every_days": 7},
        "history": {"first_day": str(FIRST), "last_day": "2024-12-31"},
        "monitoring": {"window_days": 4, "quality_metric": "auc_roc"},
    }
    return declare(**{**fields, **more})


@dataclass
class DueWorld:
    """The platform, its memory and its accidents.

    Attributes:
        use_case: what it runs.
        now: the clock's time.
        not_delivered: source and day of files that are not there yet.
        refused: source and day that the audit refuses.
        fails: says whether a run fails at its start.
        red_gates: as-of days whose evaluation is red.
        parity_is_red: whether parity forbids promotions.
        touched: source and day of changes that the next feed takes in.
        slow: jobs whose runs stay under way until `finish`.
        asked: every request so far.
        early: runs that were started before what they are made from was there.
    """

    use_case: UseCase
    now: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    materialized: dict[TableName, dict[date | None, int]] = field(default_factory=dict)
    runs: list[StartedRun] = field(default_factory=list)
    not_delivered: set[tuple[str, date]] = field(default_factory=set)
    refused: set[tuple[str, date]] = field(default_factory=set)
    fails: Callable[[Request], bool] = lambda request: False
    red_gates: set[date] = field(default_factory=set)
    parity_is_red: bool = False
    touched: set[tuple[str, date]] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    asked: list[Request] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    fed_at: datetime | None = None
    _number: int = 0

    @property
    def remembered(self) -> Remembered:
        """What it remembers."""
        ended = [one for one in self.runs if one.outcome != "under_way"][-200:]
        under_way = [one for one in self.runs if one.outcome == "under_way"]
        return Remembered(self.materialized, [*under_way, *ended], frozenset(self.red_gates), self.parity_is_red)

    def answer(self) -> DueAnswer:
        """What is due now."""
        return due_now(self.use_case, self.remembered, self.now, self.fed_at)

    def tick(self) -> list[Request]:
        """Ask once, and do what is answered."""
        requests = list(self.answer().requests)
        for request in requests:
            assert request.key not in self.keys, f"asked twice under one key: {request.key}"
            self.keys.add(request.key)
            self.asked.append(request)
            self._run(request)
        return requests

    def settle(self) -> list[Request]:
        """Ask until nothing more can start now; what was asked for."""
        asked: list[Request] = []
        for _ in range(100):
            requests = self.tick()
            asked += requests
            if not requests:
                return asked
        raise AssertionError(f"it never ends: {[one.key for one in asked[-5:]]}")

    def live(self, until: date) -> None:
        """Let the time pass up to noon of a day, and ask whenever the last answer said that something changes."""
        end = datetime.combine(until, time(12), tzinfo=UTC)
        while self.now < end:
            self.settle()
            wake_at = self.answer().wake_at
            assert wake_at is not None
            assert wake_at > self.now
            self.now = min(end, wake_at)
        self.settle()

    def off_until(self, day: date, hour: int = 12) -> None:
        """Let the time pass without anybody asking."""
        self.now = datetime.combine(day, time(hour), tzinfo=UTC)

    def handed_over(self, day: date) -> None:
        """What `platform-assets run` leaves that ends with a day: everything loaded that was known, a model, a store, predictions."""
        self.now = datetime.combine(day, time(12), tzinfo=UTC)
        first, delay = self.use_case.history.first_day, self.use_case.label_delay_days
        earliest, _ = as_of_days_declared(self.use_case)
        assert earliest <= day
        wanted = {
            LABELS: DayRange(first, day - timedelta(days=delay)),
            LOAD: DayRange(first, day - timedelta(days=1)),
            ONLINE: DayRange(day - timedelta(days=1), day - timedelta(days=1)),
            TRAIN: DayRange(day, day),
        }
        for one in due(self.use_case, self.materialized, day, wanted):
            self._make(one.job, one.part, one.days)

    def days(self, layer: str, table: str) -> set[date]:
        """Days of a table that were materialized."""
        return {day for day in self.materialized.get((layer, table), {}) if day is not None}

    def of(self, job: str) -> list[str]:
        """Days of each request of a job so far, in order."""
        return [str(one.about) for one in self.asked if one.due.job == job]

    def features_are_right(self) -> bool:
        """Whether no day of features is older than a day that it is made from."""
        seen = Standing(self.use_case, self.remembered, self.now)
        reaches = feature_reach(self.use_case)
        return all(seen.made_from(reaches, day) <= number for day, number in seen.computed.items())

    def finish(self, outcome: Any = "failed") -> None:
        """End the runs that are under way."""
        self.runs = [
            StartedRun(one.job, one.days, one.part, one.cause, one.asked_at, outcome)
            if one.outcome == "under_way"
            else one
            for one in self.runs
        ]

    def _run(self, request: Request) -> None:
        due_job = request.due
        outcome: Any = "under_way" if due_job.job in self.slow else "succeeded"
        if outcome == "succeeded" and (self.fails(request) or not self._make(due_job.job, due_job.part, due_job.days)):
            outcome = "failed"
        self.runs.append(StartedRun(due_job.job, request.about, due_job.part, request.cause, request.asked_at, outcome))

    def _make(self, job: str, part: str, days: DayRange | None) -> bool:
        """Materialize what a run makes, as far as it comes; whether it came to its end."""
        each: list[date | None] = [None] if days is None else [*days.days]
        done = True
        self._number += 1
        if job == FEED:
            for source, touched in self.touched:
                self.materialized.setdefault((RAW, source), {})[touched] = self._number
            self.touched.clear()
            self.fed_at = self.now
        for layer, table in part_tables(self.use_case, job, part):
            if layer in (RAW, CLEAN) and any((table, day) in self.not_delivered for day in each):
                return False
            kept = [day for day in each if layer != CLEAN or (table, day) not in self.refused]
            done &= len(kept) == len(each)
            if layer == FEATURES and not done:
                return False
            reaches = {LOAD: feature_reach, ONLINE: store_reach, TRAIN: training_reach}.get(job)
            if reaches is not None and layer in (FEATURES, MODEL) and table not in (CHAMPION,):
                self._require_input(job, reaches(self.use_case), [day for day in kept if day is not None])
            if (table == CHAMPION and (set(each) & self.red_gates or self.parity_is_red)) or not self._follows(
                table, each
            ):
                return False
            self._number += 1
            self.materialized.setdefault((layer, table), {}).update(dict.fromkeys(kept, self._number))
        return done

    def _follows(self, table: str, days: list[date | None]) -> bool:
        above = {SERVICE: (MODEL, CHAMPION), DEPLOYMENT: (MODEL, CHAMPION), CHAMPION: (MODEL, EVALUATION)}.get(table)
        return above is None or set(days) <= set(self.materialized.get(above, {}))

    def _require_input(self, job: str, reaches: list[Any], days: list[date]) -> None:
        seen = Standing(self.use_case, self.remembered, self.now)
        self.early += [
            f"{job} {day}: {reach.source} {lacking[0]}"
            for day in days
            for reach in reaches
            if (lacking := seen.lacking(reach, day))
        ]


def world(**more: Any) -> DueWorld:
    """Handed over at noon of `START`."""
    made = DueWorld(payments(**more))
    made.handed_over(START)
    return made


def day(offset: int) -> date:
    return START + timedelta(days=offset)


def text(first: int, last: int | None = None) -> str:
    return str(DayRange(day(first), day(first if last is None else last)))


def everything_is_there(made: DueWorld, newest: date) -> None:
    """Events and features up to a day, labels as far as they have arrived, in order and none before its input."""
    days = set(DayRange(FIRST, newest).days)
    assert made.days(CLEAN, "events") == days
    assert made.days(FEATURES, VIEW) == days
    assert made.days(CLEAN, "labels") == set(DayRange(FIRST, newest + timedelta(days=1 - DELAY)).days)
    assert newest in made.days(FEATURES, "online_store")
    assert made.features_are_right()
    assert made.early == []
