"""Samples of rows that keep every kind of label.

Belongs here: which rows of many are looked at where all would take too long. Does not belong here: what they are looked at for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def with_rare_rows(y: NDArray[np.float64], rare: Indices, most: int, rng: np.random.Generator) -> Indices:
    """Rows of a sample: all rare ones where they are fewer than half of it, else of every label about its share.

    Args:
        y: float64 [n], labels.
        rare: rows that no sample may be without, in order.
        most: rows of the sample.
        rng: decides which of the others.

    Returns:
        Indices in order; all rows where there are no more than `most`.
    """
    if len(y) <= most:
        return np.arange(len(y))
    if len(rare) > most // 2:
        return stratified(y, most, rng)
    others = np.setdiff1d(np.arange(len(y)), rare)
    return np.sort(np.concatenate([rare, rng.permutation(others)[: most - len(rare)]]))


def stratified(y: NDArray[np.float64], most: int, rng: np.random.Generator) -> Indices:
    """Rows of every label in its share, and at least one of each, in order; for labels of few values."""
    values, counts = np.unique(y, return_counts=True)
    wanted = np.maximum(1, np.floor(counts * min(1.0, most / len(y))).astype(np.int64))
    chosen = [rng.permutation(np.flatnonzero(y == value))[:count] for value, count in zip(values, wanted, strict=True)]
    return np.sort(np.concatenate(chosen))
