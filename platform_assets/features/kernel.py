"""The window kernel: the one place where a window aggregate is computed, offline and online.

Belongs here: the compiled loop, and a view's windows as the arrays that it takes. Does not belong here: frames
(`windows.py`), the online store (`online.py`).

A window of a row at time t covers (t - delay - length, t - delay] of the entity's events, which are ordered by event
time, then primary key. Without delay the row's own event is part of it, and of the events at the same time those up to
the row itself. Values are added up oldest first, each window for itself: a running sum would be faster and would depend
on where the history begins, so that the same window gave other last digits online than offline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.spec.features import FeatureView

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]

MICROSECONDS_PER_DAY = 86_400_000_000
NO_COLUMN = -1

COUNT, SUM, MEAN, MIN, MAX = range(5)
_CODES = {"count": COUNT, "sum": SUM, "mean": MEAN, "min": MIN, "max": MAX}


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """A view's windows as arrays, one place for each feature, in the order of the view's feature names.

    Attributes:
        names: the k feature names.
        value_columns: the c columns whose values are aggregated, each once.
        lengths: int64 [k], window lengths in microseconds.
        delays: int64 [k], delays in microseconds.
        aggregates: int64 [k], codes.
        columns: int64 [k], place in `value_columns`, or NO_COLUMN where events are counted.
        empties: float64 [k], the value of an empty window; NaN stands for null.
    """

    names: tuple[str, ...]
    value_columns: tuple[str, ...]
    lengths: Int64Array
    delays: Int64Array
    aggregates: Int64Array
    columns: Int64Array
    empties: Float64Array


def plan_windows(view: FeatureView) -> WindowPlan:
    """The plan of a view's windows; without windows all its arrays are empty."""
    value_columns = tuple(dict.fromkeys(window.column for window in view.windows if window.column is not None))
    lengths, delays, aggregates, columns, empties = [], [], [], [], []
    for window in view.windows:
        empty = window.when_empty
        if empty is None:
            empty = 0.0 if window.aggregate == "count" else float("nan")
        for length_days in window.lengths_days:
            lengths.append(length_days * MICROSECONDS_PER_DAY)
            delays.append(window.delay_days * MICROSECONDS_PER_DAY)
            aggregates.append(_CODES[window.aggregate])
            columns.append(NO_COLUMN if window.column is None else value_columns.index(window.column))
            empties.append(empty)
    return WindowPlan(
        names=tuple(name for window in view.windows for name in window.feature_names),
        value_columns=value_columns,
        lengths=np.array(lengths, dtype=np.int64),
        delays=np.array(delays, dtype=np.int64),
        aggregates=np.array(aggregates, dtype=np.int64),
        columns=np.array(columns, dtype=np.int64),
        empties=np.array(empties, dtype=np.float64),
    )


def compute_windows(
    plan: WindowPlan, times: Int64Array, starts: Int64Array, values: Float64Array, first_time: int, last_time: int
) -> Float64Array:
    """All window values of the rows whose time lies in [first_time, last_time].

    Args:
        plan: k windows over c value columns.
        times: int64 [n], microseconds since 1970 UTC, ordered by entity, then time, then primary key.
        starts: int64 [m + 1], where each of the m entities begins in `times`; the last is n.
        values: float64 [c, n], NaN where a value is missing; missing values do not count.
        first_time: microseconds; earlier rows are history only.
        last_time: microseconds; later rows are left out.

    Returns:
        float64 [k, n]; NaN stands for null, and fills the columns of rows outside the time range.
    """
    out = np.full((len(plan.names), times.shape[0]), np.nan)
    compiled_kernel()(
        times,
        starts,
        values,
        plan.lengths,
        plan.delays,
        plan.aggregates,
        plan.columns,
        plan.empties,
        first_time,
        last_time,
        out,
    )
    return out


@cache
def compiled_kernel() -> Callable[..., None]:
    """The kernel as machine code; compiled once for an installation, then loaded from numba's cache on disk.

    Its one signature takes read-only arrays, which writable ones convert to: without it numba would compile again for
    every mixture of the two.
    """
    import numba
    from numba import types

    def array(item: Any, dimensions: int) -> Any:
        return types.Array(item, dimensions, "C", readonly=True)

    integers, numbers = array(types.int64, 1), array(types.float64, 1)
    signature = types.void(
        *(integers, integers, array(types.float64, 2), integers, integers, integers, integers, numbers),
        *(types.int64, types.int64, types.Array(types.float64, 2, "C")),
    )
    compiled: Callable[..., None]
    try:
        compiled = numba.njit(signature, cache=True, nogil=True)(_kernel)
    except RuntimeError:  # no folder to cache in, as in a read-only container: compile for this process alone
        compiled = numba.njit(signature, nogil=True)(_kernel)
    return compiled


def _kernel(  # one function, because numba compiles what it sees
    times: Any,
    starts: Any,
    values: Any,
    lengths: Any,
    delays: Any,
    aggregates: Any,
    columns: Any,
    empties: Any,
    first_time: int,
    last_time: int,
    out: Any,
) -> None:
    """Fill `out`; see `compute_windows`. Both bounds of a window only move forward within an entity."""
    for entity in range(starts.shape[0] - 1):
        begin, end = starts[entity], starts[entity + 1]
        for window in range(lengths.shape[0]):
            delay, aggregate, column = delays[window], aggregates[window], columns[window]
            low = high = begin
            for row in range(begin, end):
                if times[row] < first_time or times[row] > last_time:
                    continue
                newest = times[row] - delay
                oldest = newest - lengths[window]
                while low < end and times[low] <= oldest:
                    low += 1
                if delay == 0:
                    high = row + 1
                else:
                    while high < end and times[high] <= newest:
                        high += 1
                if column < 0:
                    out[window, row] = high - low if high > low else empties[window]
                    continue
                count = 0
                result = 0.0
                for event in range(low, high):
                    value = values[column, event]
                    if value != value:  # NaN: missing
                        continue
                    count += 1
                    if aggregate in (SUM, MEAN):
                        result += value
                    elif count == 1 or (aggregate == MIN and value < result) or (aggregate == MAX and value > result):
                        result = value
                if count == 0:
                    result = empties[window]
                elif aggregate == COUNT:
                    result = float(count)
                elif aggregate == MEAN:
                    result /= count
                out[window, row] = result
