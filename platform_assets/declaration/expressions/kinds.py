"""Kinds of values in an expression.

Belongs here: which kinds there are, which column has which, and what a value of it is in a table and in Python. Does not belong here:
what is computed with them (`operators/`).
"""

from __future__ import annotations

from enum import Enum

import polars as pl


class Kind(Enum):
    """A kind of value. A missing value is null in a table and None in Python, of every kind."""

    WHOLE = "whole number"
    """64 bits with a sign; an int in Python."""
    FLOAT = "number"
    """A double; a float in Python."""
    BOOL = "condition"
    TEXT = "text"
    DAY = "day"
    """Days since 1970 in Python: an int."""
    TIME = "time"
    """In UTC; microseconds since 1970 in Python: an int."""
    NOTHING = "null"
    """What NULL is before it stands beside something."""


ENGINE_TYPES: dict[Kind, pl.DataType] = {
    Kind.WHOLE: pl.Int64(),
    Kind.FLOAT: pl.Float64(),
    Kind.BOOL: pl.Boolean(),
    Kind.TEXT: pl.String(),
    Kind.DAY: pl.Date(),
    Kind.TIME: pl.Datetime("us", "UTC"),
    Kind.NOTHING: pl.Null(),
}
"""What a kind is in a table."""

LARGEST_WHOLE = 2**63 - 1
_SMALLER_WHOLE: dict[type[pl.DataType], int] = {
    pl.Int8: 2**7,
    pl.Int16: 2**15,
    pl.Int32: 2**31,
    pl.UInt8: 2**8,
    pl.UInt16: 2**16,
    pl.UInt32: 2**32,
}


def kind_of(dtype: pl.DataType) -> Kind | None:
    """The kind of a column's values; None where it has none here."""
    if dtype == pl.Int64() or type(dtype) in _SMALLER_WHOLE:
        return Kind.WHOLE
    if isinstance(dtype, pl.Decimal):
        return Kind.FLOAT
    return next((kind for kind, engine in ENGINE_TYPES.items() if engine == dtype), None)


def largest_of(dtype: pl.DataType) -> int:
    """The largest magnitude of a whole number of this type."""
    return _SMALLER_WHOLE.get(type(dtype), 2**63)
