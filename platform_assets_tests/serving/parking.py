"""A small use case with a model, for tests of the service: how full a parking lot is, seen from its gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.training import artifact
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import Predictor
from serving.release import ReleaseInfo, SelfTestRow, feature_row

HERE = Path(__file__).parent

DECLARATION: dict[str, Any] = {
    "name": "parking",
    "description": "Whether a car that arrives will leave without paying.",
    "owner": "team:parking",
    "history": {"first_day": "2024-01-01", "last_day": "2024-03-31"},
    "sources": [
        {
            "name": "arrivals",
            "description": "Cars at the gate.",
            "connector": {"kind": "files", "format": "csv", "path": "arrivals/{event_day}.csv"},
            "primary_key": ["arrival"],
            "event_time": "arrived_at",
            "columns": [
                {"name": "arrival", "type": "string", "description": "Ticket"},
                {"name": "arrived_at", "type": "datetime", "description": "Time at the gate"},
                {"name": "lot", "type": "int32", "description": "Parking lot", "minimum": 1},
                {"name": "speed", "type": "float64", "description": "Speed, km/h", "minimum": 0, "maximum": 200},
                {"name": "gate", "type": "string", "description": "Which gate", "allowed": ["north", "south"]},
                {"name": "electric", "type": "bool", "description": "Electric car", "nullable": True},
            ],
        },
        {
            "name": "departures",
            "description": "How the visit ended.",
            "connector": {"kind": "files", "format": "csv", "path": "departures/{event_day}.csv"},
            "primary_key": ["arrival"],
            "event_time": "arrived_at",
            "arrival_delay_days": 2,
            "columns": [
                {"name": "arrival", "type": "string", "description": "Ticket"},
                {"name": "arrived_at", "type": "datetime", "description": "Time at the gate"},
                {"name": "unpaid", "type": "int8", "description": "1 when unpaid", "allowed": [0, 1]},
            ],
        },
    ],
    "events": "arrivals",
    "label": {"source": "departures", "column": "unpaid"},
    "entities": [{"name": "lot", "key": "lot", "description": "The parking lot"}],
    "features": [
        {
            "name": "car",
            "description": "The car itself.",
            "rows": [{"name": "kmh", "expression": "speed", "description": "Speed"}],
        },
        {
            "name": "lot_activity",
            "description": "How busy the lot is.",
            "entity": "lot",
            "windows": [
                {"name": "lot_count", "description": "Arrivals", "aggregate": "count", "lengths_days": [1]},
                {
                    "name": "lot_speed",
                    "description": "Mean speed",
                    "aggregate": "mean",
                    "column": "speed",
                    "lengths_days": [7],
                },
            ],
        },
    ],
    "training": {
        "task": "binary",
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "xgboost", "kind": "xgboost"},
        ],
        "splits": {"train_days": 7, "delay_days": 2, "test_days": 7, "folds": 1},
        "metrics": ["auc_roc"],
        "select_by": "auc_roc",
    },
    "serving": {
        "request": ["arrival", "arrived_at", "lot", "speed", "gate", "electric"],
        "decision": {"threshold": 0.5, "above": "stop", "below": "open"},
    },
    "monitoring": {"quality_metric": "auc_roc"},
}

EVENT: dict[str, Any] = {
    "arrival": "T-1",
    "arrived_at": "2024-03-31T10:00:00Z",
    "lot": 7,
    "speed": 12.5,
    "gate": "north",
    "electric": True,
}


def use_case(**changes: Any) -> UseCase:
    """The declaration, with whole sections replaced."""
    return UseCase.model_validate(DECLARATION | changes)


def make_model(folder: Path, kind: str = "xgboost") -> Predictor:
    """Fit a model on made-up rows and save it."""
    random = np.random.default_rng(0)
    names = use_case().feature_names
    X = random.gamma(2.0, 10.0, (300, len(names)))
    y = (X[:, 0] + random.normal(0, 5, 300) > 25).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + np.sort(random.integers(0, 7, 300))
    settings = {"max_depth": 3, "threads": 1} if kind == "xgboost" else {}
    data = Dataset(X, y, days, None, np.arange(300), names)
    predictor = fit_predictor(data, make_learner(kind, settings), seed=0)
    artifact.save(predictor, folder)
    return predictor


def release_info(predictor: Predictor, **changes: Any) -> ReleaseInfo:
    """A release of the model with five self-test rows, one of them with a missing value."""
    names = use_case().feature_names
    rows = [dict.fromkeys(names, float(value)) for value in (1, 20, 30, 60)]
    rows.append({name: None if name == "lot_speed_7d" else 25.0 for name in names})
    scores = predictor.predict(np.array([feature_row(row, names) for row in rows]))
    known = tuple(SelfTestRow(features=row, score=float(score)) for row, score in zip(rows, scores, strict=True))
    fields = {
        "use_case": "parking",
        "model_version": "3",
        "feature_contract": feature_contract_hash(use_case()),
        "data_versions": {"clean/arrivals": 4},
        "code_version": "abc",
        "self_test": known,
    }
    return ReleaseInfo.model_validate(fields | changes)
