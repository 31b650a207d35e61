"""The as-of join: for each row the newest row of a table that held at the row's time and was known by then.

Belongs here: joining tables that do not hold one row for each event (slowly changing tables, snapshots, scores) to rows, by
entity, at event time and at knowledge time. Does not belong here: joining feature tables by the event's own key
(`offline/training_set.py`), windows (`offline/feature_table.py`), the compiled search (`offline/as_of_search.py`).

Every row stays, once, in its place; nothing is merged. A row of the table counts for a row when

- it has the same entity, and the entity is not null;
- its time is not later than the row's (`table_time <= row_time`), and its age not above `max_age` where one is given;
- it was known in time (`known_at <= knowledge_time`): what arrived later does not exist yet, however early its time.

Of those that count, the one with the latest time wins; of those with that time the one that became known last, which is how
a correction takes the place of what it corrects; and of those the last in the table. Where none counts, values are null.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from platform_assets.features.aggregation.kernel import Int64Array
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import microseconds, require_columns

NOBODY = -1
"""Code of a row whose entity the table does not have."""

_CODE = "__code"
_DENSE_SPREAD = 4
"""Whole-number keys are used as they are while their range is at most so many times the rows."""


def as_of_join(
    rows: pl.DataFrame,
    table: pl.DataFrame,
    *,
    by: str | Sequence[str],
    row_time: str,
    table_time: str,
    known_at: str | None = None,
    knowledge_time: str | datetime | None = None,
    max_age: timedelta | None = None,
) -> pl.DataFrame:
    """`rows` with the values of the table as of each row; which row counts is described in the module.

    Times are `Datetime` in milliseconds or microseconds, both with UTC as zone or both without, or `Date`, which stands for
    its 00:00. The table's rows may come in any order; ordered by time they are joined fastest.

    Args:
        rows: what is looked up for, in any order.
        table: what is looked up in: entity, times, values.
        by: column or columns of the entity, named and typed alike on both sides.
        row_time: column of `rows` with the time to look up. Null finds nothing.
        table_time: column of `table` from when a row holds. A row without it never counts.
        known_at: column of `table` with the time a row became known; without one a row is known from its own time on. A
            row without it never counts.
        knowledge_time: what was known when: a column of `rows`, or one moment for all; by default the row's own time. A
            training set as known at a day passes that day's midnight; rows of the table that came late are then left out,
            and the same moment gives the same answer for ever. A value later than the row's time brings corrections
            that a request at the row's time could not know.
        max_age: age up to which a row of the table counts, that age included.

    Returns:
        `rows`, one for one and in their order, with the table's columns except `by`, `table_time` and `known_at`.

    Raises:
        FeatureError: a column is missing, doubled or of another type, or `knowledge_time` is given without `known_at`.
    """
    keys = [by] if isinstance(by, str) else list(by)
    require_columns(rows.columns, [*keys, row_time], "rows of an as-of join")
    times = [name for name in (table_time, known_at) if name is not None]
    require_columns(table.columns, [*keys, *times], "the table of an as-of join")
    values = [name for name in table.columns if name not in {*keys, *times}]
    _refuse_unjoinable(rows, table, keys, values)
    zoned = _is_zoned(rows, row_time, "rows")
    usable = _present(table, [*keys, *times])
    row_times = _moments(rows, row_time, "rows", zoned)
    held = _moments(usable, table_time, "table", zoned).to_numpy()
    codes, table_codes, count = _entity_codes(rows, usable, keys, row_times)
    if known_at is None:
        if knowledge_time is not None:
            raise FeatureError(
                "an as-of join with knowledge_time needs known_at, the table's column that says when a row became known"
            )
        known = knowledge = np.empty(0, dtype=np.int64)
    else:
        known = _moments(usable, known_at, "table", zoned).to_numpy()
        knowledge, unknown = _knowledge(rows, row_times, knowledge_time, zoned)
        codes = np.where(unknown, NOBODY, codes)
    matches = _search(codes, row_times.fill_null(0).to_numpy(), knowledge, table_codes, held, known, count, max_age)
    positions = pl.Series(matches).set(pl.Series(matches < 0), None)
    return rows.hstack(usable.select(pl.col(name).gather(positions) for name in values)) if values else rows


def _search(
    codes: Int64Array,
    row_times: Int64Array,
    knowledge: Int64Array,
    table_codes: Int64Array,
    held: Int64Array,
    known: Int64Array,
    count: int,
    max_age: timedelta | None,
) -> Int64Array:
    """For each row the index of the matching table row, -1 where none counts."""
    from platform_assets.features.aggregation.grouping import group_rows
    from platform_assets.features.offline.as_of_search import find_rows, order_histories

    starts, order = group_rows(table_codes, 0, count)
    order_histories(starts, order, held, known)
    longest = np.iinfo(np.int64).max if max_age is None else max_age // timedelta(microseconds=1)
    matches: Int64Array = find_rows(codes, row_times, knowledge, starts, order, held, known, longest)
    return matches


def _refuse_unjoinable(rows: pl.DataFrame, table: pl.DataFrame, keys: Sequence[str], values: Sequence[str]) -> None:
    doubled = [name for name in values if name in rows.columns]
    if doubled:
        raise FeatureError(f"an as-of join would double columns {doubled}: rename them in the table, or leave them out")
    for name in keys:
        if rows.schema[name] != table.schema[name]:
            raise FeatureError(
                f"an as-of join by {name!r}: rows have it as {rows.schema[name]}, the table as {table.schema[name]}; "
                "cast one of them"
            )


def _present(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The table without rows that can never count: those that lack an entity or a time."""
    return table.drop_nulls(list(names)) if any(table[name].null_count() for name in names) else table


