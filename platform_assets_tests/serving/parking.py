"""A small use case with a model, for tests of the service: how full a parking lot is, seen from its gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.testing.declare import declaration, row, window
from platform_assets.training import artifact
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import Predictor
from serving.release import ReleaseInfo, SelfTestRow, feature_row

HERE = Path(__file__).parent

DECLARATION = declaration(
    name="parking",
    table="arrivals",
    events={
        "arrival": "string",
        "arrived_at": "datetime",
        "lot": {"type": "int32", "minimum": 1},
        "speed": {"type": "float64", "minimum": 0, "maximum": 200},
        "gate": ["north", "south"],
        "electric": "bool?",
    },
    label={"unpaid": [0, 1]},
    label_delay_days=2,
    features=[
        {"name": "car", "rows": [row("kmh", "speed")]},
        {
            "name": "lot_activity",
            "entity": "lot",
            "windows": [window("lot_count", "count", None, [1]), window("lot_speed", "mean", "speed", [7])],
        },
    ],
    training={
        "learners": [
            {"name": "constant", "kind": "constant", "baseline": True},
            {"name": "xgboost", "kind": "xgboost"},
        ],
        "splits": {"train_days": 7, "delay_days": 2, "test_days": 7, "folds": 1},
    },
    decision={"threshold": 0.5, "above": "stop", "below": "open"},
)

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
