"""The learners, by name.

Belongs here: the list, and finding a member. Does not belong here: the members (one file each).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_assets.members import MemberRegistry
from platform_assets.training.learners.base import Learner, LearnerKind, LearnerSettingsError

_BY_NAME_ALONE = {
    "constant": "platform_assets.training.learners.constant:KIND",
    "single_feature": "platform_assets.training.learners.single:KIND",
    "last_value": "platform_assets.training.learners.last_value:KIND",
    "rule": "platform_assets.training.learners.rule:KIND",
    "logistic_regression": "platform_assets.training.learners.linear:LOGISTIC_REGRESSION",
    "ridge": "platform_assets.training.learners.linear:RIDGE",
    "random_forest": "platform_assets.training.learners.forest:KIND",
    "xgboost": "platform_assets.training.learners.boosting:KIND",
    "torch_mlp": "platform_assets.training.learners.neural:KIND",
}
_MADE_OF_OTHERS = {
    "estimator": "platform_assets.training.learners.estimator:KIND",
    "narrowed": "platform_assets.training.learners.narrowed:KIND",
    "calibrated": "platform_assets.training.learners.calibration:KIND",
    "blend": "platform_assets.training.learners.ensemble:BLEND",
    "stack": "platform_assets.training.learners.ensemble:STACK",
}
"""Learners that take something else to be made: the name of a class, or other learners."""

BY_NAME_ALONE = tuple(_BY_NAME_ALONE)
"""Learners that can be made by their name alone."""
LEARNERS: MemberRegistry[LearnerKind] = MemberRegistry("learner", {**_BY_NAME_ALONE, **_MADE_OF_OTHERS})
"""Every learner, simplest first."""


def learner_kind(name: str) -> LearnerKind:
    """The learner called `name`.

    Raises:
        LearnerSettingsError: there is no such learner.
    """
    if name not in LEARNERS:
        raise LearnerSettingsError(f"learner {name!r} does not exist; the learners are {', '.join(LEARNERS)}")
    return LEARNERS[name]


def make_learner(name: str, settings: Mapping[str, Any] | None = None, objective: str = "binary") -> Learner:
    """A learner ready to be fitted, with every setting filled in and checked.

    Args:
        name: in the registry, for example "xgboost".
        settings: what differs from the kind's defaults.
        objective: "binary", "multiclass" or "regression".

    Raises:
        LearnerSettingsError: unknown learner, setting or objective, or a value out of its range; the message says what is allowed.
    """
    kind = learner_kind(name)
    return Learner(kind, kind.checked_objective(objective), {}).with_settings(settings or {})


def made_of(name: str, members: Sequence[Learner], settings: Mapping[str, Any]) -> Learner:
    """A learner that is made of other learners.

    Args:
        name: in the registry, for example "blend".
        members: what it is made of.
        settings: as declared or as recorded.

    Raises:
        LearnerSettingsError: there is no such learner, it is not made of others, or its members or settings do not fit.
    """
    kind = learner_kind(name)
    if kind.made_of is None:
        raise LearnerSettingsError(f"learner {name!r} is not made of other learners")
    return kind.made_of(members, settings)
