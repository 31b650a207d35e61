"""Any scikit-learn estimator by its dotted name, with the preprocessing that it needs.

Belongs here: building it from its name and parameters, fitting, predicting, and storing it through skops. Does not belong here: the
estimators that have a kind of their own because they serve a row faster.

Only scikit-learn's own classes: they are what can be written down without pickle and read back without running anybody's code.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.training.learners.base import (
    Days,
    LearnerKind,
    LearnerSettingsError,
    Matrix,
    Objective,
    Setting,
    SettingValue,
    TrainingError,
    Vector,
)
from platform_assets.training.learners.categories import Categories, fit_categories, read_categories
from platform_assets.training.learners.scikit import UnsavableError, read_estimator, require_savable, write_estimator

_FILE, _INPUTS = "estimator.skops", "inputs.json"
_FEW_LABELS = MappingProxyType(
    {"binary": np.arange(40) % 2, "multiclass": np.arange(40) % 3, "regression": np.arange(40.0)}
)
_OWN = ("estimator", "scale", "categories", "monotone")
"""Settings that are ours; all others are the estimator's parameters."""


class EstimatorModel:
    """A fitted estimator behind its scaling and categories; it predicts with one thread."""

    def __init__(self, estimator: Any, categories: Categories, mean: Vector, scale: Vector) -> None:
        self._estimator, self._categories, self._mean, self._scale = estimator, categories, mean, scale
        if "n_jobs" in estimator.get_params(deep=False):
            estimator.set_params(n_jobs=1)

    def predict(self, X: Matrix) -> Vector:
        """Probability of the positive class or of each class, or the value."""
        inputs = (self._categories.spread(X) - self._mean) / self._scale
        if len(getattr(self._estimator, "classes_", ())) > 2:
            return np.ascontiguousarray(self._estimator.predict_proba(inputs), dtype=np.float64)
        if hasattr(self._estimator, "classes_"):
            return np.ascontiguousarray(self._estimator.predict_proba(inputs)[:, 1], dtype=np.float64)
        return np.asarray(self._estimator.predict(inputs), dtype=np.float64).reshape(len(X))

    def save(self, folder: Path) -> tuple[str, ...]:
        """The estimator through skops, its inputs as JSON.

        Raises:
            UnsavableError: it holds something that skops cannot write without pickle.
        """
        write_estimator(self._estimator, folder / _FILE)
        inputs = {
            "categories": self._categories.document(),
            "mean": self._mean.tolist(),
            "scale": self._scale.tolist(),
        }
        (folder / _INPUTS).write_text(json.dumps(inputs, sort_keys=True) + "\n", encoding="utf-8")
        return (_FILE, _INPUTS)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> EstimatorModel:
    """Fit with one BLAS thread: the last digit must not depend on the machine's cores.

    Raises:
        TrainingError: the estimator cannot be fitted on these rows, or cannot be written down afterwards.
    """
    from threadpoolctl import threadpool_limits

    categories = fit_categories(X, settings["categories"])
    inputs = categories.spread(X)
    mean, scale = np.zeros(inputs.shape[1]), np.ones(inputs.shape[1])
    if settings["scale"]:
        mean, spread = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(spread > 0.0, spread, 1.0)
    estimator = build(objective, settings)
    known = estimator.get_params(deep=False)
    if "random_state" in known and "random_state" not in settings:
        estimator.set_params(random_state=seed)
    target = y if objective == "regression" else y.astype(np.int64)
    try:
        with threadpool_limits(limits=1):
            estimator.fit((inputs - mean) / scale, target)
    except Exception as error:
        raise TrainingError(f"{settings['estimator']} cannot be fitted on {len(X)} rows: {error}") from error
    return EstimatorModel(estimator, categories, mean, scale)


def build(objective: Objective, settings: Mapping[str, Any]) -> Any:
    """The estimator that the settings name, not fitted.

    Raises:
        LearnerSettingsError: there is no such class, it does not fit the task, or it does not take a parameter.
    """
    name = settings["estimator"]
    parameters = {key: value for key, value in settings.items() if key not in _OWN}
    if any(settings["monotone"]):
        parameters["monotonic_cst"] = list(settings["monotone"])
    try:
        return _class(name)(**{key: list(v) if isinstance(v, tuple) else v for key, v in parameters.items()})
    except TypeError as error:
        raise LearnerSettingsError(f"learner 'estimator': {name} does not take these parameters: {error}") from error


def check(objective: Objective, settings: Mapping[str, SettingValue]) -> None:
    """Refuse an estimator that does not exist or cannot do the task, before anything is fitted."""
    estimator = build(objective, settings)
    needed = "predict" if objective == "regression" else "predict_proba"
    if not hasattr(estimator, needed) or not hasattr(estimator, "fit"):
        raise LearnerSettingsError(
            f"learner 'estimator': {settings['estimator']} has no {needed}, which a {objective} task needs"
            + ("; for some, `probability: true` among the settings adds it" if needed == "predict_proba" else "")
        )
    problem = _unsavable(str(settings["estimator"]), objective)
    if problem is not None:
        raise LearnerSettingsError(
            f"learner 'estimator': {problem}; choose another, a model is never saved with pickle"
        )


@cache
def _unsavable(name: str, objective: Objective) -> str | None:
    """Why a class cannot be saved, from one fitted on a few rows; None when it can, or does not take such rows."""
    few = np.column_stack([np.arange(40.0), np.arange(40.0) % 7.0])
    estimator = _class(name)()
    if "n_estimators" in estimator.get_params(deep=False):
        estimator.set_params(n_estimators=2)
    try:
        estimator.fit(few, _FEW_LABELS[objective])
    except (ValueError, TypeError):
        return None  # it will say so on the real rows
    try:
        require_savable(estimator)
    except UnsavableError as error:
        return str(error)
    return None


def _class(name: Any) -> Any:
    """The class of that dotted name.

    Raises:
        LearnerSettingsError: it is none of scikit-learn's, or does not exist.
    """
    module, _, attribute = str(name).rpartition(".")
    if not module.startswith("sklearn."):
        raise LearnerSettingsError(
            f"learner 'estimator': {name!r} is not one of scikit-learn's; only these can be saved without pickle. Write it in full, for "
            "example sklearn.ensemble.HistGradientBoostingClassifier"
        )
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise LearnerSettingsError(f"learner 'estimator': {name} does not exist ({error})") from error
    if not isinstance(target, type):
        raise LearnerSettingsError(f"learner 'estimator': {name} is not a class")
    return target


def load(folder: Path) -> EstimatorModel:
    """Read back what `EstimatorModel.save` wrote."""
    inputs = json.loads((folder / _INPUTS).read_text(encoding="utf-8"))
    mean, scale = (np.array(inputs[name], dtype=np.float64) for name in ("mean", "scale"))
    return EstimatorModel(
        read_estimator(folder / _FILE, any_of_the_library=True), read_categories(inputs["categories"]), mean, scale
    )


KIND = LearnerKind(
    name="estimator",
    description="Any scikit-learn estimator by its dotted name; settings beyond those listed are its parameters.",
    settings=MappingProxyType(
        {
            "estimator": Setting("", "Dotted name of the class."),
            "scale": Setting(False, "Bring inputs to mean 0 and standard deviation 1."),
            "categories": Setting((), "Places of inputs that are codes, from 0.", least=0),
            "monotone": Setting((), "By input: 1 rises with it, -1 falls, 0 either.", least=-1, most=1),
        }
    ),
    fit=fit,
    load=load,
    libraries=("numpy", "scikit-learn", "skops"),
    open_settings=True,
    check=check,
)
