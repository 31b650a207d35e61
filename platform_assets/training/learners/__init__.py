"""The learners a requirement can name, each one file: how it is fitted, predicts, is written down and is read back.

Belongs here: the catalogue of kinds and their settings. Does not belong here: imputation and feature order (`predictor`), file
hashes and manifests (`artifact`), folds and metrics (`compare`).

Each learner's module imports only the standard library and numpy when it is loaded; its own library is imported when it is used.
"""

from __future__ import annotations

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
from platform_assets.training.learners.registry import BY_NAME_ALONE, LEARNERS, learner_kind, made_of, make_learner

__all__ = [
    "BY_NAME_ALONE",
    "LEARNERS",
    "OBJECTIVES",
    "FittedModel",
    "Learner",
    "LearnerKind",
    "LearnerSettingsError",
    "Objective",
    "Setting",
    "TrainingError",
    "learner_kind",
    "made_of",
    "make_learner",
    "resolve_settings",
]
