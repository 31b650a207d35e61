"""Look-ups: columns of another table as they were known at an event.

Belongs here: which row of the table counts for an event, and joining it in. Does not belong here: the join (`offline/as_of.py`), keeping
looked-up rows online (`online/lookup_state.py`), features computed from them (`offline/feature_table.py`).

A row of a table with an event time counts from a midnight on: 00:00 of its event day plus the days after which the table
arrives, at least one. From then on it is in the lake and in the online store alike, which is what makes the two equal: a change that
was made an hour before an event counts in neither. Of the rows of a key that count, the newest by event time does, then by primary
key; rows older than `max_age_days` do not. A version of a row that changes in place counts from the midnight after its change to that
after the next one, or after the row's end. A reference table has one row for each key, as it is now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration.checks.features import lookup_on
from platform_assets.declaration.sections.changes import CHANGE_SEQUENCE, VERSION_SINCE, VERSION_UNTIL
from platform_assets.declaration.sections.features import FeatureView, Lookup
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.time_zones import days_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.entities import combined_key
from platform_assets.features.errors import FeatureError, PointInTimeError
from platform_assets.features.offline.as_of import as_of_join
from platform_assets.features.offline.lookup_answers import COUNTS_UNTIL, answers_by_day
from platform_assets.features.offline.lookup_answers import KNOWN_DAY as KNOWN_DAY
from platform_assets.features.offline.lookup_answers import LOOKUP_KEY as LOOKUP_KEY

_DAY = "__day"


def arrival_days(source: Source) -> int:
    """Days from a row's event day to the midnight from which it counts."""
    return max(1, source.arrival_delay_days)


def days_to_read(use_case: UseCase, lookup: Lookup, first_day: date, last_day: date) -> tuple[date, date] | None:
    """The days of the table that events of these days look at; None for a reference table."""
    if lookup.max_age_days is None:
        return None
    source = use_case.source(lookup.source)
    return first_day - timedelta(days=lookup.max_age_days), last_day - timedelta(days=arrival_days(source))


def join_lookups(
    events: pl.DataFrame, tables: Mapping[str, pl.DataFrame], view: FeatureView, use_case: UseCase
) -> pl.DataFrame:
    """Events with what the view looks up for them, in the same order; null (or the declared default) where there is nothing.

    Args:
        events: clean rows of the event source.
        tables: clean rows of the tables that the view looks into, by source; of a table with an event time those of
            `days_to_read`, or more.
        view: the view.
        use_case: the declaration.

    Returns:
        The events with a column for each of the look-ups' names. Numbers and booleans are Float64, others as they are stored.

    Raises:
        FeatureError: a table or column is missing.
        PointInTimeError: a reference table has two rows for a key.
    """
    for lookup in view.lookups:
        if lookup.source not in tables:
            raise FeatureError(
                f"view {view.name!r} looks into {lookup.source!r}, which was not given: {sorted(tables)}"
            )
        events = _joined(events, looked_up_rows(use_case, lookup, tables[lookup.source]), lookup, use_case)
    return events


