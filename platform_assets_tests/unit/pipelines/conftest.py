"""Two tiny models with their artifact folders, as a training run leaves them, and a registry that knows them.

Belongs here: what tests of judging and of artifact folders share. Does not belong here: MLflow (`unit/registry`), or
whole runs of the graph (`gates/`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.features.offline.training_set import training_set_schema
from platform_assets.pipelines.train import select_model
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.registry.training_run import (
    MODEL_DIGEST_TAG,
    ModelRun,
    read_model_run,
    write_model_run,
)
from platform_assets.testing.declare import declare, row, window
from platform_assets.testing.fake_registry import FakeRegistry
from platform_assets.training.compare import Comparison, refit
from platform_assets.training.dataset import read_dataset
from platform_assets.training.folds import refit_days

AS_OF = date(2018, 6, 1)
LATER = AS_OF + timedelta(days=2)
ROWS_A_DAY = 40


@pytest.fixture(scope="session")
def use_case() -> UseCase:
    """Payments with three learners that are fitted at once."""
    return declare(
        name="card_fraud",  # commands of the tests look it up by name
        table="transactions",
        events={
            "transaction_id": "int64", "transaction_time": "datetime", "customer_id": "int64", "terminal_id": "int64", "amount": "float64",
        },
        label="is_fraud",
        connector={"kind": "simulator", "generator": "platform_assets.simulation.card_payments:CardPayments"},
        label_delay_days=7,
        features=[
            {
                "name": "context",
                "rows": [
                    {**row("amount", "amount"), "description": "Amount of the payment"},
                    row("is_night", "CASE WHEN extract(hour FROM transaction_time) < 6 THEN 1 ELSE 0 END"),
                ],
            },
            {
                "name": "customer_activity",
                "entity": "customer",
                "windows": [window("customer_count", "count", None, [1, 7]), window("customer_amount", "mean", "amount", [7])],
            },
        ],
        training={
            "learners": [
                {"name": "constant", "kind": "constant", "baseline": True},
                {"name": "simple", "kind": "logistic_regression", "baseline": True, "settings": {"C": 1e-6}},
                {"name": "good", "kind": "logistic_regression"},
            ],
            "splits": {"train_days": 4, "delay_days": 7, "test_days": 4, "folds": 1},
            "metrics": ["average_precision", "auc_roc", "calibration_error"],
            "select_by": "average_precision",
        },
        gates={"min_training_rows": 10, "min_positives": 1, "champion_tolerance": 0.5, "max_calibration_error": 0.5},
        history={"first_day": "2018-04-01", "last_day": "2018-09-30"},
    )  # fmt: skip


def training_rows(use_case: UseCase, as_of: date) -> pl.DataFrame:
    """Rows of five weeks; the amount decides how likely a fraud is, the rest is noise. A day is always the same."""
    parts = []
    for number in range(34, 6, -1):
        day = as_of - timedelta(days=number)
        rng = np.random.default_rng(day.toordinal())
        features = {name: rng.normal(size=ROWS_A_DAY) for name in use_case.feature_names}
        label = (rng.random(ROWS_A_DAY) < 1 / (1 + np.exp(-3 * features["amount"]))).astype(np.int8)
        midnight = datetime.combine(day, time(), UTC)
        columns = {
            "transaction_id": day.toordinal() * 1000 + np.arange(ROWS_A_DAY),
            "transaction_time": [midnight + timedelta(minutes=i) for i in range(ROWS_A_DAY)],
            **features,
            "is_fraud": label,
            "event_day": [day] * ROWS_A_DAY,
            "as_of": [as_of] * ROWS_A_DAY,
        }
        parts.append(pl.DataFrame(columns, schema=training_set_schema(use_case)))
    return pl.concat(parts)


@dataclass
class Trained:
    """A model as of a day: its rows, its version, its artifacts."""

    frame: pl.DataFrame
    version: RegisteredVersion
    run: ModelRun
    comparison: Comparison


def knowing(*trained: Trained) -> FakeRegistry:
    """A registry with these versions."""
    registry = FakeRegistry()
    for item in trained:
        registry.add(item.version, item.run.folder)
    return registry


Train = Callable[[date, str], Trained]


@pytest.fixture(scope="session")
def train(use_case: UseCase, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """`train(as_of, number)`: a version of that number."""

    def make(as_of: date, number: str) -> Trained:
        frame = training_rows(use_case, as_of)
        dataset = read_dataset(use_case, frame)
        selection = select_model(use_case, dataset, as_of, lambda line: None)
        comparison, winner = selection.comparison, selection.winner
        days = refit_days(as_of, use_case.label_delay_days, use_case.training.splits.train_days)
        folder = tmp_path_factory.mktemp(f"run_{number}_")
        digest = write_model_run(folder, refit(dataset, days, winner, 0), comparison, frame, use_case)
        tags = {
            "as_of": as_of.isoformat(),
            "learner": winner.name,
            "trained_on_last_day": days[1].isoformat(),
            MODEL_DIGEST_TAG: digest,
        }
        version = RegisteredVersion(use_case.name, number, f"run {number}", tags)
        return Trained(frame, version, read_model_run(folder), comparison)

    return make


@pytest.fixture(scope="session")
def first(train: Train) -> Trained:
    return train(AS_OF, "1")


@pytest.fixture(scope="session")
def second(train: Train) -> Trained:
    """Two days later: the first model knows all but two days of its fold."""
    return train(LATER, "2")


@pytest.fixture(scope="session")
def folders(first: Trained, second: Trained) -> ModelRegistry:
    return knowing(first, second)
