"""What travels with every row beside its own columns.

What belongs here: the names of these columns, and how they are made. What does not: the row's own values.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.changes import CHANGE_OPERATION as CHANGE_OPERATION
from platform_assets.declaration.sections.changes import CHANGE_SEQUENCE as CHANGE_SEQUENCE
from platform_assets.declaration.sections.changes import DELETE as DELETE
from platform_assets.declaration.sections.changes import UPSERT as UPSERT
from platform_assets.declaration.sections.sources import Source

SOURCE_POSITION = "source_position"
"""Where the row came from: `postgresql:orders:1234`; where `source_line` has a number, the delivery that the row is part of, to
which the line belongs."""

SOURCE_LINE = "source_line"
"""The row's number in its delivery: line of a text file (the header being line 1), row of a Parquet file or of a simulated day;
null where the position needs none. Kept apart: a text of its own for each of many million rows is most of their cost."""

DELIVERED_DAY = "delivered_day"
"""The day the row was delivered for, which may not be the day of its event time; null in a reference table."""

SOURCE_PROBLEM = "source_problem"
"""Why the row could not be taken apart into columns, with its text; null for a row that could."""

UNCAST = "uncast"
"""Cells of a text format that do not fit the declared type, `amount='12,5'`; null for a row without any."""

FOUND_COLUMNS = (SOURCE_POSITION, SOURCE_LINE, DELIVERED_DAY, SOURCE_PROBLEM)

EXTRA = "extra"
"""JSON object of the columns that the source delivers and the declaration does not know; null where there is none."""

CHANGE_COLUMNS = (CHANGE_OPERATION, CHANGE_SEQUENCE)

WHOLE_ROW = "*"
"""Stands for the column in `UNCAST` when the row could not be taken apart at all."""


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


def positions(rows: pl.DataFrame) -> pl.Series:
    """Where each row came from, in one text: `file.csv:17`, `simulator:transactions:2018-04-01:17`, `postgresql:orders:1234`."""
    if SOURCE_LINE not in rows.columns:
        return rows[SOURCE_POSITION]
    with_line = pl.format("{}:{}", SOURCE_POSITION, SOURCE_LINE)
    text = pl.when(pl.col(SOURCE_LINE).is_null()).then(SOURCE_POSITION).otherwise(with_line)
    return rows.select(text.alias(SOURCE_POSITION)).to_series()


def uncast_text(column: str, text: pl.Expr) -> pl.Expr:
    """`amount='12,5'`, with quotes in the text doubled; null where the text is."""
    return pl.format("{}='{}'", pl.lit(column), text.str.replace_all("'", "''", literal=True))


def first_uncast(uncast: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Column and text of the first cell that `uncast` lists."""
    pattern = r"(?s)^(\w+|\*)='((?:[^']|'')*)'"
    text = uncast.str.extract(pattern, 2).str.replace_all("''", "'", literal=True)
    return uncast.str.extract(pattern, 1), text
