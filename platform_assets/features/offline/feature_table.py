"""Feature tables: a view's features for every event of a range of days.

Belongs here: from clean events to the rows of a feature table, and which days of events that takes. Does not belong
here: the aggregation itself (`aggregation/kernel.py`), joining views into a training set (`offline/training_set.py`), storage (`lake/`).

What a row may know: windows end `delay_days` before the row, and the declaration refuses a label window whose delay is
shorter than the label's. A label of event day e is known from 00:00 of e + label delay; the newest event that a label
window sees lies at least that many days before the row, so its label was known by the row's own midnight. Labels that are dated by
their decision differ from midnight to midnight: such a view is computed day by day (`compute_days`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from platform_assets.declaration.checks.windows import window_columns
from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.expressions.row_numbers import RowNumbers
from platform_assets.declaration.expressions.scalars import taker_of
from platform_assets.declaration.sections.features import MICROSECONDS, FeatureView, RowFeature
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.event_values import event_values, roots_of
from platform_assets.features.aggregation.kernel import (
    Float64Array,
    Int64Array,
    WindowPlan,
    compute_windows,
    decimal_scales,
    plan_windows,
)
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.event_frames import event_order, example_keys, in_order, require_columns
from platform_assets.features.functions import call
from platform_assets.features.offline.known_labels import join_labels as join_labels

EVENT_TIME_TYPE = pl.Datetime("us", "UTC")


def history_needed(view: FeatureView, first_day: date, zone: str = UTC_ZONE) -> date:
    """The first event day that the view's rows of `first_day` depend on; `first_day` itself without windows.

    In a time zone it is one day more, because a day may have 23 hours.
    """
    return first_day - timedelta(days=days_reached(view, zone))


def days_reached(view: FeatureView, zone: str = UTC_ZONE) -> int:
    """How many earlier event days the view's windows reach into."""
    return view.span_days + int(zone != UTC_ZONE and view.span_days > 0)


def uses_label(view: FeatureView, use_case: UseCase) -> bool:
    """Whether a window of the view aggregates the label, so that `compute_view` needs it among the events' columns."""
    return any(use_case.label.column in window_columns(window) for window in view.windows)


def compute_view(
    view: FeatureView, use_case: UseCase, events: pl.DataFrame, first_day: date, last_day: date
) -> pl.DataFrame:
    """Features of the events of `first_day` to `last_day`, inclusive.

    Args:
        view: the features to compute.
        use_case: the declaration that the view is part of.
        events: clean rows of the event source, in any order, from `history_needed(view, first_day)` on, with the label
            joined in where the view uses it. Earlier and later rows change nothing.
        first_day: first event day of the result.
        last_day: last event day of the result.

    Returns:
        Exactly `use_case.feature_schema(view)`, one row for each event, ordered by event day, event time and key.
        Features are Float64; a missing value is null, never NaN.

    Raises:
        FeatureError: a column is missing or has another type, or a row expression fails or looks at other rows.
        PointInTimeError: a key appears twice among the events.
    """
    require_columns(
        events.columns, [EVENT_DAY, *event_order(use_case)], f"view {view.name!r}: events of {use_case.events!r}"
    )
    plan = plan_windows(view, use_case.time_zone, decimal_scales(use_case.event_source))
    ordered = in_order(with_entity_columns(events, use_case, [view]), event_order(use_case))
    check_events(view, use_case, ordered, plan)
    begin = ordered[EVENT_DAY].search_sorted(first_day, side="left")
    end = max(begin, ordered[EVENT_DAY].search_sorted(last_day, side="right"))
    rows = ordered.slice(begin, end - begin)
    if view.windows:
        rows = rows.with_columns(_window_features(view, use_case, ordered, plan, begin, end))
    return with_row_features(view, use_case, rows)


def compute_days(
    view: FeatureView,
    use_case: UseCase,
    events: pl.DataFrame,
    labels: pl.DataFrame,
    first_day: date,
    last_day: date,
    loaded: Collection[date] | None = None,
) -> pl.DataFrame:
    """Features of the events of `first_day` to `last_day`, each day from the labels that were known at its own midnight.

    For labels that are dated by their decision: what was decided later, or reversed, is not part of an earlier day.

    Args:
        view: the features to compute.
        use_case: the declaration.
        events: as for `compute_view`, without the label.
        labels: rows of the label's source, those that came later included.
        first_day: first event day of the result.
        last_day: last event day of the result.
        loaded: see `join_labels`.

    Returns:
        As `compute_view`.

    Raises:
        FeatureError: what `compute_view` refuses.
        PointInTimeError: a key appears twice among the events.
    """
    parts = []
    for number in range((last_day - first_day).days + 1):
        day = first_day + timedelta(days=number)
        needed = events.filter(pl.col(EVENT_DAY).is_between(history_needed(view, day, use_case.time_zone), day))
        parts.append(compute_view(view, use_case, join_labels(needed, labels, use_case, day, loaded), day, day))
    return pl.concat(parts)


