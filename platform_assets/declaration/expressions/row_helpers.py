"""What the code for a single row calls.

Belongs here: functions on values that are there, each the same to the bit as polars' or numpy's on a column. Does not belong here: the
code itself (`row_code.py`).

Python raises where C gives infinity or NaN: these functions give what C gives.
"""

from __future__ import annotations

import math
import re
from datetime import date
from functools import lru_cache
from math import atan, atan2, copysign, degrees, inf, nan, radians
from typing import Any

__all__ = [
    "acos",
    "asin",
    "atan",
    "atan2",
    "ceil",
    "cos",
    "date_of",
    "day_of_year",
    "degrees",
    "exp",
    "floor",
    "fmod",
    "greatest",
    "held",
    "inf",
    "least",
    "like",
    "ln",
    "log1p",
    "lower",
    "nan",
    "nearest",
    "over_zero",
    "power",
    "radians",
    "remainder",
    "reverse",
    "same",
    "sign",
    "sin",
    "sqrt",
    "tan",
    "trim",
    "trunc",
    "upper",
]

_EXACT_FROM = 2.0**52
"""From here on every double is whole."""


def held(number: int) -> int | None:
    """A whole number where it fits into 64 bits."""
    return number if -0x8000000000000000 <= number <= 0x7FFFFFFFFFFFFFFF else None


def over_zero(number: float, zero: float) -> float:
    """`number` divided by 0.0 or -0.0."""
    return nan if number != number or number == 0.0 else copysign(inf, number) * copysign(1.0, zero)


def remainder(over: int, under: int) -> int | None:
    """With the sign of the dividend; None by zero."""
    if not under:
        return None
    rest = abs(over) % abs(under)
    return -rest if over < 0 else rest


def fmod(over: float, under: float) -> float:
    """With the sign of the dividend; NaN by zero."""
    return math.fmod(over, under) if under and over - over == 0.0 else nan if under == under else under


def ceil(number: float) -> float:
    """The next whole double above."""
    return copysign(float(math.ceil(number)), number) if -_EXACT_FROM < number < _EXACT_FROM else number


def floor(number: float) -> float:
    """The next whole double below."""
    return copysign(float(math.floor(number)), number) if -_EXACT_FROM < number < _EXACT_FROM else number


def trunc(number: float) -> float:
    """The whole part."""
    return copysign(float(int(number)), number) if -_EXACT_FROM < number < _EXACT_FROM else number


def nearest(number: float) -> float:
    """The nearest whole double; of two, the even one."""
    return copysign(float(round(number)), number) if -_EXACT_FROM < number < _EXACT_FROM else number


def sign(number: float) -> float:
    """1, -1, or the number itself where it is a zero or NaN."""
    return 1.0 if number > 0.0 else -1.0 if number < 0.0 else number


def sqrt(number: float) -> float:
    """The square root; NaN of what is negative."""
    return math.sqrt(number) if number >= 0.0 else nan


def exp(number: float) -> float:
    """e to this power."""
    try:
        return math.exp(number)
    except OverflowError:
        return inf


def ln(number: float) -> float:
    """The natural logarithm."""
    return math.log(number) if number > 0.0 else -inf if number == 0.0 else nan


def log1p(number: float) -> float:
    """The natural logarithm of 1 + number."""
    return math.log1p(number) if number > -1.0 else -inf if number == -1.0 else nan


def sin(number: float) -> float:
    """The sine of radians."""
    return math.sin(number) if number - number == 0.0 else nan


def cos(number: float) -> float:
    """The cosine of radians."""
    return math.cos(number) if number - number == 0.0 else nan


def tan(number: float) -> float:
    """The tangent of radians."""
    return math.tan(number) if number - number == 0.0 else nan


def asin(number: float) -> float:
    """The angle in radians of a sine."""
    return math.asin(number) if -1.0 <= number <= 1.0 else nan


def acos(number: float) -> float:
    """The angle in radians of a cosine."""
    return math.acos(number) if -1.0 <= number <= 1.0 else nan


def power(base: float, exponent: float) -> float:
    """`base` to a power."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -inf if base < 0.0 and exponent % 2.0 == 1.0 else inf
    except ValueError:
        if base == 0.0:
            return copysign(inf, base) if exponent % 2.0 == 1.0 else inf
        return nan


def greatest(left: Any, right: Any) -> Any:
    """The larger; of equal ones the second; what is missing or NaN is passed over."""
    if left is None:
        return right
    if right is None or left > right or right != right:
        return left
    return right


def least(left: Any, right: Any) -> Any:
    """The smaller; of equal ones the second; what is missing or NaN is passed over."""
    if left is None:
        return right
    if right is None or left < right or right != right:
        return left
    return right


def same(left: Any, right: Any) -> bool:
    """Whether both are equal, or both missing, or both NaN."""
    if left is None or right is None:
        return left is right
    return bool(left == right or (left != left and right != right))


def date_of(days: int) -> date:
    """The day that lies so many days after 1970-01-01."""
    return date.fromordinal(days + 719_163)


def day_of_year(days: int) -> int:
    """1 on January 1st."""
    day = date_of(days)
    return day.toordinal() - date(day.year, 1, 1).toordinal() + 1


def upper(text: str) -> str:
    """In capitals."""
    return text.upper() if text.isascii() else str(_by_engine(text, "to_uppercase"))


def lower(text: str) -> str:
    """In small letters."""
    return text.lower() if text.isascii() else str(_by_engine(text, "to_lowercase"))


def trim(text: str) -> str:
    """Without white space at its ends."""
    return text.strip(" \t\n\r\v\f") if text.isascii() else str(_by_engine(text, "strip_chars"))


def reverse(text: str) -> str:
    """Backwards."""
    return text[::-1] if text.isascii() else str(_by_engine(text, "reverse"))


def _by_engine(text: str, method: str) -> object:
    """polars' own: its tables of characters are of another version than Python's."""
    import polars as pl

    return getattr(pl.Series([text]).str, method)().item()


@lru_cache(maxsize=256)
def like(pattern: str) -> re.Pattern[str]:
    """A LIKE pattern as a regular expression, for the whole text."""
    parts = ({"%": ".*", "_": "."}.get(part, re.escape(part)) for part in re.split("([%_])", pattern))
    return re.compile("".join(parts), re.DOTALL)
