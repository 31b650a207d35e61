"""The learners a requirement can name, each one file: how it is fitted, predicts, is written down and is read back.

Belongs here: the catalogue of kinds and their settings. Does not belong here: imputation and feature order (`predictor`), file
hashes and manifests (`artifact`), folds and metrics (`compare`).

Each learner's module imports only the standard library and numpy when it is loaded; its own library is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from platform_assets.training.learners import (
    boosting,
    calibration,
    constant,
    ensemble,
    estimator,
    forest,
    last_value,
    linear,
    narrowed,
    neural,
    rule,
    single,
)
from platform_assets.training.learners.base import (
    OBJECTIVES,
    FittedModel,
    Learner,
    LearnerKind,
    LearnerSettingsError,
    Objective,
    Setting,
    TrainingError,
    resolve_settings,
)

KINDS: Mapping[str, LearnerKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            constant.KIND,
            single.KIND,
            last_value.KIND,
            rule.KIND,
            *linear.KINDS,
            forest.KIND,
            boosting.KIND,
            neural.KIND,
        )
    }
)
"""Every learner that can be made by its name alone, simplest first."""
MADE_OF: Mapping[str, LearnerKind] = MappingProxyType(
    {kind.name: kind for kind in (estimator.KIND, narrowed.KIND, calibration.KIND, ensemble.BLEND, ensemble.STACK)}
)
"""Learners that take something else to be made: the name of a class, or other learners."""


def learner_kind(name: str) -> LearnerKind:
    """The learner called `name`.

    Raises:
        LearnerSettingsError: there is no such learner.
    """
    found = KINDS.get(name) or MADE_OF.get(name)
    if found is None:
        raise LearnerSettingsError(f"learner {name!r} does not exist; the learners are {', '.join([*KINDS, *MADE_OF])}")
    return found


def make_learner(name: str, settings: Mapping[str, Any] | None = None, task: str = "binary") -> Learner:
    """A learner ready to be fitted, with every setting filled in and checked.

    Args:
        name: a key of `KINDS`, for example "xgboost".
        settings: what differs from the kind's defaults.
        task: "binary", "multiclass" or "regression".

    Raises:
        LearnerSettingsError: unknown learner, setting or task, or a value out of its range; the message says what is allowed.
    """
    kind = learner_kind(name)
    return Learner(kind, kind.checked_task(task), {}).with_settings(settings or {})


__all__ = [
    "KINDS",
    "MADE_OF",
    "OBJECTIVES",
    "FittedModel",
    "Learner",
    "LearnerKind",
    "LearnerSettingsError",
    "Objective",
    "Setting",
    "TrainingError",
    "learner_kind",
    "make_learner",
    "resolve_settings",
]
