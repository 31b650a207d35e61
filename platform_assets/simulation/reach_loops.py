"""The compiled loops behind `simulation/reach.py`.

Belongs here: what numba compiles, and nothing else. Does not belong here: arrays' preparation (`reach.py`). Imports numba: import this
module inside functions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types

_CALLABLE = Callable[..., Any]
_FLOAT, _INTEGER = types.float64, types.int64
_FLOATS, _INTEGERS = (types.Array(item, 1, "C", readonly=True) for item in (_FLOAT, _INTEGER))
"""Read-only: writable arrays convert to them, so that each loop is compiled once, when this module is imported."""


def compiled(*signature: Any) -> Callable[[_CALLABLE], _CALLABLE]:
    """numba's decorator; cached on disk where there is a folder for it."""

    def decorate(function: _CALLABLE) -> _CALLABLE:
        try:
            return numba.njit(*signature, cache=True, nogil=True)(function)  # type: ignore[no-any-return]
        except RuntimeError:
            return numba.njit(*signature, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate


@compiled()
def first_at_least(ys: Any, begin: int, end: int, value: float) -> int:
    """The first position of [begin, end) whose y is not below `value`; `end` when there is none."""
    while begin < end:
        middle = (begin + end) // 2
        if ys[middle] < value:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled()
def half_height(column: int, width: float, x: float, radius: float) -> float:
    """How far up and down a circle around x reaches within a strip, a little wider so that rounding leaves nobody out."""
    apart = max(column * width - x, x - (column + 1) * width, 0.0)
    return np.sqrt(max(radius * radius - apart * apart, 0.0)) + 1e-6 * radius  # type: ignore[no-any-return]


@compiled()
def nth_smallest(values: Any, count: int, place: int) -> int:
    """The value at a place, from 0, among the first `count` in order, which are moved about (Hoare's FIND, 1961).

    numba's own `np.partition` takes ten seconds to compile, this a quarter of one.
    """
    first, last = 0, count - 1
    while first < last:
        pivot, left, right = values[place], first, last
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left, right = left + 1, right - 1
        if right < place:
            first = left
        if place < left:
            last = right
    return values[place]  # type: ignore[no-any-return]


@compiled(
    types.void(_FLOATS, _FLOATS, _INTEGERS, _FLOAT, _FLOAT, _FLOAT, _FLOATS, _FLOATS, types.Array(types.int32, 2, "C"))
)
def count_within(
    xs: Any, ys: Any, starts: Any, width: float, radius: float, squared: float, from_x: Any, from_y: Any, counts: Any
) -> None:
    """How many terminals each customer reaches in each strip from the leftmost one on.

    Args:
        xs: float64 [t], terminals by strip, then y.
        ys: float64 [t].
        starts: int64 [s + 1], where each strip begins.
        width: of a strip.
        radius: of the reach.
        squared: the radius squared, as it is compared.
        from_x: float64 [c], customers.
        from_y: float64 [c].
        counts: int32 [c, n], filled.
    """
    strips = starts.shape[0] - 1
    for customer in range(from_x.shape[0]):
        x, y = from_x[customer], from_y[customer]
        leftmost = int(np.floor((x - radius) / width))
        for number in range(counts.shape[1]):
            strip, found = leftmost + number, 0
            if 0 <= strip < strips:
                height = half_height(strip, width, x, radius)
                position = first_at_least(ys, starts[strip], starts[strip + 1], y - height)
                while position < starts[strip + 1] and ys[position] <= y + height:
                    across, along = xs[position] - x, ys[position] - y
                    if across * across + along * along < squared:
                        found += 1
                    position += 1
            counts[customer, number] = found


@compiled(
    types.void(
        _FLOATS, _FLOATS, _INTEGERS, _INTEGERS, _FLOAT, _FLOAT, _FLOAT, _FLOATS, _FLOATS,
        types.Array(types.int32, 2, "C", readonly=True), _INTEGERS, _INTEGERS, _INTEGER, types.Array(_INTEGER, 1, "C"),
    )
)  # fmt: skip
def pick_within(
    xs: Any, ys: Any, ranks: Any, starts: Any, width: float, radius: float, squared: float, from_x: Any, from_y: Any,
    counts: Any, customers: Any, places: Any, longest: int, picked: Any,
) -> None:  # fmt: skip
    """The rank of the terminal that stands at a place among those of a customer, in order of x.

    Args:
        xs: as of `count_within`, as are the following up to `counts`.
        ys: float64 [t].
        ranks: int64 [t], each terminal's place in order of x.
        starts: int64 [s + 1].
        width: of a strip.
        radius: of the reach.
        squared: as it is compared.
        from_x: float64 [c].
        from_y: float64 [c].
        counts: int32 [c, n].
        customers: int64 [k], whose terminals are meant.
        places: int64 [k], from 0.
        longest: the largest of `counts`.
        picked: int64 [k], filled.
    """
    near = np.empty(longest, np.int64)
    for row in range(customers.shape[0]):
        customer, left = customers[row], places[row]
        x, y = from_x[customer], from_y[customer]
        strip, number = int(np.floor((x - radius) / width)), 0
        while left >= counts[customer, number]:
            left -= counts[customer, number]
            number += 1
        strip += number
        height, found = half_height(strip, width, x, radius), 0
        position = first_at_least(ys, starts[strip], starts[strip + 1], y - height)
        while position < starts[strip + 1] and ys[position] <= y + height:
            across, along = xs[position] - x, ys[position] - y
            if across * across + along * along < squared:
                near[found] = ranks[position]
                found += 1
            position += 1
        picked[row] = nth_smallest(near, found, left)
