"""The score of somebody else's model is judged and watched as one of ours: predictions, drift, and quality once labels are there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.names import BUSINESS_MEASURES, DRIFT, ESTIMATE, QUALITY
from platform_assets.lake.catalog import Catalog
from platform_assets.orchestration.assets.business_measures import business_measures_asset
from platform_assets.orchestration.assets.estimates import estimated_quality_asset
from platform_assets.orchestration.assets.monitoring import drift_asset, quality_asset
from platform_assets.orchestration.left_out import left_out_tag
from platform_assets.pipelines import watch
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.estimate_quality import estimate_quality
from platform_assets.pipelines.measure_business import watch_business
from platform_assets.pipelines.predict import predict
from platform_assets.pipelines.train import select_model
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, write_model_run
from platform_assets.testing.declare import declare
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training.compare import refit
from platform_assets.training.dataset import read_dataset
from platform_assets.training.folds import refit_days
from platform_assets_tests.unit.pipelines.file_days import CONNECTOR, MONDAY, FileDays

AS_OF = MONDAY + timedelta(days=9)
LAST = AS_OF + timedelta(days=12)
WORSE = AS_OF + timedelta(days=8)
"""From here on the vendor's scores say nothing."""
GONE = WORSE - timedelta(days=2)
"""Did not come, in one of the worlds."""
SILENT = LAST + timedelta(days=3)
"""Last of three days on which applications came and nobody asked the model."""
ROWS = 300


def applications(day: date) -> list[str]:
    random = np.random.default_rng(day.toordinal())
    risk = random.random(ROWS)
    late = random.random(ROWS) < risk
    score = risk if day < WORSE else random.random(ROWS)
    return [
        f"{day.toordinal() * 1000 + i},{day}T{8 + i // 60:02d}:{i % 60:02d}:00Z,{100 * score[i]:.1f},{int(late[i])}"
        for i in range(ROWS)
    ]


def declared() -> UseCase:
    return declare(
        events={"application": "int64", "at": "datetime", "vendor_score": "float64", "late": [0, 1]},
        label="late",
        connector=CONNECTOR,
        history={"first_day": MONDAY, "last_day": SILENT},
        features=["vendor_score"],
        training={
            "learners": [
                {"name": "constant", "kind": "constant", "baseline": True},
                {"name": "vendor", "kind": "single_feature", "feature": "vendor_score", "settings": {"highest": 100.0}},
            ]
        },
        serving={"mode": "batch", "request": ["application", "at", "vendor_score"], "decision": {"threshold": 0.5}},
        monitoring={
            "quality_metric": "auc_roc",
            "window_days": 3,
            "min_rows": 200,
            "measures": [
                {
                    "name": "false_alarms",
                    "expression": "CASE WHEN decision = 'decline' AND late = 0 THEN 1 ELSE 0 END",
                    "unit": "alarms",
                    "direction": "decrease",
                    "bound": 60.0,
                }
            ],
        },
    )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, FakeRegistry]:
    folder = tmp_path_factory.mktemp("scores")
    shop = FileDays.of(folder, declared())
    for day in DayRange(MONDAY, SILENT).days:
        shop.write(f"{day}.csv", applications(day))
    shop.load_and_publish(MONDAY, SILENT)
    use_case, catalog = shop.use_case, shop.catalog
    for view in use_case.features:
        compute_features(catalog, view, DayRange(MONDAY, LAST))
    build_training_set(catalog, AS_OF)
    frame = catalog.training_sets.read(AS_OF, AS_OF)
    data = read_dataset(use_case, frame)
    selection = select_model(use_case, data, AS_OF, lambda line: None)
    assert selection.winner.name == "vendor"
    days = refit_days(AS_OF, use_case.label_delay_days, use_case.training.splits.train_days)
    (folder / "run").mkdir()
    predictor = refit(data, days, selection.winner, 0)
    tags = {
        "as_of": AS_OF.isoformat(),
        "learner": "vendor",
        "trained_on_first_day": days[0].isoformat(),
        "trained_on_last_day": days[1].isoformat(),
        "label_mean": repr(predictor.trained_on.label_mean),
        MODEL_DIGEST_TAG: write_model_run(folder / "run", predictor, selection.comparison, frame, use_case),
    }
    registry = FakeRegistry()
    registry.add(replace(RegisteredVersion(use_case.name, "1", "run 1", {}), tags=tags), folder / "run")
    registry.set_alias(use_case.name, CHAMPION, "1")
    predict(catalog, registry, DayRange(AS_OF, LAST))
    watch.store_predictions(catalog, folder / "log", DayRange(LAST + timedelta(days=1), SILENT))
    return catalog, registry


