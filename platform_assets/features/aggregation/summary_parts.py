"""The parts of a summary of events: a few numbers of one column's values, that can be merged.

Belongs here: parts made of values and of parts, and exact sums and products of doubles. Does not belong here: which parts an operation
needs, and its value (`aggregation/summaries.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from platform_assets.features.aggregation.aggregates import LEAST_SQUARED
from platform_assets.features.aggregation.kernel import Float64Array

LARGEST_SQUARED = 2.0**480

_SPLITTER = 134_217_729.0
_NOT_WHOLE = float("nan")

Numbers = Sequence[float]


class SummaryPart(Protocol):
    """Some numbers of a summary, of the values of one column. A run of no values has a part too."""

    @property
    def width(self) -> int:
        """How many numbers it is."""

    def of_values(self, times: Sequence[int], values: Numbers) -> Numbers:
        """Made of values that are there, in order, and their times in microseconds."""

    def merged(self, parts: Float64Array) -> Numbers:
        """Of the parts [n, width] of runs that follow one another."""


@dataclass(frozen=True)
class Present:
    """How many values there are."""

    width: int = 1

    def of_values(self, times: Sequence[int], values: Numbers) -> Numbers:
        """Their number."""
        return (float(len(values)),)

    def merged(self, parts: Float64Array) -> Numbers:
        """The numbers added up."""
        return (float(parts.sum()),)


@dataclass(frozen=True)
class ExactSum:
    """The exact sum as doubles of falling size; the first is NaN where it needs more of them."""

    width: int = 3

    def of_values(self, times: Sequence[int], values: Numbers) -> Numbers:
        """The values' sum."""
        return exact_parts(values, self.width)

    def merged(self, parts: Float64Array) -> Numbers:
        """The sum of sums."""
        return exact_parts(parts.ravel().tolist(), self.width)


SUM_WIDTH, SQUARES_WIDTH = 3, 4


@dataclass(frozen=True)
class Spread:
    """The exact sum of values and that of their squares, and whether a value is too large for them (1) or infinite (2)."""

    width: int = SUM_WIDTH + SQUARES_WIDTH + 1

    def of_values(self, times: Sequence[int], values: Numbers) -> Numbers:
        """Of values; those nearer to 0 than `LEAST_SQUARED` count as 0."""
        kept = [value for value in values if LEAST_SQUARED <= abs(value) < LARGEST_SQUARED]
        squares = [term for value in kept for term in product(value, value)]
        size = 0.0
        if len(kept) < len(values):
            size = max(
                0.0 if abs(value) < LARGEST_SQUARED else 1.0 if math.isfinite(value) else 2.0 for value in values
            )
        return self._whole(exact_parts(kept, SUM_WIDTH), exact_parts(squares, SQUARES_WIDTH), size)

    def merged(self, parts: Float64Array) -> Numbers:
        """The sums of sums."""
        sums = exact_parts(parts[:, :SUM_WIDTH].ravel().tolist(), SUM_WIDTH)
        squares = exact_parts(parts[:, SUM_WIDTH:-1].ravel().tolist(), SQUARES_WIDTH)
        return self._whole(sums, squares, float(parts[:, -1].max(initial=0.0)))

    @staticmethod
    def _whole(sums: Numbers, squares: Numbers, size: float) -> Numbers:
        first = sums[0] if squares[0] == squares[0] else _NOT_WHOLE
        return (first, *sums[1:], *squares, size)


@dataclass(frozen=True)
class Extreme:
    """The smallest (sign 1) or largest (sign -1) value; NaN where there is none."""

    sign: float
    width: int = 1

    def of_values(self, times: Sequence[int], values: Numbers) -> Numbers:
        """Of values."""
        if not values:
            return (math.nan,)
        return (min(values) if self.sign > 0 else max(values),)

    def merged(self, parts: Float64Array) -> Numbers:
        """Of extremes."""
        return self.of_values((), [value for value in parts[:, 0].tolist() if value == value])


@dataclass(frozen=True)
class Newest:
    """The newest value and its time in microseconds; NaN where there is none."""

    width: int = 2

    def of_values(self, times: Sequence[int], values: Numbers) -> Numbers:
        """Of values in order."""
        return (values[-1], float(times[-1])) if values else (math.nan, math.nan)

    def merged(self, parts: Float64Array) -> Numbers:
        """Of runs in order."""
        there = np.flatnonzero(parts[:, 1] == parts[:, 1])
        return tuple(parts[there[-1]].tolist()) if there.size else (math.nan, math.nan)


PRESENT, EXACT_SUM, SPREAD, NEWEST = Present(), ExactSum(), Spread(), Newest()
SMALLEST, LARGEST = Extreme(1.0), Extreme(-1.0)


def exact_parts(values: Numbers, width: int | None) -> list[float]:
    """The exact sum of doubles as doubles of falling size, each the rest rounded to the nearest.

    Args:
        values: what is added up.
        width: how many doubles to give, zeros at the end; None: as many as it takes.

    Returns:
        The first is NaN where the sum needs more, or is too large for a double.
    """
    rest = list(values)
    parts: list[float] = []
    try:
        while width is None or len(parts) < width:
            part = math.fsum(rest)
            if part == 0.0:
                break
            if part - part != 0.0:  # infinite: it stands for itself, nothing can be taken from it
                return [part] + [0.0] * ((width or 1) - 1)
            parts.append(part)
            rest.append(-part)
        else:
            if math.fsum(rest) != 0.0:
                parts[0] = _NOT_WHOLE
    except (OverflowError, ValueError):
        parts = [_NOT_WHOLE]
    return parts if width is None else parts + [0.0] * (width - len(parts))


def product(one: float, other: float) -> tuple[float, float]:
    """The exact product of two doubles as the nearest double and the rest (Dekker 1971)."""
    whole = one * other
    carried = _SPLITTER * one
    high = carried - (carried - one)
    carried = _SPLITTER * other
    other_high = carried - (carried - other)
    low, other_low = one - high, other - other_high
    return whole, low * other_low - (((whole - high * other_high) - low * other_high) - high * other_low)
