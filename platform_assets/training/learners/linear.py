"""Linear models: logistic regression for classes, ridge regression for a value, standardised inside.

Belongs here: fitting with scikit-learn and predicting with numpy from the fitted coefficients. Does not belong here: other models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.tasks.multiclass.probabilities import softmax
from platform_assets.training.learners.additive import OUTPUT, AdditiveAnswer
from platform_assets.training.learners.base import Days, LearnerKind, Matrix, Objective, Setting, Vector
from platform_assets.training.learners.categories import Categories, fit_categories, read_categories
from platform_assets.training.learners.scikit import read_estimator, write_estimator

_FILE, _CATEGORIES = "estimator.skops", "categories.json"
_PLACES = Setting((), "Places of inputs that are codes, from 0.", least=0)


class LinearModel:
    """A fitted pipeline of scaler and linear estimator, predicting straight from its numbers.

    One row costs microseconds this way, and a row gets the same bits whether it is predicted alone or among others.

    Attributes:
        pipeline: scikit-learn's scaler and estimator.
        categories: which inputs are codes.
    """

    def __init__(self, pipeline: Any, categories: Categories) -> None:
        self.pipeline, self.categories = pipeline, categories
        scaler, estimator = pipeline.steps[0][1], pipeline.steps[-1][1]
        self._mean: Vector = scaler.mean_
        self._scale: Vector = scaler.scale_
        self._coefficients: Vector = np.ravel(estimator.coef_)
        self._intercept = float(np.ravel(estimator.intercept_)[0])
        self._by_class: Matrix | None = np.atleast_2d(estimator.coef_) if np.size(estimator.intercept_) > 1 else None
        self._intercepts: Vector = np.ravel(estimator.intercept_)
        self._is_probability = hasattr(estimator, "classes_")

    def predict(self, X: Matrix) -> Vector:
        """Probability of the positive class or of each class, or the value."""
        X = self.categories.spread(X)
        if self._by_class is not None:
            scaled = (X - self._mean) / self._scale
            scores = [(scaled * weights).sum(axis=1) for weights in self._by_class]
            return softmax(np.column_stack(scores) + self._intercepts)
        linear: Vector = ((X - self._mean) / self._scale * self._coefficients).sum(axis=1) + self._intercept
        if not self._is_probability:
            return linear
        return sigmoid(linear)

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """The terms of the linear sum, of a code those of all its indicators; the base is the mean training row's."""
        wide = self.categories.spread(row.reshape(1, -1))
        weights = self._coefficients if self._by_class is None else self._by_class[output]
        intercept = self._intercept if self._by_class is None else float(self._intercepts[output])
        terms = ((wide - self._mean) / self._scale * weights)[0]
        contributions = np.bincount(self.categories.inputs_of(len(row)), weights=terms, minlength=len(row))
        total = float(terms.sum() + intercept)
        return AdditiveAnswer(
            method="terms of the linear model, against the mean training row: exact",
            exact=True,
            space=OUTPUT
            if not self._is_probability
            else "log-odds"
            if self._by_class is None
            else "score of the class",
            base=intercept,
            contributions=np.asarray(contributions, dtype=np.float64),
            rounding=math.fsum([total, -intercept, *(-contributions).tolist()]),
            total=total,
            onward=""
            if not self._is_probability
            else "sigmoid"
            if self._by_class is None
            else "softmax over the classes",
        )

    def save(self, folder: Path) -> tuple[str, ...]:
        """The pipeline through skops, and the categories as JSON where there are any."""
        write_estimator(self.pipeline, folder / _FILE)
        if not self.categories.columns:
            return (_FILE,)
        text = json.dumps(self.categories.document(), sort_keys=True) + "\n"
        (folder / _CATEGORIES).write_text(text, encoding="utf-8")
        return (_FILE, _CATEGORIES)


def sigmoid(value: Vector) -> Vector:
    """1 / (1 + exp(-value)) without overflow."""
    small = np.exp(-np.abs(value))
    return np.asarray(np.where(value >= 0, 1.0, small) / (1.0 + small), dtype=np.float64)


def fit_logistic(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> LinearModel:
    """Logistic regression with an L2 penalty, on standardised inputs; of more than two classes the multinomial one."""
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression(
        C=settings["C"],
        class_weight="balanced" if settings["class_weight"] == "balanced" else None,
        max_iter=settings["max_iter"],
        random_state=seed,
    )
    return _fit(estimator, X, y.astype(np.int64), settings["categories"])


def fit_ridge(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> LinearModel:
    """Least squares with an L2 penalty, on standardised inputs."""
    from sklearn.linear_model import Ridge

    return _fit(Ridge(alpha=settings["alpha"], random_state=seed), X, y, settings["categories"])


def _fit(estimator: Any, X: Matrix, y: Any, columns: tuple[int, ...]) -> LinearModel:
    """Fit with one BLAS thread: the order of additions, and with it the last digit, must not depend on the machine's cores."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    categories = fit_categories(X, columns)
    with threadpool_limits(limits=1):
        return LinearModel(make_pipeline(StandardScaler(), estimator).fit(categories.spread(X), y), categories)


def load(folder: Path) -> LinearModel:
    """Read back what `LinearModel.save` wrote."""
    stored = folder / _CATEGORIES
    document = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {"columns": [], "values": []}
    return LinearModel(read_estimator(folder / _FILE), read_categories(document))


LOGISTIC_REGRESSION = LearnerKind(
    name="logistic_regression",
    description="Logistic regression with an L2 penalty on standardised inputs.",
    settings=MappingProxyType(
        {
            "C": Setting(1.0, "Inverse strength of the L2 penalty.", least=1e-6),
            "class_weight": Setting("none", "Weigh both classes alike, or not.", choices=("none", "balanced")),
            "max_iter": Setting(1000, "Most iterations of the solver.", least=1),
            "categories": _PLACES,
        }
    ),
    fit=fit_logistic,
    load=load,
    libraries=("numpy", "scikit-learn", "skops"),
    objectives=("binary", "multiclass"),
)
RIDGE = LearnerKind(
    name="ridge",
    description="Least squares with an L2 penalty on standardised inputs.",
    settings=MappingProxyType({"alpha": Setting(1.0, "Strength of the L2 penalty.", least=0.0), "categories": _PLACES}),
    fit=fit_ridge,
    load=load,
    libraries=("numpy", "scikit-learn", "skops"),
    objectives=("regression",),
)
