"""Values of a database in columns, none changed.

Belongs here: which column a list of Python values makes, and the position of each row. Does not belong here: the cast
to declared types (`connectors/conforming.py`) and asking for rows (`days.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from platform_assets.connectors.written_forms import as_declared
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
)
from platform_assets.declaration.sections.columns import ColumnType
from platform_assets.declaration.sections.sources import Source

_WHOLE_FLOATS = 2**53
"""Every whole number up to this one is a float."""

_DECIMAL_DIGITS = 38


def frame_of(source: Source, names: Sequence[str], rows: Sequence[tuple[Any, ...]], label: str) -> pl.DataFrame:
    """Rows as found, with `source_position` (`postgresql:orders:1234`), no `delivered_day` and no `source_problem`.

    Args:
        source: The declared source: its string columns take the text of numbers, identifiers and documents that have
            no exact type of their own.
        names: The columns of a row, those that are declared under their declared names.
        rows: Values as the driver gives them.
        label: Begins each position; the primary key follows.
    """
    declared = {column.name: column.type for column in source.columns}
    values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    reserved = (*DELIVERY_COLUMNS, *CHANGE_COLUMNS)
    columns = [
        column_of(name, list(cells), declared.get(name)).alias(f"{name}_delivered" if name in reserved else name)
        for name, cells in zip(names, values, strict=True)
    ]
    key = [names.index(name) for name in source.primary_key if name in names]
    positions = [f"{label}:{','.join(str(row[column]) for column in key)}" for row in rows]
    return pl.DataFrame(
        [
            *as_declared(pl.DataFrame(columns), source, are_named=True),
            pl.Series(SOURCE_POSITION, positions, dtype=pl.String),
            pl.Series(DELIVERED_DAY, [None] * len(rows), dtype=pl.Date),
            pl.Series(SOURCE_PROBLEM, [None] * len(rows), dtype=pl.String),
        ]
    )


def column_of(name: str, values: list[Any], declared: ColumnType | None = None) -> pl.Series:
    """A column that holds the values exactly.

    Values of several types in one column (SQLite allows them) become text, as does what has no type in a table:
    identifiers, documents, numbers of more than 38 digits; those of them that floats are declared for and hold are floats.
    """
    as_text = declared == "string"
    values = [bytes(value) if isinstance(value, memoryview | bytearray) else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds == {datetime}:
        return _times(name, values)
    plain: list[tuple[type, Any]] = [
        (bool, pl.Boolean()),
        (float, pl.Float64()),
        (str, pl.String()),
        (date, pl.Date()),
    ]
    for kind, dtype in plain:
        if kinds == {kind}:
            return pl.Series(name, values, dtype=dtype)
    without_text: list[tuple[type, Any]] = [(time, pl.Time()), (timedelta, pl.Duration("us")), (bytes, pl.Binary())]
    for kind, dtype in without_text:
        if kinds == {kind} and not as_text:
            return pl.Series(name, values, dtype=dtype)
    if kinds == {int, float} and all(not isinstance(value, int) or abs(value) <= _WHOLE_FLOATS for value in values):
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    if kinds <= {Decimal, int} and not as_text:
        numbers = _decimals(name, values)
        if numbers is None and declared == "float64":
            numbers = _floats(name, values)
        if numbers is not None:
            return numbers
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _times(name: str, values: list[Any]) -> pl.Series:
    """Times with a zone as UTC; a time without one among them is UTC already."""
    if all(value is None or value.tzinfo is None for value in values):
        return pl.Series(name, values, dtype=pl.Datetime("us"))
    zoned = [
        None if value is None else (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        for value in values
    ]
    return pl.Series(name, zoned, dtype=pl.Datetime("us", "UTC"))


def _decimals(name: str, values: list[Any]) -> pl.Series | None:
    """Exact numbers with the scale of the finest of them; None where a number has too many digits.

    Not-a-number is null, as it is wherever a number is not a float.
    """
    numbers = [Decimal(value) if value is not None else None for value in values]
    numbers = [None if value is None or value.is_nan() else value for value in numbers]
    finite = [value for value in numbers if value is not None]
    if any(not value.is_finite() for value in finite):
        return None
    scale = max((max(0, -int(value.as_tuple().exponent)) for value in finite), default=0)
    whole = max((value.adjusted() + 1 for value in finite), default=1)
    if max(whole, 1) + scale > _DECIMAL_DIGITS:
        return None
    return pl.Series(name, numbers, dtype=pl.Decimal(_DECIMAL_DIGITS, scale))


def _floats(name: str, values: list[Any]) -> pl.Series | None:
    """Exact numbers as the floats that are written with the same digits, not-a-number as null; None where one is none."""
    numbers = [None if value is None or Decimal(value).is_nan() else Decimal(value) for value in values]
    if any(number is not None and Decimal(repr(float(number))) != number for number in numbers):
        return None
    return pl.Series(name, [None if number is None else float(number) for number in numbers], dtype=pl.Float64)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)
