"""Facts of Dagster as parts of a state: what counts, what is late, what is mended."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.monitoring.operations import (
    CheckFact,
    CheckState,
    DaemonFact,
    OperationsFacts,
    RunFact,
    RunState,
    SensorFact,
)
from platform_assets.pipelines.due import DueJob
from platform_assets.pipelines.due_now.answer import DueAnswer, Request, Waiting
from platform_assets.pipelines.jobs import FEED, LOAD, WATCH
from platform_assets.pipelines.use_case_state.operations import operations_of
from platform_assets.testing.declare import declare

NOW = datetime(2018, 9, 20, 8, tzinfo=UTC)
MACHINE = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = date(2018, 9, 19)
RANGE = DayRange(DAY, DAY)
NOTHING = DueAnswer()


@pytest.fixture
def shop() -> UseCase:
    return declare(
        events={"order_id": "int64", "order_time": "datetime", "amount": "float64"}, label="is_fraud", name="shop"
    )


def run(state: RunState, hours_ago: float, job: str = "load", days: str | None = "2018-09-19") -> RunFact:
    at = MACHINE - hours_ago * HOUR
    return RunFact(f"run-{state}-{hours_ago}", "shop", job, days, 1, state, at, at, at + timedelta(minutes=1), job)


FAILED = run(RunState.FAILED, 5)


def request(job: str, days: DayRange = RANGE) -> Request:
    return Request(DueJob(job, days), days, 1, 0, NOW)


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ((), 1), ((run(RunState.SUCCEEDED, 2),), 0), ((run(RunState.IN_PROGRESS, 1),), 0), ((run(RunState.SUCCEEDED, 2, "watch"),), 1),
        ((run(RunState.CANCELED, 2),), 1),
    ],
)  # fmt: skip
def test_a_failure_counts_until_a_later_run_mends_it(shop: UseCase, later: tuple[RunFact, ...], told: int) -> None:
    facts = OperationsFacts(runs=(FAILED, *later))
    found = operations_of(shop, facts, NOTHING, NOW, MACHINE, reason_of="why {}".format).failed_runs
    assert [(one.job, one.days, one.reason) for one in found] == [("load", "2018-09-19", f"why {FAILED.run_id}")] * told


def test_other_use_cases_do_not_count(shop: UseCase) -> None:
    other = replace(run(RunState.FAILED, 1), use_case="parking")
    check = CheckFact("parking", "clean/stays", "quality", CheckState.FAILED, blocking=True)
    sensor = SensorFact("parking__due", "parking", "sensor", running=False)
    found = operations_of(shop, OperationsFacts((other,), (check,), (sensor,)), NOTHING, NOW, MACHINE)
    assert (found.failed_runs, found.checks, found.sensors) == ((), (), ())


def test_a_check_without_a_verdict_is_told_unless_there_is_nothing_to_check(shop: UseCase) -> None:
    checks = tuple(CheckFact("shop", "clean/orders", state, state, blocking=True) for state in CheckState)
    found = operations_of(shop, OperationsFacts(checks=checks), NOTHING, NOW, MACHINE).checks
    assert [one.outcome for one in found] == ["passed", "failed", "warned", "did_not_run"]


def test_evidence_is_words_not_pictures(shop: UseCase) -> None:
    lines = (
        ("refused_rows", "12"),
        ("plot", "![plot](data:image/png;base64,AAAA)"),
        ("dagster/row_count", "3"),
        ("empty", ""),
        ("rows", "TableMetadataValue(records=[TableRecord(data={})])"),
        ("explanation", "x" * 250),
    )
    red = CheckFact("shop", "clean/orders", "quality", CheckState.FAILED, blocking=True, evidence=lines)
    (found,) = operations_of(shop, OperationsFacts(checks=(red,)), NOTHING, NOW, MACHINE).checks
    assert found.evidence == ("refused rows: 12", f"explanation: {'x' * 200}…")


def test_what_could_start_is_late_once_its_time_of_day_has_passed(shop: UseCase) -> None:
    answer = DueAnswer(
        requests=(request(LOAD), request(FEED)), waiting=(Waiting(WATCH, RANGE, "waits for load"),), wake_at=NOW + HOUR
    )
    for hours, late in ((8.0, True), (0.3, False)):
        now = NOW.replace(hour=0) + hours * HOUR
        found = operations_of(shop, OperationsFacts(), answer, now, MACHINE)
        assert [(due.job, due.late, due.waits_for) for due in found.due] == [
            ("load", late, ""),
            ("watch", False, "waits for load"),
        ]
        assert found.due_next == NOW + HOUR
    simulated = operations_of(shop, OperationsFacts(), answer, NOW, MACHINE, simulated=True)
    assert not any(due.late for due in simulated.due), "hours of a simulated clock go by between two looks"


def test_a_history_that_is_over_has_nothing_due_next(shop: UseCase) -> None:
    ended = shop.model_copy(update={"history": shop.history.model_copy(update={"last_day": date(2018, 9, 1)})})
    answer = DueAnswer(wake_at=NOW + HOUR)
    assert operations_of(ended, OperationsFacts(), answer, NOW, MACHINE).due_next is None


def test_a_daemon_is_dead_when_its_heart_beats_no_more_and_none_is_told_where_none_ever_ran(shop: UseCase) -> None:
    beats = {"SENSOR": MACHINE - timedelta(seconds=30), "ASSET": MACHINE - HOUR, "BACKFILL": None}
    daemons = tuple(DaemonFact(name, at, required=True) for name, at in beats.items())
    found = operations_of(
        shop, OperationsFacts(daemons=(*daemons, DaemonFact("OLD", None, required=False))), NOTHING, NOW, MACHINE
    )
    assert {one.name: one.healthy for one in found.daemons} == {"SENSOR": True, "ASSET": False, "BACKFILL": False}
    never = tuple(replace(one, heartbeat_at=None) for one in daemons)
    assert operations_of(shop, OperationsFacts(daemons=never), NOTHING, NOW, MACHINE).daemons == ()


def test_a_sensor_says_what_its_last_tick_said_only_when_that_failed(shop: UseCase) -> None:
    ticks = (("skipped", ""), ("failure", "no lake"))
    sensors = tuple(
        SensorFact(f"shop__{state}", "shop", "sensor", True, MACHINE, state, "no lake\nmore") for state, _ in ticks
    )
    found = operations_of(shop, OperationsFacts(sensors=sensors), NOTHING, NOW, MACHINE).sensors
    assert [(one.name, one.error) for one in found] == list(ticks)
    off = replace(sensors[0], running=False, runs_by_default=False)
    (one,) = operations_of(shop, OperationsFacts(sensors=(off,)), NOTHING, NOW, MACHINE).sensors
    assert (one.running, one.should_run) == (False, False)
