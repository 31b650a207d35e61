"""How uncertain a share or a mean is.

Belongs here: intervals in closed form. Does not belong here: intervals of metrics (`monitoring/intervals`), bounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_SCORE = 1.6448536269514722
"""95 % quantile of the standard normal distribution: the two-sided 90 % interval."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 90 % interval, ends included."""

    low: float
    high: float


def ratio_interval(successes: int, rows: int) -> Interval:
    """Wilson's score interval of a share (Wilson, 1927); also right when none or all succeed.

    Args:
        successes: how many rows count.
        rows: of how many, at least 1.
    """
    share, square = successes / rows, Z_SCORE**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = Z_SCORE * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2)) / (1 + square / rows)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Normal interval of a mean.

    Args:
        values: shape (n,), n at least 2.
    """
    half = Z_SCORE * float(values.std(ddof=1)) / math.sqrt(values.size)
    return Interval(float(values.mean()) - half, float(values.mean()) + half)
