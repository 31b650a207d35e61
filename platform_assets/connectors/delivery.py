"""What travels with every row beside its own columns.

Belongs here: the names of these columns, and how they are made. Does not belong here: the row's own values.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.delivered_columns import CHANGE_COLUMNS as CHANGE_COLUMNS
from platform_assets.declaration.delivered_columns import DELIVERED_DAY as DELIVERED_DAY
from platform_assets.declaration.delivered_columns import DELIVERY_COLUMNS as DELIVERY_COLUMNS
from platform_assets.declaration.delivered_columns import EXTRA as EXTRA
from platform_assets.declaration.delivered_columns import SOURCE_LINE as SOURCE_LINE
from platform_assets.declaration.delivered_columns import SOURCE_POSITION as SOURCE_POSITION
from platform_assets.declaration.delivered_columns import SOURCE_PROBLEM as SOURCE_PROBLEM
from platform_assets.declaration.delivered_columns import UNCAST as UNCAST
from platform_assets.declaration.delivered_columns import WHOLE_ROW as WHOLE_ROW
from platform_assets.declaration.delivered_columns import row_positions as positions
from platform_assets.declaration.sections.changes import CHANGE_OPERATION as CHANGE_OPERATION
from platform_assets.declaration.sections.changes import CHANGE_SEQUENCE as CHANGE_SEQUENCE
from platform_assets.declaration.sections.changes import DELETE as DELETE
from platform_assets.declaration.sections.changes import UPSERT as UPSERT
from platform_assets.declaration.sections.sources import Source

__all__ = [
    "CHANGE_COLUMNS",
    "CHANGE_OPERATION",
    "CHANGE_SEQUENCE",
    "DELETE",
    "DELIVERED_DAY",
    "DELIVERY_COLUMNS",
    "EXTRA",
    "SOURCE_LINE",
    "SOURCE_POSITION",
    "SOURCE_PROBLEM",
    "UNCAST",
    "UPSERT",
    "WHOLE_ROW",
    "day_range",
    "days_between",
    "first_uncast",
    "positions",
    "uncast_text",
]


def day_range(source: Source, first_day: date | None, last_day: date | None) -> tuple[date, date]:
    """The inclusive range that a daily source is asked for.

    Raises:
        SourceError: If an end is missing or the range is empty.
    """
    if first_day is None or last_day is None:
        raise SourceError(f"source '{source.name}' is daily: give both first_day and last_day.")
    if last_day < first_day:
        raise SourceError(f"source '{source.name}': last_day {last_day} lies before first_day {first_day}.")
    return first_day, last_day


def days_between(first_day: date, last_day: date) -> list[date]:
    """Every day of the inclusive range."""
    return [first_day + timedelta(days=i) for i in range((last_day - first_day).days + 1)]


def uncast_text(column: str, text: pl.Expr) -> pl.Expr:
    """`amount='12,5'`, with quotes in the text doubled; null where the text is."""
    return pl.format("{}='{}'", pl.lit(column), text.str.replace_all("'", "''", literal=True))


def first_uncast(uncast: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Column and text of the first cell that `uncast` lists."""
    pattern = r"(?s)^(\w+|\*)='((?:[^']|'')*)'"
    text = uncast.str.extract(pattern, 2).str.replace_all("''", "'", literal=True)
    return uncast.str.extract(pattern, 1), text
