"""Names of the columns that travel with every delivered row beside its own.

Belongs here: names and what they mean, and a row's position in one text, which connectors write and every table behind them carries. Does
not belong here: how a connector makes them (`connectors/delivery.py`).
"""

import polars as pl

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

DELIVERY_COLUMNS = (SOURCE_POSITION, SOURCE_LINE, DELIVERED_DAY, SOURCE_PROBLEM)

EXTRA = "extra"
"""JSON object of the columns that the source delivers and the declaration does not know; null where there is none."""

CHANGE_OPERATION = "change_operation"
"""What a change does to its row, `upsert` or `delete`; only in rows of an incremental source."""

CHANGE_SEQUENCE = "change_sequence"
"""Order among the changes of one key: larger is newer, equal is the same change delivered twice."""

CHANGE_TIME = "change_made_at"
"""When the change was made in its source; null where the source does not say, and for rows of a snapshot."""

UPSERT, DELETE = "upsert", "delete"

CHANGE_COLUMNS = (CHANGE_OPERATION, CHANGE_SEQUENCE, CHANGE_TIME)

WHOLE_ROW = "*"
"""Stands for the column in `UNCAST` when the row could not be taken apart at all."""


def row_positions(rows: pl.DataFrame) -> pl.Series:
    """Where each row came from, in one text: `file.csv:17`, `simulator:transactions:2018-04-01:17`, `postgresql:orders:1234`."""
    if SOURCE_LINE not in rows.columns:
        return rows[SOURCE_POSITION]
    with_line = pl.format("{}:{}", SOURCE_POSITION, SOURCE_LINE)
    text = pl.when(pl.col(SOURCE_LINE).is_null()).then(SOURCE_POSITION).otherwise(with_line)
    return rows.select(text.alias(SOURCE_POSITION)).to_series()
