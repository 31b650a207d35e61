"""The baseline that knows no feature: the base rate of a binary label, the share of each class, the mean of a value.

Belongs here: only that; every other learner has to beat it. Does not belong here: a baseline that looks at a feature.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import one_hot
from platform_assets.training.learners.base import Days, LearnerKind, Matrix, Objective, Vector

_FILE = "constant.json"


@dataclass(frozen=True, slots=True)
class ConstantModel:
    """Predicts the same value for every row."""

    value: float | tuple[float, ...]

    def predict(self, X: Matrix) -> Vector:
        """`value` n times."""
        if isinstance(self.value, tuple):
            return np.tile(np.array(self.value, dtype=np.float64), (len(X), 1))
        return np.full(len(X), self.value, dtype=np.float64)

    def save(self, folder: Path) -> tuple[str, ...]:
        """One JSON file; the number keeps all its digits."""
        (folder / _FILE).write_text(json.dumps({"value": self.value}) + "\n", encoding="utf-8")
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> ConstantModel:
    """The mean of the labels, or the share of each class."""
    if objective == "multiclass":
        return ConstantModel(tuple(one_hot(y, int(y.max()) + 1).mean(axis=0).tolist()))
    return ConstantModel(float(y.mean()))


def load(folder: Path) -> ConstantModel:
    """Read back what `ConstantModel.save` wrote."""
    value = json.loads((folder / _FILE).read_text(encoding="utf-8"))["value"]
    return ConstantModel(tuple(value) if isinstance(value, list) else float(value))


KIND = LearnerKind(
    name="constant",
    description="The base rate or the mean: the baseline without features.",
    settings=MappingProxyType({}),
    fit=fit,
    load=load,
    libraries=("numpy",),
)
