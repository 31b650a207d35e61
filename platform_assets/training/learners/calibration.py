"""Probabilities that mean what they say: another learner's scores mapped to how often such a score came true.

Belongs here: the learner with a map, learned on training rows that the learner had not seen. Does not belong here: the map itself
(`score_map`), more than two classes (`class_joins`), measuring calibration (`evaluation`).

The map is learned from forward predictions (`composite.forward_predictions`): the learner is fitted on the first days and predicts the
next. The learner itself is then fitted on all rows, as in scikit-learn's `CalibratedClassifierCV(ensemble=False)`, whose folds ignore
time. The sigmoid is Platt's, on the log-odds of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.training.learners.additive import AdditiveAnswer, additive_answer
from platform_assets.training.learners.base import (
    FittedModel,
    Learner,
    LearnerKind,
    LearnerSettingsError,
    Matrix,
    Setting,
    Vector,
)
from platform_assets.training.learners.class_joins import calibrated_classes, read_calibrated_classes
from platform_assets.training.learners.composite import Composite, Member, load_members, refuse_alone, save_members
from platform_assets.training.learners.registry import learner_kind
from platform_assets.training.learners.score_map import Method, learned_map, mapped


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """A member and a map of its score.

    Attributes:
        member: what scores.
        method: "isotonic" is a line through points, flat outside; "sigmoid" has slope and intercept on the log-odds.
        x: float64 [k], rising scores; slope and intercept for a sigmoid.
        y: float64 [k], probabilities; empty for a sigmoid.
    """

    member: Member
    method: Method
    x: Vector
    y: Vector

    def predict(self, X: Matrix) -> Vector:
        """Calibrated probability of the positive class."""
        return mapped(self.member.fitted.predict(X), self.method, self.x, self.y)

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """The member's own; the map of its output follows it."""
        own = additive_answer(self.member.fitted, row, output)
        return None if own is None else own.then(f"the {self.method} map of calibration")

    def save(self, folder: Path) -> tuple[str, ...]:
        """The member's archive and the map as JSON."""
        document = {"method": self.method, "x": self.x.tolist(), "y": self.y.tolist()}
        return save_members([self.member], folder, document)


def calibrated(learner: Learner, method: Method) -> Composite:
    """`learner` with calibrated probabilities.

    Raises:
        LearnerSettingsError: it does not predict probabilities.
    """
    if learner.objective == "regression":
        raise LearnerSettingsError(
            f"learner {learner.name!r}: a {learner.objective} task has no probabilities to calibrate"
        )
    settings = {"method": method, "learner": learner.name, **learner.settings}
    return Composite(KIND, learner.objective, MappingProxyType(settings), (learner,), join)


def _made_of(members: Sequence[Learner], settings: Mapping[str, Any]) -> Composite:
    return calibrated(members[0], settings["method"])


def join(
    members: Sequence[Member], unseen: Matrix, y: Vector, objective: str, settings: Mapping[str, Any]
) -> FittedModel:
    """Learn the map from scores for rows that the member had not seen."""
    [member] = members
    if objective == "multiclass":
        return calibrated_classes(member, unseen[:, 0], y, settings["method"])
    return CalibratedModel(member, settings["method"], *learned_map(unseen[:, 0], y, settings["method"]))


def load(folder: Path) -> FittedModel:
    """Read back what `CalibratedModel.save` or `CalibratedClasses.save` wrote."""
    [member], document = load_members(folder, learner_kind)
    if "maps" in document:
        return read_calibrated_classes(member, document)
    x, y = (np.array(document[name], dtype=np.float64) for name in ("x", "y"))
    return CalibratedModel(member, document["method"], x, y)


KIND = LearnerKind(
    name="calibrated",
    description="Another learner with its probabilities calibrated.",
    settings=MappingProxyType(
        {
            "method": Setting("isotonic", "The map.", choices=("isotonic", "sigmoid")),
            "learner": Setting("", "Kind of the learner; its settings follow."),
        }
    ),
    fit=refuse_alone("learner 'calibrated' is made from another learner: declare `calibrate` on that one"),
    load=load,
    libraries=("numpy",),
    objectives=("binary", "multiclass"),
    fit_libraries=("scikit-learn",),
    open_settings=True,
    made_of=_made_of,
)
