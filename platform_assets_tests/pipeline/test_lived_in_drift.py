"""Data that moves turns monitoring red, with the rows that were judged, and the service keeps answering meanwhile.

The faults are planted in the raw layer of a copy of the lake, in the days that were replayed. The rows then take the
ordinary way: audit, features, the champion's score, the prediction log, the verdict.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import feature_contract_hash
from platform_assets.declaration.names import PREDICTION_LOG
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, OPTIONAL_COLUMNS, prediction_log_schema
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.offline.training_set import join_views
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, MONITORING, PROFILE, QUARANTINE, RAW, SERVING
from platform_assets.orchestration.assets.build import build_assets
from platform_assets.orchestration.resources.build import build_resources
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.training_run import registered_run

from .conftest import FOLDER, LivedIn

Fault = dict[str, Any]


@dataclass
class SpoiltWorld:
    """A copy of a lived-in lake in which the live days can be loaded again, with faults."""

    lived_in: LivedIn
    lake: Lake
    reports: Path
    instance: dg.DagsterInstance

    def load(self, table: str, fault: Fault) -> None:
        """Load the live days of a table again, faults planted in what its source delivers."""
        case, live = self.lived_in.use_case, self.lived_in.days.live
        keys = [[case.name, layer, table] for layer in (RAW, CLEAN, QUARANTINE, PROFILE)]
        keys += [[case.name, FEATURES, view.name] for view in case.features if table == case.events]
        planted = {**fault, "first_day": live.first.isoformat(), "last_day": live.last.isoformat()}
        config = {"ops": {f"{case.name}__raw__{table}": {"config": {"faults": [planted]}}}}
        days = {
            "dagster/asset_partition_range_start": live.first.isoformat(),
            "dagster/asset_partition_range_end": live.last.isoformat(),
        }
        assert self._materialize(keys, tags=days, run_config=config).success

    def predict(self) -> int:
        """Score every event of the live days with the champion and log it, as the service would have.

        Returns:
            Rows logged.
        """
        case, live = self.lived_in.use_case, self.lived_in.days.live
        registry = self.lived_in.models.registry()
        version = registry.by_alias(case.name, CHAMPION)
        assert version is not None
        source = case.event_source
        events = self.lake.table(case.name, CLEAN, source.name, source.polars_schema()).read(live.first, live.last)
        views = {
            view.name: self.lake.table(case.name, FEATURES, view.name, case.feature_schema(view)).read(
                live.first, live.last
            )
            for view in case.features
        }
        features = join_views(events.select(source.primary_key), views, case, live.first, live.last)
        predictor = registered_run(registry, version).predictor()
        X = features.select(pl.col(name).fill_null(np.nan) for name in predictor.features).to_numpy()
        rows = events.sort(source.primary_key).with_columns(
            features.sort(source.primary_key).select(
                pl.col(name).alias(FEATURE_PREFIX + name) for name in case.feature_names
            )
        )
        scores = features.with_columns(pl.Series("score", predictor.predict(np.ascontiguousarray(X)))).sort(
            source.primary_key
        )
        log = rows.with_columns(
            scores["score"],
            pl.col(source.primary_key[0]).cast(pl.String).alias("request_id"),
            (pl.col(case.event_time) + timedelta(milliseconds=5)).alias("scored_at"),
            pl.lit("approve").alias("decision"),
            pl.lit(version.version).alias("model_version"),
            pl.lit("sha256:planted").alias("release"),
            pl.lit(feature_contract_hash(case)).alias("feature_contract"),
            pl.lit(None, dtype=pl.String).alias("unknown_entities"),
            pl.lit(5.0).alias("latency_ms"),
            *(pl.lit(None, dtype=pl.String).alias(name) for name in OPTIONAL_COLUMNS),
        )
        schema = prediction_log_schema(case)
        table = self.lake.table(case.name, SERVING, PREDICTION_LOG, schema)
        table.write_partitions(log.select(list(schema)), live.first, live.last)
        return log.height

    def judge(self, name: str) -> dg.AssetCheckEvaluation:
        """The check of `drift` or `quality` for the window of the live days."""
        key = [self.lived_in.use_case.name, MONITORING, name]
        result = self._materialize([key], partition_key=self.lived_in.days.live.last.isoformat())
        assert result.success, "a verdict that is red is still a verdict"
        (evaluation,) = result.get_asset_check_evaluations()
        return evaluation

    def _materialize(self, keys: list[list[str]], **arguments: Any) -> dg.ExecuteInProcessResult:
        resources = {
            **build_resources(self.lived_in.installation),
            "lake": self.lake,
            "serving": ServingHome(home=str(self.reports), port=self.lived_in.port),
        }
        return dg.materialize(
            build_assets(self.lived_in.use_case, FOLDER),
            selection=dg.AssetSelection.assets(*keys),
            resources=resources,
            instance=self.instance,
            raise_on_error=False,
            **arguments,
        )


@pytest.fixture
def spoilt(lived_in: LivedIn, tmp_path: Path) -> Iterator[SpoiltWorld]:
    lake = tmp_path / "lake"
    shutil.copytree(lived_in.settings.lake, lake)
    with dg.DagsterInstance.ephemeral() as instance:
        yield SpoiltWorld(lived_in, Lake(root=str(lake)), tmp_path / "home", instance)
    shutil.rmtree(lake)


def failed_columns(verdict: dg.AssetCheckEvaluation) -> dict[str, str]:
    found = verdict.metadata["failed_columns"].value
    assert isinstance(found, dict)
    return {str(column).removeprefix(FEATURE_PREFIX): str(told) for column, told in found.items()}


def still_serves_the_last_good_model(lived_in: LivedIn) -> None:
    answer = lived_in.score()
    assert answer.status_code == 200, answer.text
    champion = lived_in.models.registry().by_alias("card_fraud", CHAMPION)
    assert champion is not None
    assert answer.json()["model_version"] == champion.version


def test_larger_amounts_turn_drift_red(spoilt: SpoiltWorld) -> None:
    before = spoilt.lived_in.models.ledger("card_fraud").entries("card_fraud")
    spoilt.load("transactions", {"kind": "covariate_drift", "column": "amount", "factor": 1.5})
    rows = spoilt.predict()
    verdict = spoilt.judge("drift")
    assert not verdict.passed
    assert verdict.metadata["rows"].value == rows
    moved = failed_columns(verdict)
    assert "amount" in moved
    assert "over" in moved["amount"]
    assert "is_weekend" not in moved, "what did not move is not named"
    still_serves_the_last_good_model(spoilt.lived_in)
    assert spoilt.lived_in.models.ledger("card_fraud").entries("card_fraud").equals(before)


def test_shuffled_labels_turn_quality_red(spoilt: SpoiltWorld) -> None:
    """Concept drift: inputs and label rate stay, what follows from the inputs does not."""
    rows = spoilt.predict()
    spoilt.load("labels", {"kind": "concept_drift", "column": "is_fraud"})
    verdict = spoilt.judge("quality")
    assert not verdict.passed
    assert verdict.metadata["labelled_rows"].value == rows
    assert spoilt.lived_in.use_case.monitoring.quality_metric in str(verdict.metadata["explanation"].value)
    assert str(rows) in str(verdict.metadata["explanation"].value)
    still_serves_the_last_good_model(spoilt.lived_in)


def test_more_fraud_than_ever_turns_quality_red(spoilt: SpoiltWorld) -> None:
    """Label drift: the rate of positives leaves its bounds."""
    rows = spoilt.predict()
    spoilt.load("labels", {"kind": "label_drift", "column": "is_fraud", "ratio": 0.1})
    verdict = spoilt.judge("quality")
    assert not verdict.passed
    assert verdict.metadata["labelled_rows"].value == rows
    assert "label rate" in str(verdict.metadata["explanation"].value)
    still_serves_the_last_good_model(spoilt.lived_in)


def test_without_a_fault_the_same_way_ends_green(spoilt: SpoiltWorld) -> None:
    rows = spoilt.predict()
    assert rows > 10_000
    quality = spoilt.judge("quality")
    assert quality.passed, quality.metadata["explanation"].value
    drift = spoilt.judge("drift")
    assert drift.passed, failed_columns(drift)
