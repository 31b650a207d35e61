"""Random forest for classes or a value.

Belongs here: fitting with scikit-learn, and the flat copy of its trees that makes a single row cheap. Does not belong here: boosting.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.learners.base import Days, LearnerKind, Matrix, Objective, Setting, Vector, constraints
from platform_assets.training.learners.scikit import read_estimator, write_estimator

_FILE = "estimator.skops"
_FEW_ROWS = 8


class ForestModel:
    """A fitted forest; a few rows go through flat arrays (all trees at once), many through scikit-learn, with the same result.

    scikit-learn adds the trees up one after the other when it uses one thread, so that is what both ways do: with more threads
    the order of additions, and with it the last digit, would change from call to call.

    Attributes:
        estimator: scikit-learn's own.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        estimator.n_jobs = 1
        trees = [tree.tree_ for tree in estimator.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        self._roots: NDArray[np.intp] = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.intp)
        offset = np.repeat(self._roots, sizes)
        left = np.concatenate([tree.children_left for tree in trees])
        right = np.concatenate([tree.children_right for tree in trees])
        leaf = left < 0
        own = np.arange(len(left), dtype=np.intp)
        # A leaf points at itself with a test that always holds, so that every tree can take the same number of steps.
        self._children: NDArray[np.intp] = np.column_stack(
            (np.where(leaf, own, left + offset), np.where(leaf, own, right + offset))
        ).ravel()
        self._feature: NDArray[np.intp] = np.where(leaf, 0, np.concatenate([t.feature for t in trees])).astype(np.intp)
        self._threshold: Vector = np.where(leaf, np.inf, np.concatenate([tree.threshold for tree in trees]))
        self._many = hasattr(estimator, "classes_") and len(estimator.classes_) > 2
        self._value: Vector = np.concatenate(
            [tree.value[:, 0] if self._many else tree.value[:, 0, -1] for tree in trees]
        )
        self._steps = max(int(tree.max_depth) for tree in trees)
        self._is_probability = hasattr(estimator, "classes_")

    def predict(self, X: Matrix) -> Vector:
        """Mean over the trees: probability of the positive class or of each class, or the value."""
        if len(X) <= _FEW_ROWS:
            rows = X.astype(np.float32)
            return np.array([self._predict_row(row) for row in rows], dtype=np.float64)
        if self._many:
            return np.ascontiguousarray(self.estimator.predict_proba(X), dtype=np.float64)
        if self._is_probability:
            return np.ascontiguousarray(self.estimator.predict_proba(X)[:, 1], dtype=np.float64)
        return np.asarray(self.estimator.predict(X), dtype=np.float64)

    def _predict_row(self, row: NDArray[np.float32]) -> Any:
        """One row through every tree; float32 values against float64 thresholds, as scikit-learn compares them."""
        node = self._roots
        for _ in range(self._steps):
            node = self._children[2 * node + (row[self._feature[node]] > self._threshold[node])]
        return np.cumsum(self._value[node], axis=0)[-1] / len(self._roots)

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
