"""Several learners as one: a weighted mean of what they predict, or a model on top of it.

Belongs here: blending and stacking. Both learn from forward predictions (`composite.forward_predictions`), never from what a member
says of rows that it was fitted on. Does not belong here: bagging and boosting, which are learners of their own.

A blend's fitted weights are not negative and add up to 1 (Breiman, Stacked Regressions, 1996, with non-negative least squares). A stack
is a logistic regression on the members' log-odds, of more than two classes on their log-probabilities, or a ridge regression on their
values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import one_hot
from platform_assets.training.learners.additive import AdditiveAnswer, additive_answer, weighted
from platform_assets.training.learners.base import (
    FittedModel,
    Learner,
    LearnerKind,
    LearnerSettingsError,
    Matrix,
    Setting,
    Vector,
    resolve_settings,
)
from platform_assets.training.learners.class_joins import read_stacked_classes, stacked_classes
from platform_assets.training.learners.composite import (
    Composite,
    Join,
    Member,
    load_members,
    refuse_alone,
    save_members,
)
from platform_assets.training.learners.linear import sigmoid
from platform_assets.training.learners.registry import learner_kind
from platform_assets.training.learners.score_map import log_odds


@dataclass(frozen=True, eq=False)
class EnsembleModel:
    """Members and weights.

    Attributes:
        members: what is joined.
        weights: float64 [m].
        intercept: added to the weighted sum.
        link: "none" sums what the members predict; "logit" sums their log-odds and takes the sigmoid.
    """

    members: tuple[Member, ...]
    weights: Vector
    intercept: float
    link: str

    def predict(self, X: Matrix) -> Vector:
        """Probability of the positive class or of each class, or the value."""
        parts = [member.fitted.predict(X) for member in self.members]
        if self.link == "logit":
            parts = [log_odds(part) for part in parts]
        total = np.full(parts[0].shape, self.intercept, dtype=np.float64)
        for weight, part in zip(
            self.weights, parts, strict=True
        ):  # one after the other: one row gets the same bits as many
            total += weight * part
        return sigmoid(total) if self.link == "logit" else total

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """The weighted members' sums, where these are outputs and no link is in between."""
        if self.link != "none":
            return None
        parts = [additive_answer(member.fitted, row, output) for member in self.members]
        return weighted(parts, self.weights, self.intercept)

    def save(self, folder: Path) -> tuple[str, ...]:
        """The members' archives and the weights as JSON."""
        document = {"weights": self.weights.tolist(), "intercept": self.intercept, "link": self.link}
        return save_members(self.members, folder, document)


def blend(members: Sequence[Learner], settings: Mapping[str, Any]) -> Composite:
    """The weighted mean of at least two learners for one objective.

    Raises:
        LearnerSettingsError: there are too few members, or a setting is wrong.
    """
    blocks = 1 if settings.get("weights") == "equal" else 3
    return _ensemble(BLEND, members, settings, _blended, blocks)


def stack(members: Sequence[Learner], settings: Mapping[str, Any]) -> Composite:
    """A linear model on at least two learners for one objective.

    Raises:
        LearnerSettingsError: there are too few members, or a setting is wrong.
    """
    return _ensemble(STACK, members, settings, _stacked, blocks=3)


def _ensemble(
    kind: LearnerKind, members: Sequence[Learner], settings: Mapping[str, Any], join: Join, blocks: int
) -> Composite:
    if len(members) < 2:
        raise LearnerSettingsError(
            f"learner {kind.name!r} needs at least two members, it has {len(members)}: name them in `of`"
        )
    names = {"of": "+".join(member.name for member in members)}
    resolved = resolve_settings(kind, {**settings, **names})
    return Composite(kind, members[0].objective, resolved, tuple(members), join, blocks)


def _blended(
    members: Sequence[Member], unseen: Matrix, y: Vector, objective: str, settings: Mapping[str, Any]
) -> EnsembleModel:
    """Weights that are not negative and add up to 1."""
    equal = np.full(len(members), 1.0 / len(members))
    if settings["weights"] == "equal":
        return EnsembleModel(tuple(members), equal, 0.0, "none")
    from scipy.optimize import nnls

    if objective == "multiclass":  # one weight for each member, whatever the class
        classes = unseen.shape[2]
        unseen, y = unseen.transpose(0, 2, 1).reshape(-1, len(members)), one_hot(y, classes).ravel()
    weights, _ = nnls(unseen, y)
    weights = weights / weights.sum() if weights.sum() > 0.0 else equal
    return EnsembleModel(tuple(members), weights, 0.0, "none")


def _stacked(
    members: Sequence[Member], unseen: Matrix, y: Vector, objective: str, settings: Mapping[str, Any]
) -> FittedModel:
    """A linear model on what the members predict."""
    if objective == "multiclass":
        return stacked_classes(members, unseen, y, settings["C"])
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        if objective == "binary":
            from sklearn.linear_model import LogisticRegression

            logistic = LogisticRegression(C=settings["C"], max_iter=1000).fit(log_odds(unseen), y)
            return EnsembleModel(
                tuple(members), logistic.coef_[0].astype(float), float(logistic.intercept_[0]), "logit"
            )
        from sklearn.linear_model import Ridge

        ridge = Ridge(alpha=1.0 / settings["C"]).fit(unseen, y)
        return EnsembleModel(tuple(members), ridge.coef_.astype(float), float(ridge.intercept_), "none")


def load(folder: Path) -> FittedModel:
    """Read back what `EnsembleModel.save` or `StackedClasses.save` wrote."""
    members, document = load_members(folder, learner_kind)
    if "intercepts" in document:
        return read_stacked_classes(members, document)
    weights = np.array(document["weights"], dtype=np.float64)
    return EnsembleModel(members, weights, document["intercept"], document["link"])


_refuse = refuse_alone("an ensemble is made from other learners: name them in `of`")

BLEND = LearnerKind(
    name="blend",
    description="The weighted mean of what other learners predict.",
    settings=MappingProxyType(
        {
            "of": Setting("", "Kinds of the members."),
            "weights": Setting("fitted", "Weights by least squares, or all the same.", choices=("fitted", "equal")),
        }
    ),
    fit=_refuse,
    load=load,
    libraries=("numpy",),
    fit_libraries=("scipy",),
    made_of=blend,
)
STACK = LearnerKind(
    name="stack",
    description="A linear model on what other learners predict.",
    settings=MappingProxyType(
        {
            "of": Setting("", "Kinds of the members."),
            "C": Setting(1.0, "Inverse strength of the L2 penalty on the weights.", least=1e-6),
        }
    ),
    fit=_refuse,
    load=load,
    libraries=("numpy",),
    fit_libraries=("scikit-learn",),
    made_of=stack,
)
