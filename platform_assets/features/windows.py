"""Feature tables: a view's features for every event of a range of days.

Belongs here: from clean events to the rows of a feature table, and which days of events that takes. Does not belong
here: the aggregation itself (`kernel.py`), joining views into a training set (`training_set.py`), storage (`lake/`).

What a row may know: windows end `delay_days` before the row, and the declaration refuses a label window whose delay is
shorter than the label's. A label of event day e is known from 00:00 of e + label delay; the newest event that a label
window sees lies at least that many days before the row, so its label was known by the row's own midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.kernel import Float64Array, Int64Array, WindowPlan, compute_windows, plan_windows
from platform_assets.spec.features import FeatureView
from platform_assets.spec.sources import EVENT_DAY
from platform_assets.spec.use_case import UseCase

EVENT_TIME_TYPE = pl.Datetime("us", "UTC")
_ONE_DAY = timedelta(days=1)


def history_needed(view: FeatureView, first_day: date) -> date:
    """The first event day that the view's rows of `first_day` depend on; `first_day` itself without windows."""
    return first_day - timedelta(days=view.span_days)


def uses_label(view: FeatureView, use_case: UseCase) -> bool:
    """Whether a window of the view aggregates the label, so that `compute_view` needs it among the events' columns."""
    return any(window.column == use_case.label.column for window in view.windows)


