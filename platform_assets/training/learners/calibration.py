"""Probabilities that mean what they say: another learner's scores mapped to how often such a score came true.

Belongs here: the isotonic and the sigmoid map, fitted on training rows that the learner had not seen. Does not belong here: measuring
calibration (`evaluation`).

The map is learned from forward predictions (`composite.forward_predictions`): the learner is fitted on the first days and predicts the
next. The learner itself is then fitted on all rows, as in scikit-learn's `CalibratedClassifierCV(ensemble=False)`, whose folds ignore
time. The sigmoid is Platt's, on the log-odds of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from platform_assets.training.learners.base import (
    Learner,
    LearnerKind,
    LearnerSettingsError,
    Matrix,
    Setting,
    Vector,
)
from platform_assets.training.learners.composite import Composite, Member, load_members, refuse_alone, save_members
from platform_assets.training.learners.linear import sigmoid

Method = Literal["isotonic", "sigmoid"]
_LEAST_PROBABILITY = 1e-12


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
        score = self.member.fitted.predict(X)
        if self.method == "sigmoid":
            return sigmoid(self.x[0] * log_odds(score) + self.x[1])
        return np.asarray(np.interp(score, self.x, self.y), dtype=np.float64)

    def save(self, folder: Path) -> tuple[str, ...]:
        """The member's archive and the map as JSON."""
        document = {"method": self.method, "x": self.x.tolist(), "y": self.y.tolist()}
        return save_members([self.member], folder, document)


def log_odds(probability: Vector) -> Vector:
    """log(p / (1 - p)), with p kept away from 0 and 1."""
    kept = np.clip(probability, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return np.asarray(np.log(kept) - np.log1p(-kept), dtype=np.float64)


def calibrated(learner: Learner, method: Method) -> Composite:
    """`learner` with calibrated probabilities.

    Raises:
        LearnerSettingsError: it does not predict probabilities.
    """
    if learner.task != "binary":
        raise LearnerSettingsError(f"learner {learner.name!r}: a {learner.task} task has no probabilities to calibrate")
    settings = {"method": method, "learner": learner.name, **learner.settings}
    return Composite(KIND, learner.task, MappingProxyType(settings), (learner,), join)


def join(
    members: Sequence[Member], unseen: Matrix, y: Vector, task: str, settings: Mapping[str, Any]
) -> CalibratedModel:
    """Learn the map from scores for rows that the member had not seen."""
    [member] = members
    score = unseen[:, 0]
    if settings["method"] == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, y)
        return CalibratedModel(
            member, "isotonic", fitted.X_thresholds_.astype(float), fitted.y_thresholds_.astype(float)
        )
    from sklearn.linear_model import LogisticRegression

    line = LogisticRegression(C=1e6, max_iter=1000).fit(log_odds(score).reshape(-1, 1), y)
    return CalibratedModel(member, "sigmoid", np.array([line.coef_[0, 0], line.intercept_[0]]), np.empty(0))


def load(folder: Path) -> CalibratedModel:
    """Read back what `CalibratedModel.save` wrote."""
    from platform_assets.training.learners import learner_kind

    [member], document = load_members(folder, learner_kind)
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
    tasks=("binary",),
    fit_libraries=("scikit-learn",),
    open_settings=True,
)
