"""Values of columns as the code for a single row takes them.

Belongs here: from a value in Python to the form of its kind (`kinds.py`), where it fits its column's type without a conversion that a table
would not make. Does not belong here: what to say of a value that does not fit (whoever received it).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from platform_assets.declaration.expressions.kinds import Kind, kind_of, largest_of
from platform_assets.declaration.expressions.tree import Scalar

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LARGEST = 2**63


class Unfit(Exception):
    """A value is not plainly one of its column's type: a table may still take it, or refuse it."""


Taker = Callable[[Any], Scalar]
"""From a value to its form; raises `Unfit`."""


def taker_of(dtype: pl.DataType) -> Taker:
    """What takes the values of a column."""
    kind = kind_of(dtype)
    if kind is Kind.WHOLE:
        return _whole(largest_of(dtype), dtype.is_signed_integer())
    return _TAKERS.get(kind, _nothing)


def _whole(largest: int, signed: bool) -> Taker:
    smallest = -largest if signed else 0

    def take(value: Any) -> Scalar:
        if type(value) is int and smallest <= value < largest:
            return value
        return _nothing(value)

    return take


def _nothing(value: Any) -> Scalar:
    if value is None:
        return None
    raise Unfit


def _float(value: Any) -> Scalar:
    if type(value) is float:
        return value
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return float(value)
    return _nothing(value)


def _bool(value: Any) -> Scalar:
    return value if type(value) is bool else _nothing(value)


def _text(value: Any) -> Scalar:
    if type(value) is str and (value.isascii() or _is_unicode(value)):
        return value
    return _nothing(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True


def _day(value: Any) -> Scalar:
    return value.toordinal() - _EPOCH_DAY if type(value) is date else _nothing(value)


def _time(value: Any) -> Scalar:
    if type(value) is not datetime or value.tzinfo is None:
        return _nothing(value)
    at = value if value.tzinfo is UTC else value.astimezone(UTC)
    seconds = ((at.toordinal() - _EPOCH_DAY) * 24 + at.hour) * 3600 + at.minute * 60 + at.second
    return seconds * 1_000_000 + at.microsecond


_TAKERS: dict[Kind | None, Taker] = {
    Kind.FLOAT: _float,
    Kind.BOOL: _bool,
    Kind.TEXT: _text,
    Kind.DAY: _day,
    Kind.TIME: _time,
}
