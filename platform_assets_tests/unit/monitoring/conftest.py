"""A small made-up requirement and prediction logs for it."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.prediction_log import OPTIONAL_COLUMNS, prediction_log_schema
from platform_assets.declaration.use_case import UseCase

FIRST_DAY = date(2024, 3, 1)

DECLARATION: dict[str, Any] = {
    "name": "parcels",
    "description": "Probability that a parcel arrives damaged.",
    "owner": "team:logistics",
    "history": {"first_day": FIRST_DAY},
    "sources": [
        {
            "name": "shipments",
            "description": "Parcels handed over.",
            "connector": {"kind": "files", "format": "csv", "path": "shipments/*.csv"},
            "primary_key": ["shipment_id"],
            "event_time": "shipped_at",
            "columns": [
                {"name": "shipment_id", "type": "int32", "description": "Parcel", "unique": True},
                {"name": "shipped_at", "type": "datetime", "description": "Hand-over"},
                {"name": "carrier", "type": "string", "description": "Carrier", "nullable": True},
                {"name": "weight", "type": "float64", "description": "Weight in kg"},
            ],
        },
        {
            "name": "claims",
            "description": "What became of each parcel.",
            "connector": {"kind": "files", "format": "csv", "path": "claims/*.csv"},
            "primary_key": ["shipment_id"],
            "event_time": "shipped_at",
            "arrival_delay_days": 3,
            "columns": [
                {"name": "shipment_id", "type": "int32", "description": "Parcel", "unique": True},
                {"name": "shipped_at", "type": "datetime", "description": "Hand-over"},
                {"name": "damaged", "type": "int8", "description": "1 when damaged", "allowed": [0, 1]},
            ],
        },
    ],
    "events": "shipments",
    "label": {"source": "claims", "column": "damaged"},
    "features": [
        {
            "name": "parcel",
            "description": "The parcel itself.",
            "rows": [
                {"name": "weight", "expression": "weight", "description": "Weight in kg"},
                {
                    "name": "is_heavy",
                    "expression": "CASE WHEN weight > 20 THEN 1 ELSE 0 END",
                    "description": "Over 20 kg",
                },
            ],
        }
    ],
    "training": {
        "task": "binary",
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "xgboost", "kind": "xgboost"},
        ],
        "splits": {"train_days": 7, "delay_days": 3, "test_days": 7, "folds": 1},
        "metrics": ["auc_roc", "average_precision", "brier"],
        "select_by": "average_precision",
    },
    "serving": {
        "request": ["shipment_id", "shipped_at", "carrier", "weight"],
        "decision": {"threshold": 0.5, "above": "inspect", "below": "ship"},
    },
    "monitoring": {"window_days": 7, "min_rows": 200, "quality_metric": "auc_roc", "max_quality_loss_ratio": 0.2},
}


@pytest.fixture(scope="session")
def use_case() -> UseCase:
    return UseCase.model_validate(DECLARATION)


@pytest.fixture(scope="session")
def regression() -> UseCase:
    changed = DECLARATION | {
        "training": DECLARATION["training"]
        | {
            "task": "regression",
            "learners": [
                {"name": "constant", "kind": "constant", "baseline": True},
                {"name": "ridge", "kind": "ridge"},
            ],
            "metrics": ["rmse", "mae"],
            "select_by": "rmse",
        },
        "serving": {"request": DECLARATION["serving"]["request"]},
        "monitoring": DECLARATION["monitoring"] | {"quality_metric": "rmse"},
    }
    return UseCase.model_validate(changed)


@pytest.fixture
def make_log(use_case: UseCase) -> Callable[..., pl.DataFrame]:
    """Makes a prediction log: one row for each score, spread over `days` days from the first day on."""

    def make(scores: Sequence[float] | np.ndarray, days: int = 1, **columns: Any) -> pl.DataFrame:
        rows = len(scores)
        moments = [
            datetime.combine(FIRST_DAY, datetime.min.time(), UTC) + timedelta(days=i * days // rows, seconds=i)
            for i in range(rows)
        ]
        values: dict[str, Any] = {
            "shipment_id": list(range(rows)),
            "shipped_at": moments,
            "carrier": ["van"] * rows,
            "weight": [1.0] * rows,
            "request_id": [f"r{i:06d}" for i in range(rows)],
            "scored_at": moments,
            "score": list(scores),
            "decision": ["ship"] * rows,
            "model_version": ["1"] * rows,
            "release": ["sha256:ab"] * rows,
            "feature_contract": [feature_contract_hash(use_case)] * rows,
            "unknown_entities": [""] * rows,
            "latency_ms": [2.0] * rows,
            **{name: [None] * rows for name in OPTIONAL_COLUMNS},
            "feature__weight": [1.0] * rows,
            "feature__is_heavy": [0.0] * rows,
            "event_day": [moment.date() for moment in moments],
        }
        return pl.DataFrame(values | columns, schema=prediction_log_schema(use_case))

    return make


@pytest.fixture
def make_labels() -> Callable[..., pl.DataFrame]:
    """Makes the label rows of a prediction log."""

    def make(log: pl.DataFrame, labels: Sequence[float | None] | np.ndarray) -> pl.DataFrame:
        return log.select("shipment_id", "shipped_at", "event_day").with_columns(
            pl.Series("damaged", list(labels), dtype=pl.Float64).cast(pl.Int8)
        )

    return make
