"""Exact Shapley values of trees, in double precision.

Belongs here: the values of sums of trees for one row. Does not belong here: reading trees out of models (`trees.py`), predicting with them
(`compiled_trees.py`).

A feature that is left out sends a row down both ways of a test, by the share of training rows that went there: path-dependent TreeSHAP
(Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020). So each leaf is a game whose worth
is a product over the features on its path, and its Shapley value an integral of a polynomial (Owen, Multilinear Extensions of Games,
1972), which Gauss-Legendre quadrature of enough nodes gives without error. xgboost's own values come in single precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.learners.base import Vector
from platform_assets.training.learners.trees import Tree

METHOD = "TreeSHAP, path-dependent (Lundberg et al. 2020), exact in double precision"
LEAVES_AT_ONCE = 20_000
_Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TreeValues:
    """What a sum of trees makes of a row.

    Attributes:
        base: the sum over all leaves, each by the share of training rows that reach it.
        contributions: float64 [f].
        reached: value of the leaf that the row reaches, by tree.
    """

    base: float
    contributions: Vector
    reached: Vector


def tree_values(
    trees: Sequence[Tree], covers: Sequence[Vector], goes_left: Sequence[_Bools], features: int
) -> TreeValues:
    """Shapley values of a row in a sum of trees.

    Args:
        trees: the trees.
        covers: float64 [nodes] of each tree, weight of the training rows that came to a node.
        goes_left: bool [nodes] of each tree, whether the row takes the left way at a node.
        features: how many inputs the model has.
    """
    base, reached = 0.0, np.empty(len(trees))
    contributions = np.zeros(features)
    for place, (tree, cover, left) in enumerate(zip(trees, covers, goes_left, strict=True)):
        leaves = _leaves(tree, cover, left)
        reached[place] = leaves.value[leaves.one.all(axis=1)][0]
        base += float((leaves.value * leaves.zero.prod(axis=1)).sum())
        for begin in range(0, len(leaves.value), LEAVES_AT_ONCE):
            contributions += _shapley(leaves.part(begin, begin + LEAVES_AT_ONCE), features)
    return TreeValues(base, contributions, reached)


@dataclass(frozen=True, eq=False)
class _Leaves:
    """The leaves of a tree, each with the D features on its way; places that are not needed have feature 0, share 1, and hold.

    Attributes:
        value: float64 [l].
        feature: int64 [l, D].
        zero: float64 [l, D], share of the training rows that take the way where the feature is tested.
        one: bool [l, D], whether the row passes all tests of the feature.
    """

    value: Vector
    feature: NDArray[np.int64]
    zero: Vector
    one: _Bools

    def part(self, begin: int, end: int) -> _Leaves:
        return _Leaves(self.value[begin:end], self.feature[begin:end], self.zero[begin:end], self.one[begin:end])


def _leaves(tree: Tree, cover: Vector, left: _Bools) -> _Leaves:
    """Walk a tree once, with what is known of each feature on the way."""
    rows: list[tuple[float, dict[int, tuple[float, bool]]]] = []
    open_nodes: list[tuple[int, dict[int, tuple[float, bool]]]] = [(0, {})]
    while open_nodes:
        node, way = open_nodes.pop()
        if tree.left[node] < 0:
            rows.append((float(tree.value[node]), way))
            continue
        name = int(tree.feature[node])
        share, holds = way.get(name, (1.0, True))
        for child, taken in ((int(tree.left[node]), bool(left[node])), (int(tree.right[node]), not left[node])):
            part = float(cover[child] / cover[node]) if cover[node] > 0 else 0.5
            open_nodes.append((child, {**way, name: (share * part, holds and taken)}))
    depth = max(1, max(len(way) for _, way in rows))
    feature = np.zeros((len(rows), depth), dtype=np.int64)
    zero, one = np.ones((len(rows), depth)), np.ones((len(rows), depth), dtype=np.bool_)
    for row, (_, way) in enumerate(rows):
        for column, (name, (share, holds)) in enumerate(way.items()):
            feature[row, column], zero[row, column], one[row, column] = name, share, holds
    return _Leaves(np.array([value for value, _ in rows]), feature, zero, one)


def _shapley(leaves: _Leaves, features: int) -> Vector:
    """The sum of the leaves' Shapley values, by feature.

    A feature's value is (one - zero) times the integral over t of the product of `one t + zero (1 - t)` over the others: a polynomial of
    degree D - 1. Features that pass with share 1 change nothing.
    """
    depth = leaves.zero.shape[1]
    nodes, weights = np.polynomial.legendre.leggauss((depth + 1) // 2)
    at, weights = (nodes + 1.0) / 2.0, weights / 2.0
    one, zero = leaves.one[:, :, None].astype(np.float64), leaves.zero[:, :, None]
    factor = one * at + zero * (1.0 - at)
    before, after = np.ones_like(factor), np.ones_like(factor)
    np.cumprod(factor[:, :-1], axis=1, out=before[:, 1:])
    np.cumprod(factor[:, :0:-1], axis=1, out=after[:, -2::-1])
    values = ((before * after) @ weights) * (leaves.one - leaves.zero) * leaves.value[:, None]
    summed = np.bincount(leaves.feature.ravel(), weights=values.ravel(), minlength=features)
    return np.asarray(summed, dtype=np.float64)
