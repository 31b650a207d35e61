"""A small world with many as-of days, its models, and making them again in this process or in a fresh one.

Belongs here: that world. Does not belong here: how a model is made again (`platform_assets/pipelines/reproduce.py`), counting (benchmarks).

The world goes on while models are trained: after every model, the labels and features of earlier days are written again, some of them
with other values, so that a model can only be made again from the versions that it records.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

import platform_assets
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.declaration.names import TRAINING_SET
from platform_assets.declaration.sections.training import DeclaredLearner, Splits
from platform_assets.features.offline.sharding.plan import NO_BOUND
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, FEATURES, MODEL, PROFILE, QUARANTINE, RAW, TRAINING
from platform_assets.orchestration.assets.clean import clean_asset
from platform_assets.orchestration.assets.features import feature_table_asset
from platform_assets.orchestration.assets.model import model_asset
from platform_assets.orchestration.assets.raw import raw_asset
from platform_assets.orchestration.assets.training import training_set_asset
from platform_assets.orchestration.resources.tracking import TrackingAddress, tracker_resource
from platform_assets.pipelines.reproduce import Reproduction, reproduce
from platform_assets.registry.base import ModelRegistry
from platform_assets.registry.mlflow_registry import MlflowRegistry
from platform_assets.registry.model_store import ModelStore

FOLDER = Path(platform_assets.__file__).parent / "defs" / "card_fraud"
SCALE = {"customers": 400, "terminals": 800}
SPLITS = Splits(train_days=5, delay_days=7, test_days=4, folds=2)
FIRST_MODEL = 36
"""Days of history before the first model."""
LEARNERS = (
    DeclaredLearner(name="constant", kind="constant", baseline=True),
    DeclaredLearner(name="xgboost", kind="xgboost", settings={"n_estimators": 30, "threads": 2}),
    DeclaredLearner(name="random_forest", kind="random_forest", settings={"n_estimators": 20, "threads": 2}),
)
METRICS = ("auc_roc", "average_precision", "brier")


def small_use_case() -> UseCase:
    """The bundled use case with short splits and quick learners."""
    use_case = load_use_case(FOLDER)
    training = use_case.training.model_copy(update={"learners": LEARNERS, "splits": SPLITS, "metrics": METRICS})
    return UseCase.model_validate(use_case.model_copy(update={"training": training}).model_dump())


@dataclass
class ModelHistory:
    """A lake, a registry, and models of consecutive days."""

    root: Path
    use_case: UseCase = field(default_factory=small_use_case)

    def __post_init__(self) -> None:
        use_case = self.use_case
        self.lake = Lake(root=str(self.root / "lake"))
        self.assets = [
            *(raw_asset(use_case=use_case, source=source, folder=FOLDER) for source in use_case.sources),
            *(clean_asset(use_case=use_case, source=source) for source in use_case.sources),
            *(feature_table_asset(use_case=use_case, view=view) for view in use_case.features),
            training_set_asset(use_case=use_case),
            model_asset(use_case=use_case),
        ]

    @property
    def tracking_uri(self) -> str:
        """MLflow in a file."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def registry(self) -> ModelRegistry:
        """Its registry."""
        return MlflowRegistry(self.tracking_uri)

    def as_of(self, number: int) -> date:
        """The day of the model of that number."""
        return self.use_case.history.first_day + timedelta(days=FIRST_MODEL + number)

    def load(self, models: int, instance: dg.DagsterInstance) -> None:
        """Load everything that so many models need."""
        first, last = self.use_case.history.first_day, self.as_of(models)
        layers = (RAW, CLEAN, QUARANTINE, PROFILE)
        static = [(layer, source.name) for source in self.use_case.sources if not source.is_daily for layer in layers]
        daily = [(layer, source.name) for source in self.use_case.sources if source.is_daily for layer in layers]
        self._run(static, instance)
        self._run(daily, instance, days=(first, last))
        self._run([(FEATURES, view.name) for view in self.use_case.features], instance, days=(first, last))

    def train(self, number: int, instance: dg.DagsterInstance) -> None:
        """Train the model of that number."""
        self._run([(TRAINING, TRAINING_SET), (MODEL, self.use_case.model_name)], instance, as_of=self.as_of(number))

    def go_on(self, number: int) -> None:
        """Labels of the days that the model has just learned from are corrected: one in fifty is turned round."""
        table = Catalog(self.use_case, self.lake).labels.stored
        first, last = self.as_of(number) - timedelta(days=20), self.as_of(number) - timedelta(days=8)
        label, key = self.use_case.label.column, self.use_case.label_source.primary_key[0]
        turned = (pl.col(key) + number) % 50 == 0
        frame = table.read(first, last).with_columns(
            pl.when(turned).then(1 - pl.col(label)).otherwise(pl.col(label)).cast(pl.Int8).alias(label)
        )
        table.write_partitions(frame, first, last)

    def _run(
        self,
        chosen: list[tuple[str, str]],
        instance: dg.DagsterInstance,
        days: tuple[date, date] | None = None,
        as_of: date | None = None,
    ) -> None:
        names = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        result = dg.materialize(
            self.assets,
            selection=dg.AssetSelection.assets(*[[self.use_case.name, *one] for one in chosen]),
            resources={
                "capacity": NO_BOUND,
                "lake": self.lake,
                "sources": SourceReader(simulation=SCALE),
                "models": ModelStore(tracking_uri=self.tracking_uri, lake=self.lake),
                "mlflow": tracker_resource(TrackingAddress(self.tracking_uri, str(self.root / "artifacts"), "bench")),
            },
            instance=instance,
            partition_key=as_of.isoformat() if as_of else None,
            tags={name: day.isoformat() for name, day in zip(names, days, strict=True)} if days else {},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        assert result.success

    def reproduced(self, version: str) -> Reproduction:
        """Make a version again, in this process."""
        registry = self.registry
        return reproduce(Catalog(self.use_case, self.lake), registry, registry.get(self.use_case.name, version))

    def reproduced_afresh(self, version: str) -> dict[str, Any]:
        """Make a version again in a process of its own, with another hash seed."""
        done = subprocess.run(
            [sys.executable, "-m", "platform_assets.testing.model_history", str(self.root), version],
            env={**os.environ, "PYTHONHASHSEED": str(100 + int(version))},
            capture_output=True,
            text=True,
            check=True,
        )
        results: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return results


def made_history(root: Path, models: int, log: Callable[[str], None] = lambda _: None) -> ModelHistory:
    """A history with so many models, each from data that has changed since the one before."""
    history = ModelHistory(root)
    with dg.DagsterInstance.ephemeral() as instance:
        history.load(models, instance)
        for number in range(models):
            history.train(number, instance)
            history.go_on(number)
            log(f"model {number + 1} of {models} trained")
    return history


def main(root: str, version: str) -> None:
    """Make a version again and say, as JSON, whether it is the same."""
    results = ModelHistory(Path(root)).reproduced(version)
    message = {"exact": results.is_exact, "digest": results.digest_now, "differences": results.differences}
    sys.stdout.write(f"{json.dumps(message)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