def join_labels(events: pl.DataFrame, labels: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    """Events with the label as one more column; null where there is no label (yet).

    Args:
        events: clean rows of the event source.
        labels: rows of the label source that have arrived; ignored when the events carry the label themselves.
        use_case: the declaration.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: an event has more than one label.
    """
    label = use_case.label.column
    if use_case.label.source == use_case.events:
        require_columns(events.columns, [label], f"events of {use_case.events!r}")
        return events
    keys = list(use_case.event_source.primary_key)
    require_columns(events.columns, keys, f"events of {use_case.events!r}")
    require_columns(labels.columns, [*keys, label], f"labels of {use_case.label.source!r}")
    known = labels.select(*keys, label)
    doubled = known.filter(pl.struct(keys).is_duplicated())
    if not doubled.is_empty():
        raise PointInTimeError(
            f"labels of {use_case.label.source!r}: {len(doubled)} of {len(known)} rows repeat a key, for example "
            f"{example_keys(doubled, keys)}; keep one label for each event"
        )
    return events.drop(label, strict=False).join(known, on=keys, how="left", maintain_order="left")


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
    keys = list(use_case.event_source.primary_key)
    _check_events(view, use_case, events)
    in_range = pl.col(EVENT_DAY).is_between(first_day, last_day)
    computed = _with_windows(view, use_case, events, first_day, last_day) if view.windows else events
    schema = use_case.feature_schema(view)
    rows = add_row_features(computed.filter(in_range), [view])
    _refuse_row_features_of_many_rows(view, computed.filter(in_range), rows)
    return rows.select(pl.col(name).cast(dtype) for name, dtype in schema.items()).sort(
        list(dict.fromkeys([EVENT_DAY, use_case.event_time, *keys]))
    )


def add_row_features(frame: pl.DataFrame, views: Iterable[FeatureView]) -> pl.DataFrame:
    """`frame` with the row features of `views` as Float64 columns.

    The frame holds the events' columns and the views' window features. A row feature named like a column takes its
    place. Missing is null: NaN becomes null.

    Raises:
        FeatureError: an expression fails on these columns.
    """
    try:
        return frame.with_columns(expression.fill_nan(None) for expression in row_expressions(views))
    except pl.exceptions.PolarsError as error:
        names = [row.name for view in views for row in view.rows]
        raise FeatureError(f"row features {names} cannot be computed on {len(frame)} rows: {error}") from error


def row_expressions(views: Iterable[FeatureView]) -> list[pl.Expr]:
    """The row features of `views` as polars expressions that yield Float64 under the features' names; NaN is missing."""
    return [pl.sql_expr(row.expression).cast(pl.Float64).alias(row.name) for view in views for row in view.rows]


def value_expression(column: str, dtype: pl.DataType) -> pl.Expr:
    """A value column as the kernel takes it: Float64, NaN where missing; 1 for a value that is no number (to count)."""
    number = pl.col(column).cast(pl.Float64) if dtype.is_numeric() or dtype == pl.Boolean else _present(column)
    return number.fill_null(float("nan"))


def event_order(use_case: UseCase, entity_key: str | None = None) -> list[str]:
    """Columns that put events in order: within an entity by event time, then primary key."""
    names = [use_case.event_time, *use_case.event_source.primary_key]
    return list(dict.fromkeys(names if entity_key is None else [entity_key, *names]))


def require_columns(found: Sequence[str], names: Sequence[str], what: str) -> None:
    """Refuse rows that lack columns.

    Raises:
        FeatureError: naming what is missing and what is there.
    """
    missing = [name for name in dict.fromkeys(names) if name not in found]
    if missing:
        raise FeatureError(f"{what} lack columns {missing}; they have {list(found)}")


def example_keys(frame: pl.DataFrame, keys: Sequence[str], count: int = 3) -> list[dict[str, object]]:
    """The first few keys of a frame, for a message."""
    return frame.select(keys).unique(maintain_order=True).head(count).to_dicts()


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC of a time that carries its zone."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def midnight(day: date) -> datetime:
    """00:00 UTC of a day."""
    return datetime.combine(day, time(), tzinfo=UTC)


def _present(column: str) -> pl.Expr:
    return pl.when(pl.col(column).is_not_null()).then(1.0)


def _with_windows(
    view: FeatureView, use_case: UseCase, events: pl.DataFrame, first_day: date, last_day: date
) -> pl.DataFrame:
    """The events ordered by entity, with the view's window features; values outside the day range are null."""
    assert view.entity is not None, "the declaration refuses windows without entity"
    entity_key = use_case.entity(view.entity).key
    ordered = events.sort(event_order(use_case, entity_key))
    plan = plan_windows(view)
    values = compute_windows(
        plan,
        times=ordered[use_case.event_time].dt.epoch("us").to_numpy(),
        starts=_entity_starts(ordered[entity_key]),
        values=value_matrix(plan, ordered),
        first_time=microseconds(midnight(first_day)),
        last_time=microseconds(midnight(last_day + _ONE_DAY)) - 1,
    )
    features = [pl.Series(name, values[place]).fill_nan(None) for place, name in enumerate(plan.names)]
    return ordered.with_columns(features)


def value_matrix(plan: WindowPlan, events: pl.DataFrame) -> Float64Array:
    """The plan's value columns as float64 [c, n], NaN where missing."""
    matrix = np.empty((len(plan.value_columns), len(events)), dtype=np.float64)
    for place, name in enumerate(plan.value_columns):
        matrix[place] = events.select(value_expression(name, events.schema[name])).to_series().to_numpy()
    return matrix


def _entity_starts(entities: pl.Series) -> Int64Array:
    """Where each entity begins, then the row count. An event without entity stands alone: nobody has no history."""
    if entities.is_empty():
        return np.zeros(1, dtype=np.int64)
    begins = (entities.ne_missing(entities.shift(1)) | entities.is_null()).to_numpy().copy()
    begins[0] = True
    return np.append(np.flatnonzero(begins), len(entities)).astype(np.int64)


def _refuse_row_features_of_many_rows(view: FeatureView, inputs: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Refuse expressions like `SUM(amount)`, which mix rows here and see a single one online: try a few rows alone."""
    names = [row.name for row in view.rows]
    if not names or rows.is_empty():
        return
    for place in sorted({0, len(rows) // 2, len(rows) - 1}):
        alone = add_row_features(inputs.slice(place, 1), [view])
        for name in names:
            if not alone[name].equals(rows[name].slice(place, 1), null_equal=True):
                raise FeatureError(
                    f"view {view.name!r}: row feature {name!r} gives {rows[name][place]!r} among {len(rows)} rows and "
                    f"{alone[name][0]!r} for the same row alone; it must depend on its own row only: declare a window"
                )


def _check_events(view: FeatureView, use_case: UseCase, events: pl.DataFrame) -> None:
    """Names, types and uniqueness, before anything is computed."""
    keys = list(use_case.event_source.primary_key)
    label = use_case.label.column
    what = f"view {view.name!r}: events of {use_case.events!r}"
    if uses_label(view, use_case) and label not in events.columns:
        raise FeatureError(f"{what} lack the label {label!r} that its windows use; join it in with join_labels")
    for window in view.windows:
        if window.column == label and window.delay_days < max(1, use_case.label_delay_days):
            raise FeatureError(
                f"view {view.name!r}: window {window.name!r} ends {window.delay_days} days before the event, but the label "
                f"{label!r} is known only after {use_case.label_delay_days}; raise its delay_days"
            )
    columns = [window.column for window in view.windows if window.column is not None]
    require_columns(events.columns, [*event_order(use_case), *columns, EVENT_DAY], what)
    found = events.schema[use_case.event_time]
    if found != EVENT_TIME_TYPE:
        raise FeatureError(f"{what} have {use_case.event_time!r} as {found}; it must be {EVENT_TIME_TYPE}")
    missing = events[use_case.event_time].null_count()
    if missing:
        raise FeatureError(f"{what}: {missing} of {len(events)} rows have no {use_case.event_time!r}; clean them first")
    distinct = events.select(pl.struct(keys).n_unique() if len(keys) > 1 else pl.col(keys[0]).n_unique()).item()
    if distinct != len(events):
        doubled = events.filter(pl.struct(keys).is_duplicated())
        raise PointInTimeError(
            f"{what}: {len(doubled)} of {len(events)} rows repeat a key, for example {example_keys(doubled, keys)}; "
            "each event must appear once, or its windows count it twice"
        )
