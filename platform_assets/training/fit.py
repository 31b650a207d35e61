"""Fitting one declared learner on one data set.

Belongs here: the one way from rows to a `Predictor`, used for every fold and for the refit. Does not belong here: choosing rows
(`folds`), comparing learners (`compare`), storing the result (`artifact`).
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import numpy as np

from platform_assets.declaration.sections.training import Training
from platform_assets.tasks.multiclass.probabilities import seen
from platform_assets.training.dataset import Dataset
from platform_assets.training.learners import Learner, TrainingError
from platform_assets.training.predictor import Clipped, ImputationStrategy, Predictor, TrainedOn, fit_imputation

_OTHER_NAMES = MappingProxyType({"xgboost-cpu": "xgboost"})


def fit_predictor(
    rows: Dataset, learner: Learner, seed: int, impute: Mapping[str, ImputationStrategy] | None = None
) -> Predictor:
    """Fit imputation and learner on `rows`; the same rows, learner and seed give the same predictor.

    Args:
        rows: the training rows and nothing else: the imputation is learned from them too.
        learner: from `learners.make_learner`.
        seed: decides every random choice.
        impute: imputation strategy by feature; the median where a feature is not named.

    Raises:
        TrainingError: the rows cannot be learned from.
        ImputationError: the imputation does not fit the features or the rows.
    """
    if len(rows) == 0:
        raise TrainingError(
            f"learner {learner.name!r}: there are no training rows; materialize the training days first"
        )
    imputation = fit_imputation(rows.X, rows.features, impute)
    counts: tuple[int, ...] = ()
    target = rows.y
    if rows.classes:
        counts = tuple(np.bincount(rows.y.astype(np.int64), minlength=len(rows.classes)).tolist())
        target = seen(rows.y)[1]
    fitted = learner.fit(imputation.filled(rows.X), target, seed, rows.event_day)
    return Predictor(
        learner=learner.name,
        settings=learner.settings,
        objective=learner.objective,
        features=rows.features,
        imputation=imputation,
        seed=seed,
        trained_on=TrainedOn(
            first_day=str(rows.event_day[0]),
            last_day=str(rows.event_day[-1]),
            rows=len(rows),
            label_mean=float(rows.y.mean()),
            class_rows=counts,
        ),
        fitted=fitted,
        versions=library_versions((*learner.libraries, *learner.fit_libraries)),
        requires=learner.libraries,
        members=tuple(learner.document().get("members", ())),
        classes=rows.classes,
    )


def declared_imputation(training: Training) -> dict[str, ImputationStrategy]:
    """What is declared about missing values and outliers, feature by feature; not named is what takes the median and is not clipped."""
    clipped = {
        name: Clipped(training.impute.get(name, "median"), low, high) for name, (low, high) in training.clip.items()
    }
    return {**training.impute, **clipped}


def library_versions(libraries: tuple[str, ...]) -> Mapping[str, str]:
    """Installed versions by distribution name, Python's included; "absent" for one that is not installed."""
    versions = {"python": platform.python_version()}
    for name in sorted(set(libraries)):
        versions[name] = _installed(name)
    return MappingProxyType(versions)


def _installed(name: str) -> str:
    for candidate in (name, _OTHER_NAMES.get(name, name)):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return "absent"
