"""What travels with every row beside its own columns, as connectors make it.

Belongs here: how these columns are made and read. Does not belong here: their names (`declaration/delivered_columns.py`), or the row's
own values.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_LINE, SOURCE_POSITION, SOURCE_PROBLEM
from platform_assets.declaration.sections.sources import Source


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


def no_rows(source: Source) -> pl.DataFrame:
    """What a source without a row delivers: its declared columns, and those that travel with a row."""
    text = {column.name for column in source.columns if source.connector.arrives_as_text(column)}
    columns = {column.name: pl.String() if column.name in text else column.polars_type for column in source.columns}
    delivery = {
        SOURCE_POSITION: pl.String(),
        SOURCE_LINE: pl.Int64(),
        DELIVERED_DAY: pl.Date(),
        SOURCE_PROBLEM: pl.String(),
    }
    return pl.DataFrame(schema={**columns, **delivery})


def uncast_text(column: str, text: pl.Expr) -> pl.Expr:
    """`amount='12,5'`, with quotes in the text doubled; null where the text is."""
    return pl.format("{}='{}'", pl.lit(column), text.str.replace_all("'", "''", literal=True))


def first_uncast(uncast: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Column and text of the first cell that `uncast` lists."""
    pattern = r"(?s)^(\w+|\*)='((?:[^']|'')*)'"
    text = uncast.str.extract(pattern, 2).str.replace_all("''", "'", literal=True)
    return uncast.str.extract(pattern, 1), text
