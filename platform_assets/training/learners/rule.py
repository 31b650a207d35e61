"""The baseline that people would write down themselves: one feature against one threshold.

Belongs here: only that. Does not belong here: rules on several features.

What is predicted on either side is the mean label of the training rows there, so that it is a probability,
a probability of each class, or a value in the label's unit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import one_hot
from platform_assets.training.learners.base import Days, LearnerKind, Matrix, Objective, Setting, TrainingError, Vector

_FILE = "rule.json"


@dataclass(frozen=True, slots=True)
class RuleModel:
    """One value where the input is above the threshold, another where it is not."""

    column: int
    threshold: float
    above: float | tuple[float, ...]
    below: float | tuple[float, ...]

    def predict(self, X: Matrix) -> Vector:
        """The side's value."""
        above = X[:, self.column] > self.threshold
        if isinstance(self.above, tuple):
            return np.where(above[:, np.newaxis], np.array(self.above), np.array(self.below))
        return np.where(above, self.above, self.below)

    def save(self, folder: Path) -> tuple[str, ...]:
        """One JSON file; the numbers keep all their digits."""
        (folder / _FILE).write_text(json.dumps(asdict(self), sort_keys=True) + "\n", encoding="utf-8")
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> RuleModel:
    """The mean label on either side; the overall mean on a side without rows.

    Raises:
        TrainingError: there are fewer inputs than the setting says.
    """
    column = settings["column"]
    if column >= X.shape[1]:
        raise TrainingError(f"learner 'rule': column {column} of {X.shape[1]} inputs; the first one is 0")
    above = X[:, column] > settings["threshold"]
    if objective == "multiclass":
        labels = one_hot(y, int(y.max()) + 1)
        shares = [tuple((labels[side] if side.any() else labels).mean(axis=0).tolist()) for side in (above, ~above)]
        return RuleModel(int(column), float(settings["threshold"]), *shares)
    means = [float(y[side].mean()) if side.any() else float(y.mean()) for side in (above, ~above)]
    return RuleModel(int(column), float(settings["threshold"]), *means)


def load(folder: Path) -> RuleModel:
    """Read back what `RuleModel.save` wrote."""
    document: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    sides = {
        name: tuple(document[name]) if isinstance(document[name], list) else document[name]
        for name in ("above", "below")
    }
    return RuleModel(**{**document, **sides})


KIND = LearnerKind(
    name="rule",
    description="One feature against one threshold.",
    settings=MappingProxyType(
        {
            "column": Setting(0, "Place of the feature among the inputs, from 0.", least=0),
            "threshold": Setting(0.0, "Rows above it are one side, the others the other."),
        }
    ),
    fit=fit,
    load=load,
    libraries=("numpy",),
)
