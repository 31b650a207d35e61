"""What travels with every row beside its own columns.

Belongs here: the names of these columns, and how they are made. Does not belong here: the row's own values.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    EXTRA,
    SOURCE_LINE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UNCAST,
    WHOLE_ROW,
)
from platform_assets.declaration.delivered_columns import row_positions as positions
from platform_assets.declaration.sections.changes import CHANGE_OPERATION, CHANGE_SEQUENCE, DELETE, UPSERT
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


def uncast_text(column: str, text: pl.Expr) -> pl.Expr:
    """`amount='12,5'`, with quotes in the text doubled; null where the text is."""
    return pl.format("{}='{}'", pl.lit(column), text.str.replace_all("'", "''", literal=True))


def first_uncast(uncast: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Column and text of the first cell that `uncast` lists."""
    pattern = r"(?s)^(\w+|\*)='((?:[^']|'')*)'"
    text = uncast.str.extract(pattern, 2).str.replace_all("''", "'", literal=True)
    return uncast.str.extract(pattern, 1), text
