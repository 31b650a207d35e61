"""The learners, by name.

Belongs here: finding one, and those that nobody declares. Does not belong here: the learners (one file each), or the list of those that
can be declared (`declaration/learner_kinds.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS, declared_learners
from platform_assets.members import ImplementationRegistry
from platform_assets.training.learners.base import Learner, LearnerKind, LearnerSettingsError

LEARNERS: ImplementationRegistry[LearnerKind] = ImplementationRegistry(
    DECLARED_LEARNERS,
    lambda declared: declared.carried_out_by,
    beside={
        "narrowed": "platform_assets.training.learners.narrowed:KIND",
        "calibrated": "platform_assets.training.learners.calibration:KIND",
    },
)
"""Every learner: those that can be declared, and those that are made around one of them."""
BY_NAME_ALONE = tuple(kind.name for kind in declared_learners() if not (kind.joins_others or kind.names_estimator))
"""Learners that can be made by their name alone."""


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
