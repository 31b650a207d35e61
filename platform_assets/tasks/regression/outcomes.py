"""Values that outputs will turn out to be: how far off the model is where labels are known, by its inputs.

This is direct loss estimation (DLE): NannyML's documentation, "Direct Loss Estimation": a second, small model predicts the size of the
first one's error. Here it is a tree, and errors are drawn from its leaves (as quantile regression forests do, Meinshausen, 2006), so that
any metric of errors has its expected value and its spread. The tree grows on one half of the rows and its leaves hold the errors of the
other (honest trees, Athey and Imbens, 2016). It holds while the error given the inputs is what it was, which is tested once labels come
(`monitoring/estimates/belief`).

Belongs here: the model of errors, and drawing values. Does not belong here: metrics, intervals (`monitoring/estimates`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from platform_assets.tasks.metric import Counts, Matrix, Vector
from platform_assets.tasks.outcomes import OutcomeModel, Redraw, Residuals

_LEAST_LEAF, _MOST_LEAVES = 25, 40
"""Rows of a leaf, and leaves of the tree."""


@dataclass(frozen=True, eq=False)
class ModelledErrors:
    """Errors by leaf of a tree.

    Attributes:
        tree: puts inputs into leaves.
        row: int64 [m], rows of the fit that fill the leaves.
        leaf: int64 [m], rising, the leaf of each of them.
        error: float64 [m], label less prediction.
        first: int64 [leaves], where the errors of a leaf begin.
        count: int64 [leaves], how many there are; a leaf without any has all.
    """

    tree: Any
    row: Counts
    leaf: Counts
    error: Vector
    first: Counts
    count: Counts

    def draw(self, prediction: Vector, X: Matrix, random: np.random.Generator) -> Vector:
        """Predictions with errors of rows like them."""
        leaf = self._leaves(prediction, X)
        place = self.first[leaf] + (random.random(len(prediction)) * self.count[leaf]).astype(np.int64)
        return np.asarray(prediction + self.error[place], dtype=np.float64)

    def residuals(self, y: Vector, prediction: Vector, X: Matrix) -> Residuals:
        """Errors with and without sign, less the mean of their leaf."""
        leaf, error = self._leaves(prediction, X), y - prediction
        both, known = np.column_stack([error, np.abs(error)]), np.column_stack([self.error, np.abs(self.error)])
        means, variances = np.empty((len(self.count), 2)), np.empty((len(self.count), 2))
        for one, (first, count) in enumerate(zip(self.first, self.count, strict=True)):
            means[one], variances[one] = (
                known[first : first + count].mean(axis=0),
                known[first : first + count].var(axis=0),
            )
        # In shares of the usual variance: what is left over is compared over bins of rows, whatever the label's unit.
        usual = np.maximum(known.var(axis=0), 1e-300)
        return Residuals(
            (both - means[leaf]) / np.sqrt(usual), variances[leaf] / usual, np.column_stack([prediction] * 2)
        )

    def uncertainty(self, cluster: Counts) -> Redraw:
        """Clusters of the rows drawn again, each as often as Poisson's distribution of mean 1 has it."""
        clusters = int(cluster.max()) + 1

        def again(random: np.random.Generator) -> OutcomeModel:
            times = random.poisson(1.0, clusters)[cluster[self.row]]
            times = np.where(np.bincount(self.leaf, times, len(self.count))[self.leaf] == 0, 1, times)
            return _filled(self, np.repeat(self.row, times), np.repeat(self.leaf, times), np.repeat(self.error, times))

        return again

    def _leaves(self, prediction: Vector, X: Matrix) -> Counts:
        return np.asarray(self.tree.apply(_inputs(prediction, X)), dtype=np.int64)


def model_errors(y: Vector, prediction: Vector, X: Matrix) -> ModelledErrors:
    """Fit errors by inputs.

    Args:
        y: float64 [n], known labels.
        prediction: float64 [n].
        X: float64 [n, f], the model's inputs; NaN is missing.
    """
    from sklearn.tree import DecisionTreeRegressor

    inputs, error = _inputs(prediction, X), y - prediction
    grows = np.random.default_rng(0).random(len(y)) < 0.5
    tree = DecisionTreeRegressor(min_samples_leaf=max(_LEAST_LEAF, len(y) // (2 * _MOST_LEAVES)), random_state=0)
    tree.fit(inputs[grows], np.abs(error[grows]))
    row, leaf = np.flatnonzero(~grows), np.asarray(tree.apply(inputs[~grows]), dtype=np.int64)
    order = np.argsort(leaf, kind="stable")
    empty = np.zeros(tree.tree_.node_count, dtype=np.int64)
    model = ModelledErrors(tree, row, leaf, error, empty, empty)
    return _filled(model, row[order], leaf[order], error[row[order]])


def _filled(model: ModelledErrors, row: Counts, leaf: Counts, error: Vector) -> ModelledErrors:
    """The model with these rows in its leaves, which are in order."""
    count = np.bincount(leaf, minlength=len(model.count))
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    without = count == 0
    first, count = np.where(without, 0, first), np.where(without, len(error), count)
    return replace(model, row=row, leaf=leaf, error=error, first=first, count=count)


def _inputs(prediction: Vector, X: Matrix) -> Matrix:
    return np.column_stack([prediction, X])
