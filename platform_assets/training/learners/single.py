"""The learner that hands one feature on: last week's value for a series, the score of somebody else's model.

Belongs here: only that. Does not belong here: a threshold (`rule`). A model that does not beat the best single feature has learned nothing;
and a score that comes from elsewhere is judged and watched like one of ours, with nothing learned at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

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
MOST_OUTSIDE_RATIO = 0.01
"""Share of training rows whose score may lie outside of its declared range."""


@dataclass(frozen=True, slots=True)
class SingleFeatureModel:
    """Predicts the value of one input column: as it is, or as a probability where its range is known."""

    column: int
    scale: tuple[float, float] | None = None

    def predict(self, X: Matrix) -> Vector:
        """That column; of a score its place in the range, cut off at the ends."""
        values = X[:, self.column].copy()
        if self.scale is None:
            return values
        lowest, highest = self.scale
        return np.clip((values - lowest) / (highest - lowest), 0.0, 1.0)

    def save(self, folder: Path) -> tuple[str, ...]:
        """One JSON file."""
        document = {"column": self.column} | ({} if self.scale is None else {"scale": list(self.scale)})
        (folder / _FILE).write_text(json.dumps(document) + "\n", encoding="utf-8")
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> SingleFeatureModel:
    """Nothing is learned; the column has to be there, and a score within its range.

    Raises:
        TrainingError: there are fewer inputs than the setting says, or the range of a score is none, or not that of the rows.
    """
    column = settings["column"]
    if column >= X.shape[1]:
        raise TrainingError(f"learner 'single_feature': column {column} of {X.shape[1]} inputs; the first one is 0")
    if objective == "regression":
        return SingleFeatureModel(int(column))
    lowest, highest = float(settings["lowest"]), float(settings["highest"])
    if not lowest < highest:
        raise TrainingError(f"learner 'single_feature': lowest {lowest:g} has to lie below highest {highest:g}")
    values = X[:, column]
    outside = int(((values < lowest) | (values > highest)).sum())
    if outside > MOST_OUTSIDE_RATIO * len(values):
        raise TrainingError(
            f"learner 'single_feature': {outside} of {len(values)} scores lie outside of {lowest:g} .. {highest:g}, from "
            f"{values.min():g} to {values.max():g}: declare what stands for a probability of 0 and of 1 as `lowest` and `highest`"
        )
    return SingleFeatureModel(int(column), (lowest, highest))


def load(folder: Path) -> SingleFeatureModel:
    """Read back what `SingleFeatureModel.save` wrote."""
    document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    scale = document.get("scale")
    return SingleFeatureModel(int(document["column"]), None if scale is None else (scale[0], scale[1]))


KIND = LearnerKind(
    name="single_feature",
    description="One feature handed on as it is: last week's value, or the score of another model.",
    settings=MappingProxyType(
        {
            "column": Setting(0, "Place of the feature among the inputs, from 0.", least=0),
            "lowest": Setting(0.0, "Of a score: what stands for a probability of 0. Regressions hand the value on."),
            "highest": Setting(1.0, "Of a score: what stands for a probability of 1."),
        }
    ),
    fit=fit,
    load=load,
    libraries=("numpy",),
    objectives=("binary", "regression"),
)
