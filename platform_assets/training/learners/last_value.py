"""The baseline of a series: what it was the last time, or the last time in this season.

Belongs here: only that. Does not belong here: models of a trend.

With a feature that names the season (the hour of the week), the value is the newest one of the same
season, the seasonal naive forecast; without, the newest of all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.training.learners.base import Days, LearnerKind, Matrix, Objective, Setting, TrainingError, Vector

_FILE = "last_value.json"


@dataclass(frozen=True, eq=False)
class LastValueModel:
    """The newest value by season, seasons in order; `newest` where the season was never seen, and without seasons."""

    column: int | None
    seasons: Vector
    values: Vector
    newest: float

    def predict(self, X: Matrix) -> Vector:
        """The season's newest value."""
        if self.column is None:
            return np.full(len(X), self.newest, dtype=np.float64)
        position = np.minimum(np.searchsorted(self.seasons, X[:, self.column]), len(self.seasons) - 1)
        return np.where(self.seasons[position] == X[:, self.column], self.values[position], self.newest)

    def save(self, folder: Path) -> tuple[str, ...]:
        """One JSON file; the numbers keep all their digits."""
        document = {
            "column": self.column,
            "seasons": self.seasons.tolist(),
            "values": self.values.tolist(),
            "newest": self.newest,
        }
        (folder / _FILE).write_text(json.dumps(document) + "\n", encoding="utf-8")
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> LastValueModel:
    """The newest label of each season; rows come in time order.

    Raises:
        TrainingError: there are fewer inputs than the setting says.
    """
    column = settings["column"]
    if column is None:
        return LastValueModel(None, np.empty(0), np.empty(0), float(y[-1]))
    if column >= X.shape[1]:
        raise TrainingError(f"learner 'last_value': column {column} of {X.shape[1]} inputs; the first one is 0")
    seasons, newest_first = np.unique(X[::-1, column], return_index=True)
    return LastValueModel(int(column), seasons, y[::-1][newest_first].copy(), float(y[-1]))


def load(folder: Path) -> LastValueModel:
    """Read back what `LastValueModel.save` wrote."""
    document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    seasons, values = (np.array(document[name], dtype=np.float64) for name in ("seasons", "values"))
    return LastValueModel(document["column"], seasons, values, document["newest"])


KIND = LearnerKind(
    name="last_value",
    description="The newest label, or the newest of the same season.",
    settings=MappingProxyType(
        {"column": Setting(0, "Place of the season among the inputs, from 0; null for none.", least=0, optional=True)}
    ),
    fit=fit,
    load=load,
    libraries=("numpy",),
    objectives=("regression",),
)
