"""The window kernel: the one place where a window aggregate is computed, offline and online.

Belongs here: a view's windows as the arrays that the compiled loops take, and the call. Does not belong here: frames
(`offline/feature_table.py`), the loops (`aggregation/compiled_loops.py`), the online store (`online/request_features.py`).

A window of a row at time t covers (t - delay - length, t - delay] of the entity's events, which are ordered by event
time, then primary key. Without delay the row's own event is part of it (where the window does not leave it out), and of
the events at the same time those before the row. A window with the resolution of a day ends with the last instant of a day (of UTC, or
of the zone of the plan), `delay` days before that of the row. What a window gives depends on its events alone, to the bit: sums are
exact and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.declaration.aggregates import AGGREGATES, Aggregate
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.time_zones import MICROSECONDS_PER_DAY as MICROSECONDS_PER_DAY
from platform_assets.declaration.time_zones import UTC_ZONE, by_the_calendar
from platform_assets.features.aggregation.event_values import EventValue, event_value

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]

NO_COLUMN = -1
BY_DAY = 5
"""Column of `WindowPlan.windows` that is 1 where a window covers whole days."""


@dataclass(frozen=True)
class Composition:
    """How a feature is made of rows of the plan.

    Attributes:
        rows: those of its operations.
        aggregate: what puts their results together.
        empty: the value of an empty window; NaN stands for null.
    """

    rows: slice
    aggregate: Aggregate
    empty: float

    def values(self, results: Float64Array, in_range: NDArray[np.bool_]) -> Float64Array:
        """The feature, float64 [n], of the results of all operations, float64 [o, n]."""
        parts: Float64Array = results[self.rows]
        if len(parts) == 1:
            return parts.reshape(-1)
        values = self.aggregate.combine(parts)
        return np.where(np.isnan(values) & in_range, self.empty, values)


@dataclass(frozen=True, eq=False)
class WindowPlan:
    """A view's windows as arrays: one row for each operation, one operation for most features, in the order of the view's feature names.

    Attributes:
        names: the k feature names.
        values: the c values of an event that are aggregated, each once.
        windows: int64 [o, 6]: length and delay in microseconds, operation, row of `values` or NO_COLUMN
            where events are counted, 1 where the row's own event is part of its window, and 1 where the window covers whole
            UTC days.
        empties: float64 [o], the value of an empty window; NaN stands for null.
        composed: where some feature is made of several operations, how each feature is made of its rows; else empty.
        zone: the time zone whose days windows of whole days cover.
    """

    names: tuple[str, ...]
    values: tuple[EventValue, ...]
    windows: Int64Array
    empties: Float64Array
    composed: tuple[Composition, ...] = ()
    zone: str = UTC_ZONE
    scales: tuple[int | None, ...] = ()
    """Decimals of the features that are sums of a decimal column, None for others; empty where there is none."""

    @property
    def has_local_days(self) -> bool:
        """Whether a window covers whole days that are not those of UTC."""
        return self.zone != UTC_ZONE and bool(self.windows[:, BY_DAY].any())

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Names of the values."""
        return tuple(value.name for value in self.values)


def plan_windows(
    view: FeatureView, zone: str = UTC_ZONE, scales: Mapping[str, int] = MappingProxyType({})
) -> WindowPlan:
    """The plan of a view's windows over the days of a time zone; without windows all its arrays are empty.

    Args:
        view: the features.
        zone: the time zone whose days count.
        scales: decimals of the event's decimal columns, by name.
    """
    needed = [event_value(window) for window in view.windows]
    values = tuple(dict.fromkeys(value for value in needed if value is not None))
    rows: list[tuple[int, ...]] = []
    empties: list[float] = []
    features: list[Composition] = []
    for window, value in zip(view.windows, needed, strict=True):
        aggregate = AGGREGATES[window.aggregate]
        column = NO_COLUMN if value is None else values.index(value)
        own, by_day = int(window.counts_own_event), int(window.covers_whole_days)
        empty = float("nan") if window.value_when_empty is None else window.value_when_empty
        for length in window.lengths_microseconds:
            begin = len(rows)
            for operation in aggregate.operations:
                rows.append((length, window.delay_microseconds, operation, column, own, by_day))
                empties.append(empty if len(aggregate.operations) == 1 else float("nan"))
            features.append(Composition(slice(begin, len(rows)), aggregate, empty))
    return WindowPlan(
        names=tuple(name for window in view.windows for name in window.feature_names),
        values=values,
        windows=np.array(rows, dtype=np.int64).reshape(-1, 6),
        empties=np.array(empties, dtype=np.float64),
        composed=tuple(features) if len(rows) > len(features) else (),
        zone=zone,
        scales=_scales_of_sums(view, scales),
    )


