"""The retrain decision in Dagster: evidence on the materialization, checks that are red where training is no answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.orchestration.assets.retrain_decision import retrain_decision_asset
from platform_assets.orchestration.metadata import asset_key
from platform_assets.registry.base import CHAMPION
from platform_assets.testing.declare import declare, window
from platform_assets.testing.fake_registry import FakeRegistry

AS_OF = date(2024, 3, 12)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Models:
    """A model store whose registry is in memory."""

    fake: FakeRegistry

    def registry(self) -> FakeRegistry:
        """The registry."""
        return self.fake


@pytest.fixture(scope="module")
def use_case() -> UseCase:
    events = {"payment": "int64", "at": "datetime", "amount": "float64"}
    return declare(events=events, label="is_bad", label_delay_days=7)


@pytest.fixture
def models(use_case: UseCase) -> Models:
    registry = FakeRegistry()
    registry.register(use_case.name, "run", {"as_of": "2024-02-11"})
    registry.set_alias(use_case.name, CHAMPION, "1")
    return Models(registry)


def judged(catalog: Catalog, monitor: str, last: date, causes: list[str], result: Mapping[str, Any], days: int) -> None:
    """Windows that end on consecutive days, with the same verdict."""
    for back in range(days):
        day = last - back * ONE_DAY
        row = {
            "status": "drift" if causes else "ok",
            "passed": not causes,
            "causes": causes,
            "model_version": "1",
            "result": json.dumps(result),
            "event_day": day,
        }
        catalog.verdicts(monitor).write_partitions(pl.DataFrame([row], schema=VERDICT_SCHEMA), day, day)


def column(status: str, ks: float) -> dict[str, Any]:
    return {
        "column": "feature__amount",
        "status": status,
        "explanation": f"KS {ks:.3f}.",
        "ks": ks,
        "ks_limit": 0.05,
        "psi": 0.01,
        "psi_limit": 0.2,
    }


def newest(**figures: float | bool) -> dict[str, Any]:
    """A drift whose newest day has such figures."""
    usual = {"ks": 0.3, "has_moved": True, "is_noticed": True, "unheard_of_ratio": 0.0, "further_missing_ratio": 0.0}
    return {"columns": [column("drift", 0.3)], "newest_day": {"feature__amount": {**usual, **figures}}}


def materialized(
    use_case: UseCase, lake: Lake, models: Models, instance: dg.DagsterInstance | None = None
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [retrain_decision_asset(use_case=use_case)],
        partition_key=AS_OF.isoformat(),
        resources={"lake": lake, "models": models},
        instance=instance,
    )


def test_the_decision_shows_its_evidence(use_case: UseCase, tmp_path: Path, models: Models) -> None:
    lake = Lake(root=str(tmp_path))
    catalog = Catalog(use_case, lake)
    judged(catalog, "drift", AS_OF - ONE_DAY, ["drift:amount"], {"columns": [column("drift", 0.2)]}, 12)
    quality = {
        "metrics": {"auc_roc": 0.6},
        "intervals": {"auc_roc": {"low": 0.56, "high": 0.64}},
        "reference": 0.8,
        "coverage_ratio": 0.98,
    }
    judged(catalog, "quality", AS_OF - 7 * ONE_DAY, [], quality, 5)
    estimate = {"estimates": {"auc_roc": {"value": 0.64, "low": 0.6, "high": 0.68}}}
    judged(catalog, "estimated_quality", AS_OF - ONE_DAY, [], estimate, 1)
    result = materialized(use_case, lake, models)
    [event] = result.asset_materializations_for_node(result.get_asset_materialization_events()[0].node_name)
    said = {name: value.value for name, value in event.metadata.items()}
    assert said["verdict"] == "train"
    assert said["drift_size"] == pytest.approx(4)
    assert said["measured_loss"] == "25.0% (20.0% to 30.0%) of what the evaluation promised"
    assert said["estimated_loss"] == "20.0% (15.0% to 25.0%) of what the evaluation promised"
    assert said["label_coverage_ratio"] == pytest.approx(0.98)
    assert said["model_age_days"] == 30
    assert "| as declared |" in said["other_settings"]
    assert all(check.passed for check in result.get_asset_check_evaluations())
    [row] = catalog.retrain_decisions.read().to_dicts()
    assert row["measured_loss_ratio_high"] == pytest.approx(0.3)
    assert row["drifted_columns"] == ["amount"]


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        ({"columns": [column("missing", 0.0)]}, "amount is broken"),
        (newest(ks=0.97), "amount lies 0.97 (KS)"),
        (newest(unheard_of_ratio=0.2), "20.0% of amount's values on the newest day are unheard of"),
        (newest(further_missing_ratio=0.4), "40.0% of amount's values on the newest day are missing"),
    ],
)
def test_a_fault_of_the_data_is_told_and_asks_for_no_model(
    use_case: UseCase, tmp_path: Path, models: Models, drift: Mapping[str, Any], words: str
) -> None:
    lake = Lake(root=str(tmp_path))
    catalog = Catalog(use_case, lake)
    judged(catalog, "drift", AS_OF - ONE_DAY, ["drift:amount"], drift, 12)
    judged(catalog, "quality", AS_OF - 7 * ONE_DAY, ["quality:auc_roc"], {}, 5)
    result = materialized(use_case, lake, models)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["answered"].passed
    assert words in str(checks["answered"].metadata["reason"].value)
    assert "Mend the data" in str(checks["answered"].metadata["reason"].value)
    assert catalog.retrain_decisions.read()["verdict"].to_list() == ["mend"]


def test_a_day_whose_drift_was_not_judged_is_red(use_case: UseCase, tmp_path: Path, models: Models) -> None:
    result = materialized(use_case, Lake(root=str(tmp_path)), models)
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"answered": True, "judged": False, "trusted": True}


def test_the_decision_reads_the_windows_that_are_known_as_of_its_day(use_case: UseCase) -> None:
    asset = retrain_decision_asset(use_case=use_case)
    [spec] = asset.specs
    offsets = {dep.asset_key: dep.partition_mapping for dep in spec.deps}
    drift = offsets[asset_key(use_case, "monitoring", "drift")]
    quality = offsets[asset_key(use_case, "monitoring", "quality")]
    assert isinstance(drift, dg.TimeWindowPartitionMapping)
    assert isinstance(quality, dg.TimeWindowPartitionMapping)
    assert (drift.start_offset, quality.start_offset) == (-1, -7)


def test_a_drift_that_the_newest_day_shows_no_more_asks_for_nothing(
    use_case: UseCase, tmp_path: Path, models: Models
) -> None:
    lake = Lake(root=str(tmp_path))
    over = newest(has_moved=False, is_noticed=False)
    judged(Catalog(use_case, lake), "drift", AS_OF - ONE_DAY, ["drift:amount"], over, 12)
    materialized(use_case, lake, models)
    assert Catalog(use_case, lake).retrain_decisions.read()["verdict"].to_list() == ["nothing"]


def test_what_moved_within_a_day_is_noticed_before_the_window_shows_it(
    use_case: UseCase, tmp_path: Path, models: Models
) -> None:
    lake = Lake(root=str(tmp_path))
    judged(Catalog(use_case, lake), "drift", AS_OF - ONE_DAY, [], newest(), 1)
    materialized(use_case, lake, models)
    [row] = Catalog(use_case, lake).retrain_decisions.read().to_dicts()
    assert row["verdict"] == "wait"
    assert "On the newest day alone amount moved" in row["reason"]


@pytest.mark.parametrize(("behind", "is_trusted"), [(0, True), (2, False)])
def test_a_store_that_stands_still_is_told_and_degrades(
    tmp_path: Path, models: Models, behind: int, is_trusted: bool
) -> None:
    rule = {"when": "stale_features", "days": 2, "then": "refuse", "tell": "#payments"}
    case = declare(
        events={"payment": "int64", "at": "datetime", "card": "int64", "amount": "float64"},
        label="is_bad",
        label_delay_days=7,
        features=[{"name": "habit", "entity": "card", "windows": [window("spent", "sum", "amount", [1])]}],
        monitoring={"quality_metric": "auc_roc", "degrade": [rule]},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        for days in range(behind + 1, behind + 4):
            day, store = (AS_OF - days * ONE_DAY).isoformat(), asset_key(case, "features", "online_store")
            instance.report_runless_asset_event(dg.AssetMaterialization(store, partition=day))
        result = materialized(case, Lake(root=str(tmp_path)), models, instance)
    [trusted] = [one for one in result.get_asset_check_evaluations() if one.check_name == "trusted"]
    assert trusted.passed is is_trusted
    if not is_trusted:
        assert "2 days behind" in str(trusted.metadata["why"].value)
