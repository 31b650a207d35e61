"""Scores that a source delivers are watched with no model of ours: predictions, drift, estimates, quality with late labels, alerts."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import DAILY_PREDICTIONS, DRIFT, ESTIMATE, QUALITY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, MONITORING, PREDICTIONS, TRAINING
from platform_assets.lake.lineage.use_case import lineage
from platform_assets.monitoring.alerting.data_rules import data_group
from platform_assets.orchestration.assets.delivered_scores import delivered_scores_asset
from platform_assets.orchestration.assets.monitoring import quality_asset
from platform_assets.orchestration.component import use_case_definitions
from platform_assets.pipelines import watch
from platform_assets.pipelines.due import due, tables_to_read
from platform_assets.pipelines.due_now.answer import Remembered
from platform_assets.pipelines.due_now.decide import due_now
from platform_assets.pipelines.estimate_quality import estimate_quality
from platform_assets.pipelines.jobs import JUDGE, PREDICT, WATCH, job_tables
from platform_assets.pipelines.required_days import DaysMissing
from platform_assets.pipelines.take_in_scores import DayOfScores, take_in_scores
from platform_assets.pipelines.timeline import plan
from platform_assets.pipelines.watched_model import MonitoringError
from platform_assets.pipelines.withdraw_derived import withdraw_derived
from platform_assets.testing.declare import declare
from platform_assets.testing.loaded_days import computed, loaded

FIRST = date(2024, 3, 4)
REFERENCE = date(2024, 3, 13)
WORSE = date(2024, 3, 20)
"""From here on the vendor's scores say nothing."""
LAST = date(2024, 3, 29)
DELAY = 3
ROWS = 240


def declared(**changes: Any) -> UseCase:
    sections: dict[str, Any] = {
        "sources": [
            {
                "name": "scores",
                "connector": {"kind": "files", "format": "csv", "path": "scores/{event_day}.csv"},
                "columns": [
                    {"name": "application", "type": "int64", "description": "Application"},
                    {"name": "at", "type": "datetime", "description": "Time of the application"},
                    {"name": "points", "type": "float64", "nullable": True, "description": "0 to 1000"},
                    {"name": "engine", "type": "string", "description": "The vendor's version"},
                ],
                "primary_key": ["application"],
                "event_time": "at",
            }
        ],
        "predictions": {
            "source": "scores",
            "score": "points",
            "highest": 1000,
            "model_version": "engine",
            "reference": {"first_day": FIRST, "last_day": REFERENCE},
        },
        "training": {"learners": []},
        "serving": {"mode": "external", "request": ["application", "at", "income"], "decision": {"threshold": 0.5}},
        "monitoring": {"quality_metric": "auc_roc", "window_days": 3, "min_rows": 200},
        "history": {"first_day": FIRST, "last_day": LAST},
        **changes,
    }
    return declare(
        events={"application": "int64", "at": "datetime", "income": "float64"},
        label="late",
        connector={"kind": "files", "format": "csv", "path": "applications/{event_day}.csv"},
        label_source={"connector": {"kind": "files", "format": "csv", "path": "labels/{event_day}.csv"}},
        label_delay_days=DELAY,
        **sections,
    )


def write(folder: Path) -> None:
    for table in ("applications", "scores", "labels"):
        (folder / table).mkdir()
    for day in DayRange(FIRST, LAST).days:
        random = np.random.default_rng(day.toordinal())
        risk, income = random.random(ROWS), random.lognormal(3, 0.3, ROWS)
        late = random.random(ROWS) < risk
        points = 1000 * (risk if day < WORSE else random.random(ROWS))
        keys = [f"{day.toordinal() * 1000 + i},{day}T{8 + i // 60:02d}:{i % 60:02d}:00Z" for i in range(ROWS)]
        engine = "7.1" if day < WORSE else "7.2"
        columns = {
            "applications": ("income", [f"{one:.2f}" for one in income]),
            "scores": ("points,engine", [f"{one:.0f},{engine}" for one in points]),
            "labels": ("late", [str(int(one)) for one in late]),
        }
        for table, (header, values) in columns.items():
            lines = [f"{key},{value}" for key, value in zip(keys, values, strict=True)]
            if table == "scores" and day == LAST:
                lines[0], lines[1] = f"{keys[0]},,{engine}", f"1,{day}T09:00:00Z,500,{engine}"
            (folder / table / f"{day}.csv").write_text("\n".join([f"application,at,{header}", *lines]) + "\n")


