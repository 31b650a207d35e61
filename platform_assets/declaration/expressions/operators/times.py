"""Days and times.

Belongs here: parts of days and times, all in UTC, which is how the platform keeps times. Does not belong here: days of a use case's time
zone, which are columns of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators.base import Strict
from platform_assets.declaration.expressions.tree import Operator

D, T, W = Kind.DAY, Kind.TIME, Kind.WHOLE
_DAY_OF_TIME = "{0} // 86_400_000_000"


def _part(name: str, engine: Callable[..., pl.Expr], code: str, largest: int) -> Sequence[Operator]:
    """A part of a day, which a time has too."""

    def whole(value: pl.Expr) -> pl.Expr:
        return engine(value).cast(pl.Int64)

    of_time = code.replace("{0}", f"({_DAY_OF_TIME})")
    return tuple(
        Strict(name, (kind,), W, whole, text, bound=lambda bound: largest) for kind, text in ((T, of_time), (D, code))
    )


def _clock(name: str, engine: Callable[..., pl.Expr], code: str) -> Sequence[Operator]:
    """A part of a time of day."""
    return (Strict(name, (T,), W, lambda value: engine(value).cast(pl.Int64), code, bound=lambda bound: 60),)


_DOW = _part("DOW", lambda at: at.dt.weekday().cast(pl.Int64) % 7, "({0} + 4) % 7", 7)
_DOY = _part("DOY", lambda at: at.dt.ordinal_day(), "day_of_year({0})", 366)
_WEEK = _part("WEEK", lambda at: at.dt.week(), "date_of({0}).isocalendar()[1]", 53)
PARTS: dict[str, Sequence[Operator]] = {
    "hour": _clock("HOUR", lambda at: at.dt.hour(), "{0} // 3_600_000_000 % 24"),
    "minute": _clock("MINUTE", lambda at: at.dt.minute(), "{0} // 60_000_000 % 60"),
    "second": _clock("SECOND", lambda at: at.dt.second(), "{0} // 1_000_000 % 60"),
    "isodow": _part("ISODOW", lambda at: at.dt.weekday(), "({0} + 3) % 7 + 1", 7),
    "dow": _DOW,
    "dayofweek": _DOW,
    "day": _part("DAY", lambda at: at.dt.day(), "date_of({0}).day", 31),
    "month": _part("MONTH", lambda at: at.dt.month(), "date_of({0}).month", 12),
    "quarter": _part("QUARTER", lambda at: at.dt.quarter(), "(date_of({0}).month + 2) // 3", 4),
    "year": _part("YEAR", lambda at: at.dt.year(), "date_of({0}).year", 10**6),
    "doy": _DOY,
    "dayofyear": _DOY,
    "week": _WEEK,
    "isoweek": _WEEK,
    "isoyear": _part("ISOYEAR", lambda at: at.dt.iso_year(), "date_of({0}).isocalendar()[0]", 10**6),
}
"""Parts by the name that EXTRACT gives them."""

TIMES: dict[str, Sequence[Operator]] = {
    "microseconds": [Strict("EPOCH", (T,), W, lambda at: at.to_physical(), "{0}")],
    "day_of": [Strict("CAST AS DATE", (T,), D, lambda at: at.dt.date(), _DAY_OF_TIME)],
}
