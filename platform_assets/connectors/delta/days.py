"""Delta tables that somebody else writes: event days, or the whole of a reference table.

Belongs here: which rows of its latest version are delivered, and for which day. Does not belong here: opening and reading a version
(`versions.py`), and following changes (`changes.py`).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.casting import event_days
from platform_assets.connectors.delivery import day_range
from platform_assets.connectors.delta.versions import open_table, query, readable
from platform_assets.connectors.written_forms import as_declared, delivered_time
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
)
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.time_zones import day_start


def read_delta(
    source: Source,
    connector: DeltaConnector,
    use_case_folder: Path,
    first_day: date | None,
    last_day: date | None,
    access: Access,
) -> pl.DataFrame:
    """Rows of the table's latest version.

    A row is delivered for the day of its event time, in UTC or in the source's zone; one without an event time is delivered for no day.

    Raises:
        SourceError: If there is no table, or it cannot be read.
    """
    days = day_range(source, first_day, last_day) if source.is_daily else None
    table = open_table(source, connector, use_case_folder, access)
    with readable(source, connector):
        condition = ""
        time_column = delivered_time(source)
        if days is not None and time_column is not None:
            schema = query(table, "false").schema
            known = time_column in schema
            condition = _within(schema[time_column], time_column, *days, source.time_zone) if known else ""
        delivered = with_positions(as_declared(query(table, condition), source), source, table.version())
    if days is None or source.event_time not in delivered.columns:
        return delivered
    days_of_rows = event_days(delivered[source.event_time or ""], source.time_zone).alias(DELIVERED_DAY)
    return delivered.with_columns(days_of_rows).filter(pl.col(DELIVERED_DAY).is_between(*days))


def with_positions(rows: pl.DataFrame, source: Source, version: int) -> pl.DataFrame:
    """Rows with `source_position` (`delta:orders@12:1234`, version and key), no `delivered_day` and no `source_problem`."""
    new_names = {name: f"{name}_delivered" for name in (*DELIVERY_COLUMNS, *CHANGE_COLUMNS) if name in rows.columns}
    rows = rows.rename(new_names)
    keys = [pl.col(name).cast(pl.String).fill_null("None") for name in source.primary_key if name in rows.columns]
    key = pl.concat_str(keys, separator=",") if keys else pl.lit("")
    return rows.with_columns(
        (pl.lit(f"delta:{source.name}@{version}:") + key).alias(SOURCE_POSITION),
        pl.lit(None, dtype=pl.Date).alias(DELIVERED_DAY),
        pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM),
    )


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _within(dtype: pl.DataType, name: str, first: date, last: date, zone: str) -> str:
    """A condition that files can be skipped by; what is not a time is judged afterwards."""
    column = quoted(name)
    if dtype == pl.Date:
        return f"{column} BETWEEN DATE '{first}' AND DATE '{last}'"
    if not isinstance(dtype, pl.Datetime):
        return ""
    kind = f"""Timestamp(Microsecond, {f'Some("{dtype.time_zone}")' if dtype.time_zone else "None"})"""
    mark = "Z" if dtype.time_zone else ""
    edges = (day_start(first, zone), day_start(last + timedelta(days=1), zone))
    begin, end = (f"arrow_cast('{edge:%Y-%m-%dT%H:%M:%S}{mark}', '{kind}')" for edge in edges)
    return f"{column} >= {begin} AND {column} < {end}"