def _is_zoned(frame: pl.DataFrame, name: str, what: str) -> bool:
    """Whether a time column carries a zone; a date is as good as either."""
    dtype = frame.schema[name]
    if dtype == pl.Date:
        return True
    if not isinstance(dtype, pl.Datetime):
        raise FeatureError(f"an as-of join: {name!r} of the {what} is {dtype}; it must be Datetime or Date")
    return dtype.time_zone is not None


def _moments(frame: pl.DataFrame, name: str, what: str, zoned: bool) -> pl.Series:
    """A time column as whole microseconds since 1970."""
    dtype = frame.schema[name]
    if _is_zoned(frame, name, what) != zoned and dtype != pl.Date:
        raise FeatureError(
            f"an as-of join: {name!r} of the {what} is {dtype}, but the rows' time {'has' if zoned else 'lacks'} a zone; "
            "give all times in UTC"
        )
    if isinstance(dtype, pl.Datetime) and (dtype.time_unit == "ns" or dtype.time_zone not in (None, "UTC")):
        raise FeatureError(f"an as-of join: {name!r} of the {what} is {dtype}; it must be in microseconds and in UTC")
    return frame[name].cast(pl.Datetime("us", getattr(dtype, "time_zone", None))).to_physical()


def _knowledge(
    rows: pl.DataFrame, row_times: pl.Series, knowledge_time: str | datetime | None, zoned: bool
) -> tuple[Int64Array, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """What was known when, for each row, in microseconds; and the rows that know nothing."""
    if isinstance(knowledge_time, datetime):
        if knowledge_time.tzinfo is None:
            raise FeatureError(f"an as-of join: knowledge_time {knowledge_time} carries no zone; give it in UTC")
        moments = pl.Series([microseconds(knowledge_time)], dtype=pl.Int64).new_from_index(0, len(rows))
    elif knowledge_time is None:
        moments = row_times
    else:
        require_columns(rows.columns, [knowledge_time], "rows of an as-of join")
        moments = _moments(rows, knowledge_time, "rows", zoned)
    return moments.fill_null(0).to_numpy(), moments.is_null().to_numpy()


def _entity_codes(
    rows: pl.DataFrame, table: pl.DataFrame, keys: Sequence[str], row_times: pl.Series
) -> tuple[Int64Array, Int64Array, int]:
    """Entities as whole numbers from 0: int64 [n] of the rows, NOBODY where there is none; of the table; and their count."""
    name = keys[0]
    if len(keys) == 1 and table.schema[name].is_integer() and len(table):
        numbers = table[name].cast(pl.Int64, strict=False)
        low, high = numbers.min(), numbers.max()
        if isinstance(low, int) and isinstance(high, int) and not numbers.null_count():
            count = high - low + 1
            if count <= _DENSE_SPREAD * (len(table) + len(rows)) + 1_000:
                of_rows = rows[name].cast(pl.Int64, strict=False)
                inside = of_rows.is_between(low, high).fill_null(False) & row_times.is_not_null()
                codes = (of_rows.fill_null(low) - low).to_numpy()
                return np.where(inside.to_numpy(), codes, NOBODY), (numbers - low).to_numpy(), count
    entities = table.select(keys).unique(maintain_order=True)
    entities = entities.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(_CODE))
    codes_of = (
        frame.select(keys).join(entities, on=keys, how="left", maintain_order="left")[_CODE] for frame in (rows, table)
    )
    of_rows, of_table = codes_of
    of_rows = of_rows.fill_null(NOBODY).set(row_times.is_null(), NOBODY)
    return of_rows.to_numpy(), of_table.to_numpy(), len(entities)
