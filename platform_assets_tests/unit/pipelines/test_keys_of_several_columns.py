"""An event that is named by several columns goes all the way: training set, model, gates, predictions, drift."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from platform_assets.declaration.days import DayRange
from platform_assets.evaluation.gates.judging import judge
from platform_assets.pipelines import watch
from platform_assets.pipelines.build_training_set import build_training_set
from platform_assets.pipelines.compute_features import compute_features
from platform_assets.pipelines.evaluate import columns_of_slices, compare_on_same_rows, evidence_of, judged_model_of
from platform_assets.pipelines.predict import predict
from platform_assets.pipelines.train import select_model
from platform_assets.registry.base import CHAMPION, RegisteredVersion
from platform_assets.registry.training_run import MODEL_DIGEST_TAG, read_model_run, write_model_run
from platform_assets.testing.declare import declare, window
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training.compare import refit
from platform_assets.training.dataset import read_dataset
from platform_assets.training.folds import refit_days
from platform_assets_tests.unit.pipelines.file_days import CONNECTOR, MONDAY, FileDays

AS_OF = MONDAY + timedelta(days=12)
TILLS = 3


def receipts(day: date) -> list[str]:
    """Receipts of a day: each till counts for itself, so that a number alone names three of them, at the same moment."""
    lines = []
    for number in range(60):
        at = f"{day}T{8 + number // 6:02d}:{number % 6}0:00Z"
        for till in range(TILLS):
            items = 1 + (number * 7 + till * 3) % 9
            lines.append(f"{day.toordinal() * 100 + number},{at},t{till},{items},{int(items > 6)}")
    return lines


@pytest.fixture
def shop(tmp_path: Path) -> FileDays:
    declared = declare(
        events={"number": "int64", "at": "datetime", "till": "string", "items": "int32", "returned": [0, 1]},
        label="returned",
        connector=CONNECTOR,
        history={"first_day": MONDAY, "last_day": AS_OF},
        features=[
            "items",
            {"name": "till", "entity": "till", "windows": [window("receipts", "count", None, [1])]},
        ],
        entities=[{"name": "till", "description": "A till.", "key": "till"}],
        gates={
            "min_training_rows": 10,
            "min_positives": 1,
            "slices": [{"name": "till", "expression": "till = 't0'", "max_drop": 0.9, "metric": "auc_roc"}],
        },
    )
    document = declared.model_dump(mode="json")
    document["sources"][0]["primary_key"] = ["till", "number"]
    shop = FileDays.of(tmp_path, type(declared).model_validate(document))
    for day in DayRange(MONDAY, AS_OF).days:
        shop.write(f"{day}.csv", receipts(day))
    shop.load_and_publish(MONDAY, AS_OF)
    for view in shop.use_case.features:
        compute_features(shop.catalog, view, DayRange(MONDAY, AS_OF))
    return shop


def test_a_model_is_trained_judged_used_and_watched(
    shop: FileDays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case, catalog = shop.use_case, shop.catalog
    build_training_set(catalog, AS_OF)
    frame = catalog.training_sets.read(AS_OF, AS_OF)
    data = read_dataset(use_case, frame)
    assert len(set(data.key.tolist())) == len(data) == frame.height
    selection = select_model(use_case, data, AS_OF, lambda line: None)
    days = refit_days(AS_OF, use_case.label_delay_days, use_case.training.splits.train_days)
    (tmp_path / "run").mkdir()
    digest = write_model_run(
        tmp_path / "run", refit(data, days, selection.winner, 0), selection.comparison, frame, use_case
    )
    tags = {
        "as_of": AS_OF.isoformat(),
        "learner": selection.winner.name,
        "trained_on_first_day": days[0].isoformat(),
        "trained_on_last_day": days[1].isoformat(),
        MODEL_DIGEST_TAG: digest,
    }
    version = RegisteredVersion(use_case.name, "1", "run 1", tags)
    run, registry = read_model_run(tmp_path / "run"), FakeRegistry()
    registry.add(version, run.folder)

    model = judged_model_of(use_case, frame, run, version, columns_of_slices(catalog, frame))
    latest = selection.comparison.latest_rows
    assert model.judged.key.tolist() == latest.key.tolist()
    assert model.columns.select("till", "number").height == len(latest)
    twin = replace(version, version="2", run_id="run 2")
    registry.add(twin, run.folder)
    rows = compare_on_same_rows(model, version, twin, registry)
    assert len(rows.rows) == len(latest), "every row of the fold has its opponent's answer"
    verdict = judge(model, rows, AS_OF, has_champion=True)
    broken = [gate.explanation for gate in verdict.gates if "could not" in gate.explanation]
    assert not broken
    assert evidence_of(use_case, verdict, version, twin, rows, AS_OF)["same_rows"]["rows"] == len(latest)

    registry.set_alias(use_case.name, CHAMPION, version.version)
    predict(catalog, registry, DayRange(AS_OF, AS_OF))
    assert catalog.predictions.read(AS_OF, AS_OF)["request_id"].n_unique() == 60 * TILLS
    monkeypatch.setattr(watch, "write_drift_report", lambda *_, **__: None)
    window = watch.watch_drift(catalog, registry, tmp_path, AS_OF)
    assert window.result.rows_current == 60 * TILLS
