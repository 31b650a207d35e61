"""Learners made of others, for more than two classes: calibrated probabilities, and a model on top of several.

Belongs here: what a join learns from probabilities by class, and its numbers on disk. Does not belong here: the same for a binary label
or a value (`calibration`, `ensemble`), blending, which needs nothing of its own.

Calibration maps the probability of each class against all others, and makes them add up to 1 again (Zadrozny and Elkan, Transforming
Classifier Scores into Accurate Multiclass Probability Estimates, 2002), as scikit-learn's `CalibratedClassifierCV` does. A stack is a
multinomial logistic regression on the members' log-probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import normalised, one_hot, softmax
from platform_assets.training.learners.base import FittedModel, Matrix, TrainingError, Vector
from platform_assets.training.learners.composite import Member, save_members
from platform_assets.training.learners.score_map import Method, learned_map, mapped

_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, eq=False)
class CalibratedClasses:
    """A member and a map for the probability of each class.

    Attributes:
        member: what predicts.
        method: of all maps.
        maps: by class, as `score_map.learned_map` gave them.
    """

    member: Member
    method: Method
    maps: tuple[tuple[Vector, Vector], ...]

    def predict(self, X: Matrix) -> Matrix:
        """Calibrated probability of each class, float64 [n, k]."""
        raw = self.member.fitted.predict(X)
        columns = [mapped(raw[:, index], self.method, x, y) for index, (x, y) in enumerate(self.maps)]
        return normalised(np.column_stack(columns))

    def save(self, folder: Path) -> tuple[str, ...]:
        """The member's archive and the maps as JSON."""
        maps = [{"x": x.tolist(), "y": y.tolist()} for x, y in self.maps]
        return save_members([self.member], folder, {"method": self.method, "maps": maps})


def calibrated_classes(member: Member, unseen: Matrix, y: Vector, method: Method) -> CalibratedClasses:
    """Learn a map for each class.

    Args:
        member: fitted on all rows.
        unseen: float64 [r, k], what it predicted for rows that it had not seen.
        y: float64 [r], class indices.
        method: of the maps.

    Raises:
        TrainingError: a class does not occur among these rows.
    """
    labels = one_hot(y, unseen.shape[1])
    _require_all(labels, "calibrate")
    maps = tuple(learned_map(unseen[:, index], labels[:, index], method) for index in range(unseen.shape[1]))
    return CalibratedClasses(member, method, maps)


def read_calibrated_classes(member: Member, document: Mapping[str, Any]) -> CalibratedClasses:
    """Read back what `CalibratedClasses.save` wrote."""
    maps = tuple(
        (np.array(one["x"], dtype=np.float64), np.array(one["y"], dtype=np.float64)) for one in document["maps"]
    )
    return CalibratedClasses(member, document["method"], maps)


@dataclass(frozen=True, eq=False)
class StackedClasses:
    """Members and a linear model on the logarithms of their probabilities.

    Attributes:
        members: what is joined.
        weights: float64 [k, m * k], the members one after the other.
        intercepts: float64 [k].
    """

    members: tuple[Member, ...]
    weights: Matrix
    intercepts: Vector

    def predict(self, X: Matrix) -> Matrix:
        """Probability of each class, float64 [n, k]."""
        inputs = np.column_stack([_log(member.fitted.predict(X)) for member in self.members])
        scores = [(inputs * weights).sum(axis=1) for weights in self.weights]
        return softmax(np.column_stack(scores) + self.intercepts)

    def save(self, folder: Path) -> tuple[str, ...]:
        """The members' archives and the weights as JSON."""
        return save_members(
            self.members, folder, {"weights": self.weights.tolist(), "intercepts": self.intercepts.tolist()}
        )


def stacked_classes(members: Sequence[Member], unseen: Matrix, y: Vector, C: float) -> FittedModel:
    """Learn the model on top from rows that the members had not seen.

    Args:
        members: fitted on all rows.
        unseen: float64 [r, m, k].
        y: float64 [r], class indices.
        C: inverse strength of the L2 penalty.

    Raises:
        TrainingError: a class does not occur among these rows.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    _require_all(one_hot(y, unseen.shape[2]), "stack")
    with threadpool_limits(limits=1):
        fitted = LogisticRegression(C=C, max_iter=1000).fit(_log(unseen).reshape(len(y), -1), y.astype(np.int64))
    return StackedClasses(tuple(members), fitted.coef_.astype(float), fitted.intercept_.astype(float))


def read_stacked_classes(members: tuple[Member, ...], document: Mapping[str, Any]) -> StackedClasses:
    """Read back what `StackedClasses.save` wrote."""
    weights, intercepts = (np.array(document[name], dtype=np.float64) for name in ("weights", "intercepts"))
    return StackedClasses(members, weights, intercepts)


def _log(probability: Matrix) -> Matrix:
    return np.asarray(np.log(np.maximum(probability, _LEAST_PROBABILITY)), dtype=np.float64)


def _require_all(labels: Matrix, what: str) -> None:
    """Every class has to occur where the join learns, in the later two thirds of the training days."""
    absent = np.flatnonzero(labels.sum(axis=0) == 0.0)
    if len(absent):
        raise TrainingError(
            f"{len(absent)} of {labels.shape[1]} classes do not occur in the later two thirds of the training days, from which "
            f"{what!r} learns: train on more days, or leave {what!r} out"
        )