@dataclass
class World:
    catalog: Catalog
    folder: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("vendor")
    write(folder)
    catalog = computed(loaded(declared(), folder, folder / "lake"))
    taken = take_in_scores(catalog, DayRange(FIRST, LAST))
    assert taken.by_day[FIRST] == DayOfScores(events=ROWS, without_score=0, without_event=0)
    assert taken.by_day[LAST] == DayOfScores(events=ROWS, without_score=2, without_event=1)
    assert dict(taken.versions) == {"7.1": 16 * ROWS, "7.2": 10 * ROWS - 2}
    assert taken.rows == 26 * ROWS - 2
    return World(catalog, folder)


def test_predictions_are_the_delivered_scores_beside_features(world: World) -> None:
    rows = world.catalog.predictions.read(FIRST, FIRST).sort("application")
    assert rows.height == ROWS
    assert rows["score"].is_between(0, 1).all()
    assert rows["decision"].to_list() == ["decline" if one >= 0.5 else "approve" for one in rows["score"]]
    assert rows["feature__income"].to_list() == rows["income"].to_list()
    assert set(rows["model_version"]) == {"7.1"}


def test_scores_that_say_nothing_any_more_are_lost_quality_and_no_drift(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "write_drift_report", lambda *_, **__: None)
    good, bad = WORSE - timedelta(days=1), LAST - timedelta(days=DELAY)
    before = watch.watch_quality(world.catalog, None, good)
    assert before.result.passed, before.result.explanation
    assert before.version.version == "7.1"
    assert before.result.reference == pytest.approx(before.result.metrics["auc_roc"], abs=0.05)
    after = watch.watch_quality(world.catalog, None, bad)
    assert [one.name for one in after.result.violations] == ["auc_roc"]
    assert after.version.version == "7.2"
    assert watch.watch_drift(world.catalog, None, world.folder, bad).result.passed


def test_a_score_that_moves_drifts(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watch, "write_drift_report", lambda *_, **__: None)
    catalog = world.catalog
    window = [LAST - timedelta(days=2), LAST]
    kept = catalog.predictions.read(*window)
    try:
        catalog.predictions.write_partitions(kept.with_columns(kept["score"] / 2), *window)
        drift = watch.watch_drift(catalog, None, tmp_path, LAST)
        assert [one.column for one in drift.result.failed_columns] == ["score"]
    finally:
        catalog.predictions.write_partitions(kept, *window)


def test_quality_is_estimated_before_labels_and_withdrawn_once_they_contradict(world: World) -> None:
    good = estimate_quality(world.catalog, None, WORSE - timedelta(days=1))
    assert good.result.status == "ok", good.result.explanation
    truth = watch.watch_quality(world.catalog, None, WORSE - timedelta(days=1)).result.metrics["auc_roc"]
    assert good.result.followed is not None
    assert good.result.followed.low <= truth <= good.result.followed.high
    assert estimate_quality(world.catalog, None, LAST).result.status == "withdrawn"


def test_reference_days_without_scores_are_told(world: World) -> None:
    catalog = world.catalog
    kept = catalog.predictions.read(FIRST, REFERENCE)
    try:
        catalog.predictions.write_partitions(kept.clear(), FIRST, REFERENCE, allow_empty=True)
        with pytest.raises(MonitoringError, match=r"reference days 2024-03-04 \.\. 2024-03-13 have no scores; declare"):
            watch.watch_drift(catalog, None, world.folder, LAST)
    finally:
        catalog.predictions.write_partitions(kept, FIRST, REFERENCE)


@pytest.mark.parametrize(("day", "passed"), [(FIRST, True), (LAST, False)], ids=["whole", "two lack, one is unknown"])
def test_the_check_tells_days_without_scores(world: World, day: date, passed: bool) -> None:
    result = dg.materialize(
        [delivered_scores_asset(use_case=world.catalog.use_case)],
        partition_key=day.isoformat(),
        resources={"lake": world.catalog.lake},
    )
    [evaluation] = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == ("scored", passed)
    assert evaluation.metadata["without_score"].value == (0 if passed else 2)
    assert evaluation.metadata["scores_without_event"].value == (0 if passed else 1)