def looked_up_rows(use_case: UseCase, lookup: Lookup, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table as they are looked up, one for each key and midnight.

    Returns:
        `lookup_key` (text), `known_day` (the day from which the row counts; null in a reference table), and the look-up's names,
        ordered by key and day.

    Raises:
        FeatureError: a column is missing.
        PointInTimeError: a reference table has two rows for a key.
    """
    source, on = use_case.source(lookup.source), lookup_on(use_case, lookup)
    needed = [*on.values(), *lookup.names.values(), *([EVENT_DAY, source.event_time] if source.is_daily else [])]
    missing = [name for name in [*needed, *([lookup.until] if lookup.until else [])] if name not in rows.columns]
    if missing:
        raise FeatureError(f"rows of {source.name!r} lack columns {missing}; they have {rows.columns}")
    if source.event_time is not None:
        order = [source.event_time, *source.primary_key, *(name for name in [CHANGE_SEQUENCE] if name in rows.columns)]
        rows = rows.sort(list(dict.fromkeys(order)))
    versions = rows.select(
        combined_key(on.values(), rows.schema).alias(LOOKUP_KEY),
        _counts_from(source, rows.columns).cast(pl.Date).alias(KNOWN_DAY),
        *_counts_until(lookup, source, rows.columns),
        *(_value(name, rows.schema[column], column) for name, column in lookup.names.items()),
    ).filter(pl.col(LOOKUP_KEY).is_not_null())
    if COUNTS_UNTIL in versions.columns:
        assert lookup.max_age_days is not None, "find_problems refuses a table with an event time without max_age_days"
        return answers_by_day(versions, lookup.max_age_days - arrival_days(source))
    if not source.is_daily:
        doubled = versions.filter(pl.col(LOOKUP_KEY).is_duplicated())
        if not doubled.is_empty():
            raise PointInTimeError(
                f"reference table {source.name!r}: {len(doubled)} of {len(versions)} rows repeat a key, for example "
                f"{doubled[LOOKUP_KEY].unique(maintain_order=True).head(3).to_list()}; a look-up needs one row for each"
            )
    return versions.unique([LOOKUP_KEY, KNOWN_DAY], keep="last", maintain_order=True).sort(LOOKUP_KEY, KNOWN_DAY)


def _counts_from(source: Source, columns: Sequence[str]) -> pl.Expr:
    """The midnight from which a row counts; null in a reference table."""
    if not source.is_daily:
        return pl.lit(None, pl.Date)
    day = pl.col(VERSION_SINCE).dt.date() if VERSION_SINCE in columns else pl.col(EVENT_DAY)
    return day + pl.duration(days=arrival_days(source))


def _counts_until(lookup: Lookup, source: Source, columns: Sequence[str]) -> list[pl.Expr]:
    """The midnight from which a row counts no more, null where none does; nothing where rows have no end."""
    ends = [name for name in (VERSION_UNTIL, lookup.until) if name is not None and name in columns]
    if not ends:
        return []
    days = [pl.col(name).cast(pl.Date) + pl.duration(days=arrival_days(source)) for name in ends]
    return [pl.min_horizontal(days).cast(pl.Date).alias(COUNTS_UNTIL)]


def _joined(events: pl.DataFrame, known: pl.DataFrame, lookup: Lookup, use_case: UseCase) -> pl.DataFrame:
    on, source = lookup_on(use_case, lookup), use_case.source(lookup.source)
    requested = events.select(
        combined_key(on, events.schema).alias(LOOKUP_KEY),
        days_of(pl.col(use_case.event_time), use_case.time_zone).alias(_DAY),
    )
    if not source.is_daily:
        rows = requested.join(known.drop(KNOWN_DAY), on=LOOKUP_KEY, how="left", maintain_order="left")
    else:
        assert lookup.max_age_days is not None, "find_problems refuses a table with an event time without max_age_days"
        oldest = timedelta(days=lookup.max_age_days - arrival_days(source))
        rows = as_of_join(requested, known, by=LOOKUP_KEY, row_time=_DAY, table_time=KNOWN_DAY, max_age=oldest)
    return events.with_columns(with_defaults(rows.select(list(lookup.names)), lookup).get_columns())


def with_defaults(rows: pl.DataFrame, lookup: Lookup) -> pl.DataFrame:
    """Looked-up columns with the declared defaults in place of what is missing."""
    filled = {f"{lookup.name}_{column}": value for column, value in lookup.defaults.items()}
    return rows.with_columns(pl.col(name).fill_null(value) for name, value in filled.items())


def _value(name: str, dtype: pl.DataType, column: str) -> pl.Expr:
    value = pl.col(column)
    if dtype.is_numeric() or dtype == pl.Boolean:
        value = value.cast(pl.Float64).fill_nan(None)
    return value.alias(name)
