"""Random forest for classes or a value.

Belongs here: fitting with scikit-learn, predicting and storing. Does not belong here: boosting, how a few rows are predicted
(`compiled_trees.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.training.learners.additive import AdditiveAnswer
from platform_assets.training.learners.base import Days, LearnerKind, Matrix, Objective, Setting, Vector, constraints
from platform_assets.training.learners.compiled_trees import FewRows, compiled_forest
from platform_assets.training.learners.scikit import read_estimator, write_estimator

_FILE = "estimator.skops"


class ForestModel:
    """A fitted forest; a few rows go through its trees compiled, many through scikit-learn, with the same result.

    scikit-learn adds the trees up one after the other when it uses one thread, so that is what both ways do: with more threads
    the order of additions, and with it the last digit, would change from call to call.

    Attributes:
        estimator: scikit-learn's own.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        estimator.n_jobs = 1
        self._few_rows = FewRows(lambda: compiled_forest(estimator), self._by_library, "scikit-learn")

    def answer_a_few(self) -> None:
        """Answer few rows by scikit-learn, which is loaded anyway, without compiled loops, which are not worth their loading."""
        self._few_rows.believe(None)

    def predict(self, X: Matrix) -> Vector:
        """Mean over the trees: probability of the positive class or of each class, or the value."""
        return self._few_rows.predict(X)

    def _by_library(self, X: Matrix) -> Vector:
        estimator = self.estimator
        if not hasattr(estimator, "classes_"):
            return np.asarray(estimator.predict(X), dtype=np.float64)
        probability = estimator.predict_proba(X)
        return np.ascontiguousarray(
            probability if len(estimator.classes_) > 2 else probability[:, -1], dtype=np.float64
        )

    def additive(self, row: Vector, output: int) -> AdditiveAnswer | None:
        """Shapley values of the trees' leaves; their mean is the output."""
        from platform_assets.training.learners.tree_sums import forest_answer

        return forest_answer(self.estimator, row, output)

    def save(self, folder: Path) -> tuple[str, ...]:
        """The forest through skops."""
        write_estimator(self.estimator, folder / _FILE)
        return (_FILE,)


def fit(
    X: Matrix, y: Vector, event_day: Days | None, objective: Objective, settings: Mapping[str, Any], seed: int
) -> ForestModel:
    """Grow the forest; every tree has a seed of its own, so the number of threads does not change it."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    common: dict[str, Any] = {
        "n_estimators": settings["n_estimators"],
        "max_depth": settings["max_depth"],
        "min_samples_leaf": settings["min_samples_leaf"],
        "max_samples": settings["max_samples"] if settings["max_samples"] < 1.0 else None,
        "max_features": settings["max_features"],
        "random_state": seed,
        "n_jobs": settings["threads"],
        "monotonic_cst": constraints(settings["monotone"], X.shape[1]) if any(settings["monotone"]) else None,
    }
    if objective != "regression":
        common["class_weight"] = "balanced" if settings["class_weight"] == "balanced" else None
        return ForestModel(RandomForestClassifier(**common).fit(X, y.astype(np.int64)))
    return ForestModel(RandomForestRegressor(**common).fit(X, y))


def load(folder: Path) -> ForestModel:
    """Read back what `ForestModel.save` wrote."""
    return ForestModel(read_estimator(folder / _FILE))


KIND = LearnerKind(
    name="random_forest",
    description="Random forest of classification or regression trees.",
    settings=MappingProxyType(
        {
            "n_estimators": Setting(50, "Number of trees.", least=1, most=5000),
            "max_depth": Setting(12, "Greatest depth of a tree; null for no limit.", least=1, optional=True),
            "min_samples_leaf": Setting(2, "Fewest training rows in a leaf.", least=1),
            "max_samples": Setting(0.3, "Share of the training rows drawn for each tree.", least=0.001, most=1.0),
            "max_features": Setting("sqrt", "How many features a split chooses from.", choices=("sqrt", "log2")),
            "class_weight": Setting("none", "Weigh both classes alike, or not.", choices=("none", "balanced")),
            "monotone": Setting((), "By input: 1 rises with it, -1 falls, 0 either.", least=-1, most=1),
            "threads": Setting(2, "Threads to fit with; the result does not depend on it.", least=1, most=256),
        }
    ),
    fit=fit,
    load=load,
    libraries=("numpy", "scikit-learn", "skops"),
)
