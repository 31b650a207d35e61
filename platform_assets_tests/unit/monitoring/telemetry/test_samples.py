"""What the platform's metrics say of a small lake, a registry, verdicts and runs."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration.names import BUSINESS_MEASURES, DRIFT, ESTIMATE, QUALITY
from platform_assets.declaration.use_case import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.lake.table import LakeTable
from platform_assets.monitoring.operations import (
    CheckFact,
    CheckState,
    DaemonFact,
    OperationsFacts,
    RunFact,
    RunState,
    SensorFact,
)
from platform_assets.monitoring.telemetry.catalogue import METRICS
from platform_assets.monitoring.telemetry.exporter import Question, Sample
from platform_assets.monitoring.telemetry.model import champion_age, verdict_questions
from platform_assets.monitoring.telemetry.runs import DaemonProcesses, daemon_samples, operations_samples
from platform_assets.monitoring.telemetry.tables import feature_questions, lake_questions
from platform_assets.registry.base import CHAMPION
from platform_assets.testing.declare import declare
from platform_assets.testing.fake_registry import FakeRegistry

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
FIRST = date(2024, 1, 1)
MEASURE = {"name": "saved", "expression": "speed", "unit": "EUR", "direction": "increase"}
LABELS = {metric.name: metric.labels for metric in METRICS}


@pytest.fixture
def use_case() -> UseCase:
    return declare(events={"visit": "int64", "at": "datetime", "speed": "float64"}, label="unpaid", features=["speed"])


@pytest.fixture
def catalog(use_case: UseCase, tmp_path: Path) -> Catalog:
    return Catalog(use_case, Lake(str(tmp_path / "lake"), {}))


def answers(*questions: Question) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric and labels; each sample has the labels that the metric declares."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for sample in (sample for question in questions for sample in question()):
        assert len(sample.labels) == len(LABELS[sample.name]), sample
        found.setdefault(sample.name, {})[sample.labels] = sample.value
    return found


def write(table: LakeTable, day: date, rows: int, **columns: Any) -> None:
    """Rows of a day whose columns are null but for those given."""
    given = {name: [columns.get(name)] * rows for name in table.schema} | {str(table.partition_by): [day] * rows}
    table.write_partitions(pl.DataFrame(given, schema=table.schema), day, day)


def seconds(day: date, **clock: int) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + timedelta(**clock).total_seconds()


def test_an_empty_lake_says_nothing(catalog: Catalog) -> None:
    assert answers(*lake_questions(catalog), *feature_questions(catalog), *verdict_questions(catalog)) == {}


def test_tables_of_a_lake(catalog: Catalog) -> None:
    clean, last = catalog.clean("events").stored, FIRST + timedelta(days=1)
    write(clean, FIRST, 3, at=datetime(2024, 1, 1, 9))
    write(clean, last, 2, at=datetime(2024, 1, 2, 7))
    for day in (FIRST, last):
        write(catalog.raw("events").stored, day, 3)
    write(catalog.quarantine("events"), FIRST, 5)
    found = answers(*lake_questions(catalog))
    assert found["newest_event_timestamp_seconds"] == {("small", "events"): seconds(last, hours=7)}
    table = ("small", "clean", "events")
    assert (found["table_rows"][table], found["table_files"][table]) == (5, 2)
    assert found["table_bytes"][table] == clean.size_bytes()
    assert found["refused_rows"] == {("small", "events", "newest"): 0}, "what an earlier day refused is over"
    write(catalog.quarantine("events"), last, 1)
    assert answers(*lake_questions(catalog))["refused_rows"] == {("small", "events", "newest"): 1}


def test_the_newest_day_of_features(catalog: Catalog) -> None:
    (view,) = catalog.use_case.stored_views
    write(catalog.features(view), FIRST, 1)
    found = answers(*feature_questions(catalog))
    assert found == {"feature_newest_day_timestamp_seconds": {("small", view.table): seconds(FIRST)}}


def verdict(catalog: Catalog, name: str, day: date, result: dict[str, Any]) -> None:
    row = {
        "status": "ok",
        "passed": True,
        "causes": [],
        "model_version": "1",
        "result": json.dumps(result),
        "event_day": day,
    }
    catalog.verdicts(name).write_partitions(pl.DataFrame([row], schema=VERDICT_SCHEMA), day, day)


def test_the_newest_verdicts(catalog: Catalog) -> None:
    figures = {"metrics": {"auc": 0.8}, "intervals": {"auc": {"low": 0.7, "high": 0.9}}, "bounds": {"auc": 0.6}}
    verdict(catalog, QUALITY, FIRST, {**figures, "metrics": {"auc": 0.1}, "coverage_ratio": 0.5})
    last = FIRST + timedelta(days=1)
    verdict(catalog, QUALITY, last, {**figures, "coverage_ratio": None, "metrics": {"auc": 0.8, "brier": float("nan")}})
    verdict(catalog, DRIFT, FIRST, {"columns": [{"status": "ok"}, {"status": "missing"}, {"status": "ok"}]})
    found = answers(*verdict_questions(catalog))
    kinds = {labels[1:]: value for labels, value in found["quality"].items()}
    assert kinds == {("auc", "true"): 0.8, ("auc", "low"): 0.7, ("auc", "high"): 0.9, ("auc", "bound"): 0.6}
    assert found["quality_window_timestamp_seconds"] == {("small",): seconds(last)}
    assert "quality_label_coverage_ratio" not in found, "a share of nothing is no number"
    assert {labels[1]: value for labels, value in found["drift_columns"].items()} == {"ok": 2, "drift": 0, "missing": 1}


def test_an_estimate_that_is_withdrawn_leaves_no_figure(catalog: Catalog) -> None:
    one = {"value": 0.7, "low": 0.6, "high": 0.8}
    verdict(catalog, ESTIMATE, FIRST, {"estimates": {"auc": one}, "status": "ok", "importance": {"distance": 0.2}})
    found = answers(*verdict_questions(catalog))
    kinds = {labels[2]: value for labels, value in found["quality"].items()}
    assert kinds == {"estimated": 0.7, "estimated_low": 0.6, "estimated_high": 0.8}
    assert (found["importance_change"], found["estimate_withdrawn"]) == ({("small",): 0.2}, {("small",): 0})
    later = FIRST + timedelta(days=1)
    verdict(
        catalog,
        ESTIMATE,
        later,
        {"estimates": {}, "withdrawn": {"auc": one}, "status": "withdrawn", "importance": None},
    )
    found = answers(*verdict_questions(catalog))
    assert found == {
        "estimate_withdrawn": {("small",): 1},
        "estimate_window_timestamp_seconds": {("small",): seconds(later)},
    }


def test_business_measures_and_failed_retrains(tmp_path: Path) -> None:
    measured = declare(
        events={"visit": "int64", "at": "datetime", "speed": "float64"},
        label="unpaid",
        features=["speed"],
        monitoring={"quality_metric": "auc_roc", "measures": [MEASURE]},
    )
    catalog = Catalog(measured, Lake(str(tmp_path / "lake"), {}))
    figures = [{"name": "saved", "value": 12.5}, {"name": "lost", "value": None}]
    verdict(catalog, BUSINESS_MEASURES, FIRST, {"measures": figures})
    write(catalog.retrain_decisions, FIRST, 1, failed_requests=2)
    found = answers(*verdict_questions(catalog))
    assert found == {"business_measure": {("small", "saved"): 12.5}, "retrain_requests_failed": {("small",): 2}}


def test_the_champion_s_day(use_case: UseCase) -> None:
    registry = FakeRegistry()
    assert champion_age(use_case, registry) == []
    version = registry.register(use_case.name, "run", {"as_of": "2024-01-01"}).version
    registry.set_alias(use_case.name, CHAMPION, version)
    assert champion_age(use_case, registry) == [
        Sample("model_as_of_timestamp_seconds", ("small", version), seconds(FIRST))
    ]


RUN = RunFact("1", "small", "load", "2024-01-01", 1, RunState.FAILED, NOW, NOW, NOW, "small load")
CHECK = CheckFact("small", "clean/events", "quality", CheckState.PASSED, blocking=True)
SENSOR = SensorFact("small__due", "small", "sensor", running=True)


def of_dagster(**facts: Any) -> Callable[[], list[Sample]]:
    return lambda: operations_samples(OperationsFacts(**facts), [("small", "load"), ("small", "train")], NOW)


def test_runs_that_failed_wait_and_go_on() -> None:
    hour_ago = NOW - timedelta(hours=1)
    runs = (
        RUN,
        replace(RUN, run_id="2", job="train", state=RunState.QUEUED, queued_at=hour_ago),
        replace(RUN, run_id="3", use_case=None, job="assets", state=RunState.IN_PROGRESS),
        replace(RUN, run_id="4", job="train", state=RunState.SUCCEEDED, ended_at=hour_ago),
    )
    found = answers(of_dagster(runs=runs))
    assert found["failed_runs"] == {("small", "load"): 1, ("small", "train"): 0, ("", "assets"): 0}
    assert found["runs_in_progress"] == {("small", "load"): 0, ("small", "train"): 0, ("", "assets"): 1}
    assert found["queued_runs"]["small", "train"] == 1
    assert found["oldest_queued_run_seconds"] == {(): 3600}
    assert found["newest_success_timestamp_seconds"] == {("small", "train"): hour_ago.timestamp()}
    quiet = answers(of_dagster())
    assert quiet["failed_runs"] == {("small", "load"): 0, ("small", "train"): 0}, "no failure is 0, not silence"
    assert quiet["oldest_queued_run_seconds"] == {(): 0}


@pytest.mark.parametrize(
    ("state", "value"),
    [
        (CheckState.PASSED, 0),
        (CheckState.WARNED, 0),
        (CheckState.IN_PROGRESS, 0),
        (CheckState.FAILED, 1),
        (CheckState.DID_NOT_RUN, 1),
        (CheckState.NOTHING_TO_CHECK, None),
    ],
)
def test_a_check_that_did_not_run_is_red(state: CheckState, value: float | None) -> None:
    found = answers(of_dagster(checks=(replace(CHECK, state=state),))).get("red_checks", {})
    assert found == ({} if value is None else {("small", "clean/events", "quality"): value})


def test_sensors_and_daemons() -> None:
    ticked = replace(SENSOR, name="small__retrain", running=False, last_tick_at=NOW, last_tick_state="failure")
    daemons = (
        DaemonFact("SENSOR", NOW, required=True),
        DaemonFact("ASSET", None, required=True),
        DaemonFact("OLD", NOW, required=False),
    )
    found = answers(of_dagster(sensors=(SENSOR, ticked)))
    assert found["sensor_running"] == {("small", "small__due"): 1, ("small", "small__retrain"): 0}
    assert found["sensor_last_tick_timestamp_seconds"] == {("small", "small__retrain"): NOW.timestamp()}
    assert found["sensor_last_tick_failed"] == {("small", "small__retrain"): 1}
    found = answers(lambda: daemon_samples(daemons, NOW, DaemonProcesses()))
    assert found["daemon_heartbeat_timestamp_seconds"] == {("SENSOR",): NOW.timestamp(), ("ASSET",): 0}


def test_a_sensor_that_is_declared_to_be_off_counts_only_where_all_are() -> None:
    conditions = SensorFact("small__automation", "small", "sensor", running=False, runs_by_default=False)
    found = answers(of_dagster(sensors=(SENSOR, conditions)))
    assert found["sensor_running"] == {("small", "small__due"): 1}
    off = replace(SENSOR, running=False, runs_by_default=False)
    found = answers(of_dagster(sensors=(off, conditions)))
    assert found["sensor_running"] == {("small", "small__due"): 0, ("small", "small__automation"): 0}


def test_two_daemons_that_are_seen_in_turn_are_two_until_one_is_gone() -> None:
    processes = DaemonProcesses()
    first = DaemonFact("SENSOR", NOW, required=True, process="one")
    second = replace(first, process="two", heartbeat_at=NOW + timedelta(seconds=20))
    assert processes.alive([first], NOW) == 1
    assert processes.alive([second], NOW + timedelta(seconds=20)) == 2
    later = NOW + timedelta(seconds=100)
    assert processes.alive([replace(second, heartbeat_at=later)], later) == 1
    assert processes.alive([DaemonFact("SENSOR", None, required=True)], NOW + timedelta(hours=1)) == 0