def decimal_scales(source: Source) -> dict[str, int]:
    """Decimals of a table's decimal columns, by name."""
    return {column.name: column.scale for column in source.columns if column.scale is not None}


def _scales_of_sums(view: FeatureView, scales: Mapping[str, int]) -> tuple[int | None, ...]:
    of_features = tuple(
        scales.get(window.column or "") if window.aggregate == "sum" else None
        for window in view.windows
        for _ in window.feature_names
    )
    return of_features if any(scale is not None for scale in of_features) else ()


def _exact_sums(plan: WindowPlan, features: Float64Array) -> Float64Array:
    """Sums of decimals are whole numbers of their unit: the float nearest to the exact sum, whatever the order of the events."""
    for row, scale in enumerate(plan.scales):
        if scale is not None:
            features[row] = np.rint(features[row] * 10.0**scale) / 10.0**scale
    return features


def compute_windows(
    plan: WindowPlan,
    times: Int64Array,
    starts: Int64Array,
    values: Float64Array,
    first_time: int,
    last_time: int,
    positions: Int64Array | None = None,
    row_count: int | None = None,
) -> Float64Array:
    """All window values of the rows whose time lies in [first_time, last_time].

    Args:
        plan: k windows over c values.
        times: int64 [n], microseconds since 1970 UTC, ordered by entity, then time, then primary key.
        starts: int64 [m + 1], where each of the m entities begins in `times`; the last is n.
        values: float64 [c, n], NaN where a value is missing; missing values do not count.
        first_time: microseconds; earlier rows are history only.
        last_time: microseconds; later rows are left out.
        positions: int64 [n], the column of the result that each row's values go to; by default the row's own position.
        row_count: number of columns of the result; each must be the position of one row in the time range. By default n.

    Returns:
        float64 [k, row_count]; NaN stands for null, and by default fills the columns of rows outside the time range.
    """
    rows = times.shape[0]
    out = np.empty((len(plan.windows), rows if row_count is None else row_count), dtype=np.float64)
    if row_count is None:
        out.fill(np.nan)
    values = np.ascontiguousarray(values)
    where = np.arange(rows, dtype=np.int64) if positions is None else positions
    if plan.has_local_days:
        _fill_by_local_days(plan, times, starts, values, first_time, last_time, where, out)
    else:
        compiled_kernel()(
            times, starts, values, values.view(np.uint64), plan.windows, plan.empties, first_time, last_time, where, out
        )
    in_range = np.full(out.shape[1], True) if row_count is not None else (times >= first_time) & (times <= last_time)
    return features_of(plan, out, in_range)


def features_of(plan: WindowPlan, results: Float64Array, in_range: NDArray[np.bool_]) -> Float64Array:
    """Features [k, n] of the results of the plan's operations, float64 [o, n]; `in_range` tells the columns that are rows at all."""
    if not plan.composed:
        return _exact_sums(plan, results)
    return _exact_sums(plan, np.stack([feature.values(results, in_range) for feature in plan.composed]))


def _fill_by_local_days(
    plan: WindowPlan,
    times: Int64Array,
    starts: Int64Array,
    values: Float64Array,
    first_time: int,
    last_time: int,
    where: Int64Array,
    out: Float64Array,
) -> None:
    """Windows of whole days on the calendar's scale, all others on that of time; the rows are the same on both."""
    by_day = plan.windows[:, BY_DAY] == 1
    in_range = (times >= first_time) & (times <= last_time)
    if not in_range.any():
        return
    calendar = by_the_calendar(times, plan.zone)
    first, last = (int(end) for end in by_the_calendar(np.array([first_time, last_time], dtype=np.int64), plan.zone))
    # In the last hour of a day with 25 rows share one instant of the calendar: those out of range must not answer.
    asked = np.where(in_range, where, out.shape[1])
    for chosen, scale, begin, end in ((by_day, calendar, first, last), (~by_day, times, first_time, last_time)):
        if chosen.any():
            part = np.full((int(chosen.sum()), out.shape[1] + 1), np.nan)
            windows, empties = np.ascontiguousarray(plan.windows[chosen]), np.ascontiguousarray(plan.empties[chosen])
            compiled_kernel()(scale, starts, values, values.view(np.uint64), windows, empties, begin, end, asked, part)
            out[chosen] = part[:, :-1]


def compiled_kernel() -> Callable[..., Any]:
    """The kernel as machine code; compiled once for an installation, then loaded from numba's cache on disk.

    Its one signature takes read-only arrays, which writable ones convert to: without it numba would compile again for
    every mixture of the two.
    """
    from platform_assets.features.aggregation.compiled_loops import fill_windows

    return fill_windows
