"""The baseline that hands one feature on: last week's value for a series.

Belongs here: only that. Does not belong here: a threshold (`rule`). A model that does not beat the best single feature has learned nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from platform_assets.training.learners.base import (
    Days,
    LearnerKind,
    Matrix,
    Objective,
    Setting,
    TrainingError,
    Vector,
)

_FILE = "single_feature.json"


@dataclass(frozen=True, slots=True)
class SingleFeatureModel:
    """Predicts the value of one input column."""

    column: int

    def predict(self, X: Matrix) -> Vector:
        """That column."""
        return X[:, self.column].copy()

    def save(self, folder: Path) -> tuple[str, ...]:
        """One JSON file."""
        (folder / _FILE).write_text(json.dumps({"column": self.column}) + "\n", encoding="utf-8")
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> SingleFeatureModel:
    """Nothing is learned; the column has to be there.

    Raises:
        TrainingError: there are fewer inputs than the setting says.
    """
    column = settings["column"]
    if column >= X.shape[1]:
        raise TrainingError(f"learner 'single_feature': column {column} of {X.shape[1]} inputs; the first one is 0")
    return SingleFeatureModel(int(column))


def load(folder: Path) -> SingleFeatureModel:
    """Read back what `SingleFeatureModel.save` wrote."""
    return SingleFeatureModel(int(json.loads((folder / _FILE).read_text(encoding="utf-8"))["column"]))


KIND = LearnerKind(
    name="single_feature",
    description="One feature handed on as it is: last week's value.",
    settings=MappingProxyType({"column": Setting(0, "Place of the feature among the inputs, from 0.", least=0)}),
    fit=fit,
    load=load,
    libraries=("numpy",),
    objectives=("regression",),
)