def test_predictions_are_the_scores_themselves(watched: tuple[Catalog, FakeRegistry]) -> None:
    rows = watched[0].predictions.read(AS_OF, AS_OF)
    np.testing.assert_allclose(rows["score"].to_numpy(), rows["feature__vendor_score"].to_numpy() / 100, rtol=1e-12)
    assert rows.height == ROWS


def test_scores_that_say_nothing_any_more_violate_the_quality_although_they_do_not_drift(
    watched: tuple[Catalog, FakeRegistry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "write_drift_report", lambda *_, **__: None)
    catalog, registry = watched
    good, bad = WORSE - timedelta(days=1), LAST - timedelta(days=1)
    assert watch.watch_quality(catalog, registry, good).result.passed
    violated = watch.watch_quality(catalog, registry, bad).result
    assert violated.status == "violated"
    assert [violation.name for violation in violated.violations] == ["auc_roc"]
    assert watch.watch_drift(catalog, registry, tmp_path, bad).result.passed


def test_an_estimate_is_withdrawn_once_labels_contradict_it(watched: tuple[Catalog, FakeRegistry]) -> None:
    catalog, registry = watched
    watched_estimate = estimate_quality(catalog, registry, WORSE - timedelta(days=1))
    good, change = watched_estimate.result, watched_estimate.change
    assert good.status == "ok", good.explanation
    assert good.followed is not None
    truth = watch.watch_quality(catalog, registry, WORSE - timedelta(days=1)).result.metrics["auc_roc"]
    assert good.followed.low <= truth <= good.followed.high
    assert change.moved == ()
    assert change.importance is None, "no weekday of the window is among the two labelled days"
    later = estimate_quality(catalog, registry, LAST - timedelta(days=1)).result
    assert later.status == "withdrawn"
    assert later.followed is None
    assert [(one.day, one.covered) for one in later.scored] == [(str(WORSE - timedelta(days=1)), True)]


def test_what_answers_are_worth_is_measured_with_their_labels(watched: tuple[Catalog, FakeRegistry]) -> None:
    good = watch_business(watched[0], WORSE - timedelta(days=1)).result
    assert good.passed, good.measures[0].explanation
    bad = watch_business(watched[0], LAST - timedelta(days=1)).result
    assert bad.causes == ["measure:false_alarms"]
    stored = watched[0].verdicts(BUSINESS_MEASURES).read()
    assert stored.sort("event_day")["status"].to_list() == ["ok", "violated"]


@pytest.mark.parametrize(
    ("make", "monitor"),
    [
        (drift_asset, DRIFT),
        (quality_asset, QUALITY),
        (estimated_quality_asset, ESTIMATE),
        (business_measures_asset, BUSINESS_MEASURES),
    ],
)
def test_a_window_in_which_nobody_asked_is_red_and_what_comes_after_goes_on(
    watched: tuple[Catalog, FakeRegistry], tmp_path: Path, make: Callable[..., dg.AssetsDefinition], monitor: str
) -> None:
    catalog, registry = watched
    resources = {
        "lake": catalog.lake,
        "models": SimpleNamespace(registry=lambda: registry),
        "serving": SimpleNamespace(report_folder=lambda _: tmp_path, kind="kubernetes"),
    }
    result = dg.materialize([make(use_case=catalog.use_case)], partition_key=SILENT.isoformat(), resources=resources)
    assert result.success
    [evaluation] = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.metadata["status"].value == "no_verdict"
    [stored] = catalog.verdicts(monitor).read(SILENT, SILENT).iter_rows(named=True)
    assert (stored["status"], stored["causes"]) == ("no_verdict", []), "nothing that a new model could help against"


@pytest.fixture(scope="module")
def without_a_day(watched: tuple[Catalog, FakeRegistry], tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The same world where the file of a day never came."""
    whole, shop = watched[0], FileDays.of(tmp_path_factory.mktemp("gap"), declared())
    for day in DayRange(MONDAY, WORSE).days:
        shop.write(f"{day}.csv", applications(day))
    shop.load_and_publish(MONDAY, GONE - timedelta(days=1))
    shop.load_and_publish(GONE + timedelta(days=1), WORSE)
    shop.catalog.training_sets.write_partitions(whole.training_sets.read(AS_OF, AS_OF), AS_OF, AS_OF)
    for days in (DayRange(AS_OF, GONE - timedelta(days=1)), DayRange(GONE + timedelta(days=1), WORSE)):
        rows = whole.predictions.read(days.first, days.last)
        shop.catalog.predictions.write_partitions(rows, days.first, days.last)
    return shop.catalog


@pytest.mark.parametrize("make", [estimated_quality_asset, business_measures_asset])
def test_a_day_that_a_run_leaves_out_is_left_out_of_estimates_and_measures_and_by_no_other_run(
    watched: tuple[Catalog, FakeRegistry], without_a_day: Catalog, make: Callable[..., dg.AssetsDefinition]
) -> None:
    registry, case = watched[1], without_a_day.use_case
    resources = {"lake": without_a_day.lake, "models": SimpleNamespace(registry=lambda: registry)}

    def run(tags: dict[str, str]) -> dg.ExecuteInProcessResult:
        key = (GONE + timedelta(days=1)).isoformat()
        return dg.materialize(
            [make(use_case=case)], partition_key=key, resources=resources, tags=tags, raise_on_error=False
        )

    refused = run({})
    assert not refused.success
    [failure] = refused.get_step_failure_events()
    assert str(GONE) in str(failure.step_failure_data.error)
    made = run(left_out_tag({case.events: [GONE]}))
    assert made.success
    [event] = made.get_asset_materialization_events()
    assert event.materialization.metadata["rows"].value == 2 * ROWS
    [observed] = made.get_asset_observation_events()
    assert observed.asset_observation_data.asset_observation.partition == str(GONE)


@pytest.mark.parametrize(
    ("make", "check", "day", "passed", "severity"),
    [
        (estimated_quality_asset, "estimate_kept", WORSE - timedelta(days=1), True, dg.AssetCheckSeverity.WARN),
        (estimated_quality_asset, "estimate_kept", LAST - timedelta(days=1), False, dg.AssetCheckSeverity.WARN),
        (business_measures_asset, "measures_kept", WORSE - timedelta(days=1), True, dg.AssetCheckSeverity.ERROR),
        (business_measures_asset, "measures_kept", LAST - timedelta(days=1), False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_the_checks_tell_good_days_from_bad_ones(
    watched: tuple[Catalog, FakeRegistry],
    make: Callable[..., dg.AssetsDefinition],
    check: str,
    day: date,
    passed: bool,
    severity: dg.AssetCheckSeverity,
) -> None:
    catalog, registry = watched
    resources = {"lake": catalog.lake, "models": SimpleNamespace(registry=lambda: registry)}
    result = dg.materialize([make(use_case=catalog.use_case)], partition_key=day.isoformat(), resources=resources)
    [evaluation] = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed, evaluation.severity) == (check, passed, severity)
    assert evaluation.metadata["explanation"].value
    [made] = result.get_asset_materialization_events()
    assert str(made.materialization.metadata["plot"].value).startswith("![plot](data:image/png;base64,")
