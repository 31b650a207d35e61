"""Decision trees walked by machine code.

Belongs here: what numba compiles, and nothing else. Does not belong here: making the arrays, and holding the result against the library's
(`compiled_trees.py`), nodes (`tree_steps.py`). Imports numba: import this module inside functions only.

A tree's nodes lie one after the other and both children of a node side by side, so that a node is sixteen bytes and names its left child
only; a leaf names none. Comparisons and sums have the libraries' own types and order: scikit-learn compares single values with double
thresholds and adds in double precision, xgboost does both in single precision, beginning with its first guess.
"""

from __future__ import annotations

import math

from numba import from_dtype, types

from platform_assets.features.aggregation.numba_functions import compiled, read_only, read_only_table
from platform_assets.training.learners.tree_steps import (
    BOOSTER_NODE,
    FOREST_NODE,
    LARGEST_EXPONENT,
    LEAST,
    LOGISTIC,
    SOFTMAX,
)

_ROWS, _PLACES, _RESULT = read_only_table(types.float64), read_only(types.int32), types.Array(types.float64, 2, "C")
_SINGLE = types.float32


@compiled(
    types.void(
        _ROWS,
        read_only(from_dtype(BOOSTER_NODE)),
        read_only_table(types.int32),
        read_only(_SINGLE),
        types.int64,
        _RESULT,
    )
)
def walk_booster(X, nodes, trees, first_guess, link, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Scores of rows, float64 [n, k] into `out`: `trees` int32 [t, 2] are roots and columns of the sum, in order."""
    width = out.shape[1]
    sums = first_guess.copy()
    for row in range(X.shape[0]):
        for column in range(width):
            sums[column] = first_guess[column]
        for tree in range(trees.shape[0]):
            node = trees[tree, 0]
            left = nodes[node].left
            while left >= 0:
                value = _SINGLE(X[row, nodes[node].feature])
                goes_left = nodes[node].missing_left != 0 if value != value else value < nodes[node].split
                node = left if goes_left else left + 1
                left = nodes[node].left
            sums[trees[tree, 1]] = _SINGLE(sums[trees[tree, 1]] + nodes[node].split)
        if link == LOGISTIC:
            exponent = min(_SINGLE(-sums[0]), LARGEST_EXPONENT)
            out[row, 0] = _SINGLE(1.0) / (_SINGLE(_SINGLE(math.exp(exponent)) + _SINGLE(1.0)) + LEAST)
        elif link == SOFTMAX:
            most = sums[0]
            for column in range(1, width):
                most = max(most, sums[column])
            total = 0.0
            for column in range(width):
                sums[column] = math.exp(_SINGLE(sums[column] - most))
                total += sums[column]
            for column in range(width):
                out[row, column] = _SINGLE(sums[column] / _SINGLE(total))
        else:
            for column in range(width):
                out[row, column] = sums[column]


@compiled(_SINGLE(_SINGLE))
def log_odds(probability):  # type: ignore[no-untyped-def]  # pragma: no cover
    """In single precision throughout; numpy's logarithm of single values is another one than C's."""
    return -math.log(_SINGLE(_SINGLE(1.0) / probability - _SINGLE(1.0)))


@compiled(types.void(_ROWS, read_only(from_dtype(FOREST_NODE)), _PLACES, read_only_table(types.float64), _RESULT))
def walk_forest(X, nodes, roots, values, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Means over the trees, float64 [n, k] into `out`: `values` float64 [nodes, k] are the leaves'."""
    width = out.shape[1]
    for row in range(X.shape[0]):
        for column in range(width):
            out[row, column] = 0.0
        for tree in range(roots.shape[0]):
            node = roots[tree]
            left = nodes[node].left
            while left >= 0:
                node = left if _SINGLE(X[row, nodes[node].feature]) <= nodes[node].split else left + 1
                left = nodes[node].left
            for column in range(width):
                out[row, column] += values[node, column]
        for column in range(width):
            out[row, column] /= roots.shape[0]