def test_the_check_of_quality_asks_no_registry(world: World) -> None:
    def registry() -> None:
        raise AssertionError("there is no model of ours")

    resources = {"lake": world.catalog.lake, "models": SimpleNamespace(registry=registry)}
    asset = quality_asset(use_case=world.catalog.use_case)
    for day, passed in ((WORSE - timedelta(days=1), True), (LAST - timedelta(days=DELAY), False)):
        result = dg.materialize([asset], partition_key=day.isoformat(), resources=resources)
        assert [one.passed for one in result.get_asset_check_evaluations()] == [passed]


def test_nothing_is_trained_served_or_decided(tmp_path: Path) -> None:
    use_case = declared()
    tables = {table for tables in job_tables(use_case).values() for table in tables}
    assert (PREDICTIONS, DAILY_PREDICTIONS) in tables
    assert {table for layer, table in tables if layer == MONITORING} == {DRIFT, ESTIMATE, QUALITY}
    assert not {MODEL, TRAINING, "serving"} & {layer for layer, _ in tables}
    definitions = use_case_definitions(use_case, tmp_path)
    assets = [one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    made = {tuple(key.path[1:]) for one in assets for key in one.keys}
    assert tables <= made
    assert not {MODEL, TRAINING, "serving"} & {key[0] for key in made}
    assert not [one for one in definitions.sensors or () if "retrain" in one.name or "rollout" in one.name]
    origins = lineage(use_case)
    assert origins


def test_every_day_is_taken_in_and_windows_begin_after_the_reference() -> None:
    use_case = declared()
    days, everything = plan(use_case), DayRange(FIRST, LAST)
    there = dict.fromkeys(everything.days, 1)
    materialized = dict.fromkeys(
        [*((CLEAN, name) for name in ("events", "scores", "labels")), (FEATURES, "as_delivered")], there
    )
    wanted = {PREDICT: everything, WATCH: DayRange(LAST, LAST), JUDGE: DayRange(days.live.last, days.live.last)}
    answered = due(use_case, materialized, LAST + timedelta(days=DELAY), wanted)
    assert [one.job for one in answered] == [PREDICT, WATCH, JUDGE]
    assert answered[0].days == everything
    assert days.history.first == FIRST

    moment = datetime(2024, 4, 3, 12, tzinfo=UTC)
    now = due_now(use_case, Remembered(materialized), moment)
    assert [(one.due.job, one.due.days) for one in now.requests if one.due.job == PREDICT] == [(PREDICT, everything)]
    materialized[PREDICTIONS, DAILY_PREDICTIONS] = there
    now = due_now(use_case, Remembered(materialized), moment)
    ends = {one.due.job: one.due.days for one in now.requests}
    first = REFERENCE + timedelta(days=3)
    assert ends[WATCH] == DayRange(first, first)
    assert ends[JUDGE] == DayRange(first, first)


def test_a_day_that_is_published_again_is_taken_in_again() -> None:
    """A day that was taken back and returned, or scores that were delivered anew."""
    use_case, everything = declared(), DayRange(FIRST, LAST)
    there = dict.fromkeys(everything.days, 1)
    predictions = (PREDICTIONS, DAILY_PREDICTIONS)
    tables = [*((CLEAN, name) for name in ("events", "scores", "labels")), (FEATURES, "as_delivered")]
    moment, wanted = datetime(2024, 4, 3, 12, tzinfo=UTC), {PREDICT: everything}
    for table in ((CLEAN, "scores"), (FEATURES, "as_delivered")):
        materialized = {**dict.fromkeys(tables, there), predictions: dict.fromkeys(everything.days, 2)}
        assert table in tables_to_read(use_case)
        assert not due(use_case, materialized, LAST + timedelta(days=DELAY), wanted)
        materialized[table] = {**there, WORSE: 3}
        [again] = due(use_case, materialized, LAST + timedelta(days=DELAY), wanted)
        assert (again.job, again.days) == (PREDICT, DayRange(WORSE, WORSE))
        now = due_now(use_case, Remembered(materialized), moment)
        assert [one.due.days for one in now.requests if one.due.job == PREDICT] == [DayRange(WORSE, WORSE)]


def test_scores_of_a_day_that_is_taken_back_are_withdrawn(world: World) -> None:
    catalog = world.catalog
    kept = catalog.predictions.read(REFERENCE, REFERENCE)
    try:
        made = withdraw_derived(catalog, catalog.use_case.source("scores"), REFERENCE, "a test")
        assert (list(made.features), list(made.predictions)) == ([], [REFERENCE])
        with pytest.raises(DaysMissing, match=str(REFERENCE)):
            watch.watch_quality(catalog, None, LAST - timedelta(days=DELAY))
    finally:
        catalog.predictions.write_partitions(kept, REFERENCE, REFERENCE)


def test_alerts_ask_for_no_model() -> None:
    alerts = {alert.name: alert for alert in data_group(declared(), {}).alerts}
    assert {"QualityLost", "Drift", "QualityUnknown", "EstimatedQualityLow"} <= alerts.keys()
    assert not {"ModelOld", "RetrainFailed", "RolloutStuck"} & alerts.keys()
    assert 'source="scores"' in str(alerts["QualityUnknown"].expression)


def test_scores_that_come_with_the_events_may_be_called_as_those_of_predictions(tmp_path: Path) -> None:
    """Delivered and predicted columns of one name are not mixed up."""
    use_case = declare(
        events={
            "id": "int64",
            "at": "datetime",
            "score": "float64?",
            "decision": "string",
            "sum": "int32",
            "late": [0, 1],
        },
        label="late",
        connector={"kind": "files", "format": "csv", "path": "{event_day}.csv"},
        features=["sum"],
        predictions={
            "source": "events",
            "score": "score",
            "highest": 100,
            "decision": "decision",
            "reference": {"first_day": FIRST, "last_day": FIRST},
        },
        training={"learners": []},
        serving={"mode": "external", "request": ["id", "at", "sum"], "decision": {"threshold": 0.5}},
        history={"first_day": FIRST, "last_day": FIRST + timedelta(days=1)},
    )
    for day in DayRange(FIRST, FIRST + timedelta(days=1)).days:
        rows = [f"{day.toordinal() * 10 + i},{day}T10:00:0{i}Z,{20 * i or ''},by hand,{i},{i % 2}" for i in range(5)]
        (tmp_path / f"{day}.csv").write_text("\n".join(["id,at,score,decision,sum,late", *rows]) + "\n")
    catalog = computed(loaded(use_case, tmp_path, tmp_path / "lake"))
    taken = take_in_scores(catalog, DayRange(FIRST, FIRST))
    assert taken.by_day[FIRST] == DayOfScores(events=5, without_score=1, without_event=0)
    rows = catalog.predictions.read().sort("id")
    assert rows["score"].to_list() == [0.2, 0.4, 0.6, 0.8]
    assert rows["feature__sum"].to_list() == [1.0, 2.0, 3.0, 4.0]
    assert set(rows["decision"]) == {"by hand"}
    assert set(rows["model_version"]) == {"delivered"}
    with pytest.raises(ValueError, match="a prediction has a column of this name"):
        declare(
            events={"id": "int64", "at": "datetime", "score": "float64", "late": [0, 1]},
            label="late",
            predictions={
                "source": "events",
                "score": "score",
                "reference": {"first_day": "2024-01-02", "last_day": "2024-01-03"},
            },
            training={"learners": []},
            serving={"mode": "external", "request": ["id", "at", "score"], "decision": {"threshold": 0.5}},
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"serving": {"mode": "batch", "request": ["application", "at", "income"], "decision": {"threshold": 0.5}}},
         "belongs to `serving.mode` external; declared is batch"),
        ({"predictions": None}, "declare the section `predictions`"),
        ({"training": {}}, "leave the learners out"),
        ({"predictions": {"source": "scores", "score": "engine"}}, "is string; needed is one of"),
        ({"predictions": {"source": "scores", "score": "nothing"}}, "no such column in 'scores'"),
        ({"predictions": {"source": "vendor", "score": "points"}}, "no such source"),
        ({"predictions": {"source": "labels", "score": "late"}}, "scores come with their events"),
        ({"predictions": {"source": "scores", "score": "points", "reference": {"first_day": FIRST, "last_day": LAST}}},
         "no day is left to watch"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_where_it_stands(changes: dict[str, Any], message: str) -> None:
    if (given := changes.get("predictions")) and "reference" not in given:
        given["reference"] = {"first_day": FIRST, "last_day": REFERENCE}
    with pytest.raises(ValueError, match=message):
        declared(**changes)
