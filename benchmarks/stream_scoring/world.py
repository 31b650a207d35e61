"""A small use case whose events come from a topic, its release, and its online store.

Belongs here: making them in a folder. Does not belong here: the broker (`platform_assets/testing/kafka_broker.py`), or killing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.declaration import UseCase, feature_contract_hash
from platform_assets.testing.declare import declare, row, window
from serving.release import ReleaseInfo, SelfTestRow, write_release

LOTS = 40
NAME = "lots"
BROKERS = "LOTS_BROKERS"
BEGUN = datetime(2024, 4, 1, 8, tzinfo=UTC)


def use_case() -> UseCase:
    """Cars that arrive at parking lots."""
    topics = {"brokers": BROKERS, "events": "arrivals", "predictions": "scores"}
    case = declare(
        name=NAME,
        table="arrivals",
        events={"arrival": "int64", "arrived_at": "datetime", "lot": "int32", "speed": "float64"},
        label="unpaid",
        features=[
            {"name": "car", "rows": [row("kmh", "speed")]},
            {
                "name": "lot_activity",
                "entity": "lot",
                "windows": [window("lot_count", "count", None, [1]), window("lot_speed", "mean", "speed", [7])],
            },
        ],
    )
    serving = {**case.serving.model_dump(), "mode": "hybrid", "stream": topics}
    return UseCase.model_validate(case.model_dump(mode="json") | {"serving": serving})


@dataclass(frozen=True)
class Event:
    """One arrival."""

    number: int

    @property
    def key(self) -> str:
        """Of its message."""
        return str(self.number % LOTS)

    @property
    def value(self) -> bytes:
        """Of its message."""
        at = BEGUN + timedelta(milliseconds=100 * self.number)
        cells = {"arrival": self.number, "arrived_at": at.isoformat(), "lot": self.number % LOTS}
        return json.dumps({**cells, "speed": float(self.number % 97)}).encode()


def make_release(folder: Path) -> None:
    """Fit a model and write the release below `folder/release`."""
    from platform_assets.training import artifact
    from platform_assets.training.dataset import Dataset
    from platform_assets.training.fit import fit_predictor
    from platform_assets.training.learners import make_learner

    case, chance = use_case(), np.random.default_rng(0)
    names = case.feature_names
    X = chance.gamma(2.0, 20.0, (400, len(names)))
    y = (X[:, 0] + chance.normal(0, 10, 400) > 40).astype(np.float64)
    days = np.datetime64("2024-03-01", "D") + np.sort(chance.integers(0, 20, 400))
    data = Dataset(X, y, days, None, np.arange(400), names)
    predictor = fit_predictor(data, make_learner("xgboost", {"max_depth": 4, "threads": 1}), seed=0)
    artifact.save(predictor, folder / "model")
    rows = [dict.fromkeys(names, float(value)) for value in (1, 20, 60)]
    scores = predictor.predict(np.array([list(row.values()) for row in rows]))
    known = tuple(SelfTestRow(features=row, score=float(score)) for row, score in zip(rows, scores, strict=True))
    info = ReleaseInfo(use_case=NAME, model_version="1", feature_contract=feature_contract_hash(case), self_test=known)
    write_release(folder / "release", case, folder / "model", info)


def make_store(folder: Path) -> dict[str, Any]:
    """Make the online store; the fields of Feast's settings."""
    from platform_assets.features.online.feast_connection import FeastSettings
    from platform_assets.features.online.store import apply

    settings = FeastSettings(
        project=NAME,
        registry=f"sqlite:///{folder / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(folder),
    )
    apply(use_case(), settings)
    fields: dict[str, Any] = settings.model_dump(mode="json")
    return fields
