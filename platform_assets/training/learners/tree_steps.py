"""A booster's trees for a few rows with numpy alone: for a process that asks a few times, and would load the compiled loops for seconds.

Belongs here: nodes as numbers, and all rows going down all trees at once, a level at each step. Does not belong here: the compiled loops,
for who asks often (`tree_loops.py`), making the arrays (`compiled_trees.py`).

Answers equal those of the compiled loops to the bit: the same comparisons and sums in single precision, in the same order, and C's own
functions for links, for numpy's exponential of single values is another one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.learners.base import Matrix

BOOSTER_NODE = np.dtype([("split", "f4"), ("feature", "i4"), ("left", "i4"), ("missing_left", "i4")])
"""`split` is a leaf's value where there is no child."""
FOREST_NODE = np.dtype([("split", "f8"), ("feature", "i4"), ("left", "i4")])
VALUE, LOGISTIC, SOFTMAX = 0, 1, 2
"""What becomes of a sum: itself, or a probability."""
LARGEST_EXPONENT, LEAST = np.float32(88.7), np.float32(1e-16)

Single = NDArray[np.float32]


def walk_booster(
    X: Matrix, nodes: NDArray[Any], trees: NDArray[np.int32], guess: Single, link: int, out: Matrix
) -> None:
    """Scores of rows, float64 [n, k] into `out`; see `tree_loops.walk_booster`."""
    leaves = _leaves(X, nodes, trees[:, 0])
    sums = np.repeat(guess[None, :], len(X), axis=0)
    for tree, column in enumerate(trees[:, 1].tolist()):
        sums[:, column] += leaves[:, tree]
    if link == LOGISTIC:
        exponents = np.minimum(-sums[:, 0], LARGEST_EXPONENT)
        one = np.float32(1.0)
        out[:, 0] = one / ((of_each("expf", exponents) + one) + LEAST)
    elif link == SOFTMAX:
        raised = of_each("expf", sums - sums.max(axis=1, keepdims=True))
        totals = np.zeros(len(X))
        for column in range(raised.shape[1]):
            totals += raised[:, column]
        out[:] = raised / totals.astype(np.float32)[:, None]
    else:
        out[:] = sums


def log_odds(probability: np.float32) -> np.float32:
    """In single precision throughout."""
    one = np.float32(1.0)
    return np.float32(-of_each("logf", np.array([one / probability - one], dtype=np.float32))[0])


def _leaves(X: Matrix, nodes: NDArray[Any], roots: NDArray[np.int32]) -> Single:
    """Value of the leaf that each row reaches in each tree, float32 [n, t]."""
    with np.errstate(over="ignore"):
        single = X.astype(np.float32)
    rows = np.arange(len(X))[:, None]
    place = np.repeat(roots[None, :].astype(np.int64), len(X), axis=0)
    left = nodes["left"][place]
    while (left >= 0).any():
        value = single[rows, nodes["feature"][place]]
        goes_left = np.where(np.isnan(value), nodes["missing_left"][place] != 0, value < nodes["split"][place])
        place = np.where(left >= 0, np.where(goes_left, left, left + 1), place)
        left = nodes["left"][place]
    reached: Single = nodes["split"][place]
    return reached


def of_each(name: str, values: Single) -> Single:
    """A function of C's mathematics library for single values, of each value."""
    function = _of_c(name)
    return np.array([function(value) for value in values.ravel().tolist()], dtype=np.float32).reshape(values.shape)


@lru_cache(maxsize=4)
def _of_c(name: str) -> Callable[[float], float]:
    function: Any = getattr(ctypes.CDLL(None), name)
    function.argtypes, function.restype = (ctypes.c_float,), ctypes.c_float
    return function  # type: ignore[no-any-return]