def with_row_features(view: FeatureView, use_case: UseCase, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a feature table from ordered events with the view's window features.

    Raises:
        FeatureError: a row expression fails or looks at other rows.
    """
    computed = add_row_features(rows, [view])
    _refuse_row_features_of_many_rows(view, rows, computed)
    return computed.select(pl.col(name).cast(dtype) for name, dtype in use_case.feature_schema(view).items())


def add_row_features(frame: pl.DataFrame, views: Sequence[FeatureView]) -> pl.DataFrame:
    """`frame` with the row features of `views`, and what their functions give, as Float64 columns.

    The frame holds the events' columns, what was looked up for them, and the views' window features. A row feature named like a
    column takes its place. Missing is null: NaN becomes null.

    Raises:
        FeatureError: an expression or a function fails on these columns.
    """
    try:
        computed = frame.with_columns(row_expressions(views, frame.schema))
    except pl.exceptions.PolarsError as error:
        names = [row.name for view in views for row in view.rows]
        raise FeatureError(f"row features {names} cannot be computed on {len(frame)} rows: {error}") from error
    called = [call(item, computed) for view in views for item in view.functions]
    return computed.with_columns(called) if called else computed


def row_expressions(views: Iterable[FeatureView], schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """The row features of `views` over columns of these types: Float64 under the features' names; null is missing."""
    return [_row_expression(row, schema).alias(row.name) for view in views for row in view.rows]


def _row_expression(row: RowFeature, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    value = row_value(row, schema).fill_nan(None)
    return value if row.default is None else value.fill_null(row.default)


def row_value(row: RowFeature, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """What a row feature declares, as Float64, before missing values are treated: both null and NaN mean missing."""
    return sql_expression(row.expression, schema).cast(pl.Float64)


def _window_features(
    view: FeatureView, use_case: UseCase, ordered: pl.DataFrame, plan: WindowPlan, begin: int, end: int
) -> list[pl.Series]:
    """The view's window features of the rows [begin, end) of events in order of time and key."""
    assert view.entity is not None, "the declaration refuses windows without entity"
    times = ordered[use_case.event_time].to_physical().to_numpy()
    if begin == end:
        return [pl.Series(name, [], dtype=pl.Float64()) for name in plan.names]
    starts, order = entity_order(ordered[use_case.entity(view.entity).key])
    answers = compute_windows(
        plan,
        times=times[order],
        starts=starts,
        values=value_matrix(plan, ordered, use_case, order),
        first_time=int(times[begin]),
        last_time=int(times[end - 1]),
        positions=order - begin,
        row_count=end - begin,
    )
    return [pl.Series(name, answers[index], nan_to_null=True) for index, name in enumerate(plan.names)]


def value_matrix(
    plan: WindowPlan, events: pl.DataFrame, use_case: UseCase, order: Int64Array | None = None
) -> Float64Array:
    """The plan's values of events as float64 [c, n], NaN where missing; in another order of the events where one is given.

    Raises:
        FeatureError: a condition fails on these events, or looks at other rows.
    """
    matrix = np.empty((len(plan.values), len(events)), dtype=np.float64)
    for index, value in enumerate(plan.values):
        column = event_values([value], events, use_case).to_series().to_numpy()
        matrix[index] = column if order is None else column[order]
    return matrix


def entity_order(entities: pl.Series) -> tuple[Int64Array, Int64Array]:
    """Where each entity's rows begin once they lie together, and the rows in that order, each entity's as they came.

    An event without entity stands alone: nobody has no history.

    Returns:
        int64 [m + 1], the last being the row count, and int64 [n]; an entity may have no row.
    """
    from platform_assets.features.aggregation.grouping import group_rows

    codes = entities.to_physical() if entities.dtype.is_temporal() else entities
    if not codes.dtype.is_integer() or codes.null_count() or _spread(codes) > 4 * len(codes) + 1_000:
        codes = codes.rank("dense")
        alone = codes.is_null().cast(pl.Int64).cum_sum() + int(codes.max() or 0)  # type: ignore[arg-type]
        codes = codes.cast(pl.Int64).zip_with(codes.is_not_null(), alone)
    numbers = codes.cast(pl.Int64)
    smallest = int(numbers.min() or 0)  # type: ignore[arg-type]
    return group_rows(np.ascontiguousarray(numbers.to_numpy()), smallest, _spread(numbers))  # type: ignore[no-any-return]


def _spread(numbers: pl.Series) -> int:
    return 0 if numbers.is_empty() else int(numbers.max()) - int(numbers.min()) + 1  # type: ignore[arg-type]


def _refuse_row_features_of_many_rows(view: FeatureView, inputs: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Refuse what mixes rows here and sees a single one online: try a few rows alone, as a request is computed."""
    if not (view.rows or view.functions) or rows.is_empty():
        return
    one = RowNumbers([row.expression for row in view.rows], inputs.schema)
    takers = {name: taker_of(inputs.schema[name]) for name in one.columns}
    for index in sorted({0, len(rows) // 2, len(rows) - 1}):
        event = inputs.row(index, named=True)
        numbers = one.numbers({name: take(event[name]) for name, take in takers.items()})
        alone = {
            row.name: row.default if number is None or number != number else number
            for row, number in zip(view.rows, numbers, strict=True)
        }
        if view.functions or one.by_engine:
            computed = add_row_features(inputs.slice(index, 1), [view])
            names = [*(item.name for item in view.functions), *(view.rows[position].name for position in one.by_engine)]
            alone.update({name: computed[name].item() for name in names})
        for name, value in alone.items():
            if value != rows[name][index]:
                raise FeatureError(
                    f"view {view.name!r}: row feature {name!r} gives {rows[name][index]!r} among {len(rows)} rows and "
                    f"{value!r} for the same row alone; it must depend on its own row only, and give the same each time: "
                    "declare a window"
                )


def check_events(view: FeatureView, use_case: UseCase, events: pl.DataFrame, plan: WindowPlan) -> None:
    """Names, types and uniqueness, before anything is computed."""
    keys = list(use_case.event_source.primary_key)
    label = use_case.label.column
    what = f"view {view.name!r}: events of {use_case.events!r}"
    if uses_label(view, use_case) and label not in events.columns:
        raise FeatureError(f"{what} lack the label {label!r} that its windows use; join it in with join_labels")
    for window in view.windows:
        least = max(1, use_case.label_arrival_days)
        if label in window_columns(window) and window.delay_microseconds < least * MICROSECONDS["d"]:
            raise FeatureError(
                f"view {view.name!r}: window {window.name!r} ends {window.delay or window.delay_days} days before the event, but "
                f"the label {label!r} is known only after {use_case.label_delay_days}; raise its delay_days"
            )
    require_columns(events.columns, roots_of(plan.values), what)
    looked_up = [name for lookup in view.lookups for name in lookup.names if name not in events.columns]
    if looked_up:
        raise FeatureError(f"{what} lack {looked_up}, which the view looks up; join them in with join_lookups")
    dtype = events.schema[use_case.event_time]
    if dtype != EVENT_TIME_TYPE:
        raise FeatureError(f"{what} have {use_case.event_time!r} as {dtype}; it must be {EVENT_TIME_TYPE}")
    missing = events[use_case.event_time].null_count()
    if missing:
        raise FeatureError(f"{what}: {missing} of {len(events)} rows have no {use_case.event_time!r}; clean them first")
    if not events[EVENT_DAY].is_sorted():
        raise FeatureError(
            f"{what}: {EVENT_DAY!r} is not the day of {use_case.event_time!r} in all rows; clean them first"
        )
    if len(keys) == 1 and _rises(events[keys[0]]):
        return
    distinct = events.select(pl.struct(keys).n_unique() if len(keys) > 1 else pl.col(keys[0]).n_unique()).item()
    if distinct != len(events):
        doubled = events.filter(pl.struct(keys).is_duplicated())
        raise PointInTimeError(
            f"{what}: {len(doubled)} of {len(events)} rows repeat a key, for example {example_keys(doubled, keys)}; "
            "each event must appear once, or its windows count it twice"
        )


def _rises(column: pl.Series) -> bool:
    """Whether each value is larger than the one before: then none repeats."""
    larger = column.slice(1) > column.slice(0, max(len(column) - 1, 0))
    return larger.null_count() == 0 and bool(larger.all())
