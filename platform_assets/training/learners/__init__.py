"""The learners a requirement can name, each one file: how it is fitted, predicts, is written down and is read back.

Belongs here: the catalogue of kinds and their settings. Does not belong here: imputation and feature order (`predictor`), file
hashes and manifests (`artifact`), folds and metrics (`compare`).

Each learner's module imports only the standard library and numpy when it is loaded; its own library is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from platform_assets.training.learners import boosting, constant, forest, linear, neural, single
from platform_assets.training.learners.base import (
    TASKS,
    FittedModel,
    Learner,
    LearnerKind,
    LearnerSettingsError,
    Setting,
    Task,
    TrainingError,
    resolve_settings,
)

KINDS: Mapping[str, LearnerKind] = MappingProxyType(
    {kind.name: kind for kind in (constant.KIND, single.KIND, *linear.KINDS, forest.KIND, boosting.KIND, neural.KIND)}
)
"""Every learner by the name a requirement uses, simplest first."""


def learner_kind(name: str) -> LearnerKind:
    """The learner called `name`.

    Raises:
        LearnerSettingsError: there is no such learner.
    """
    if name not in KINDS:
        raise LearnerSettingsError(f"learner {name!r} does not exist; the learners are {', '.join(KINDS)}")
    return KINDS[name]


def make_learner(name: str, settings: Mapping[str, Any] | None = None, task: str = "binary") -> Learner:
    """A learner ready to be fitted, with every setting filled in and checked.

    Args:
        name: a key of `KINDS`, for example "xgboost".
        settings: what differs from the kind's defaults.
        task: "binary" or "regression".

    Raises:
        LearnerSettingsError: unknown learner, setting or task, or a value out of its range; the message says what is allowed.
    """
    kind = learner_kind(name)
    return Learner(kind=kind, task=kind.checked_task(task), settings=resolve_settings(kind, settings or {}))


__all__ = [
    "KINDS",
    "TASKS",
    "FittedModel",
    "Learner",
    "LearnerKind",
    "LearnerSettingsError",
    "Setting",
    "Task",
    "TrainingError",
    "learner_kind",
    "make_learner",
    "resolve_settings",
]
