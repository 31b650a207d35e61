"""Days of a time zone: where they begin, and which one a moment belongs to.

Belongs here: arithmetic between moments (always UTC) and the days of a declared zone, some of which have 23 or 25 hours. Does not belong
here: which sources are cut in a zone (`sections/sources.py`), and windows over its days (`features/aggregation/`).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import AfterValidator

UTC_ZONE = "UTC"
MICROSECONDS_PER_DAY = 86_400_000_000

_EPOCH, _EPOCH_TIME = date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = date(1900, 1, 1), date(2200, 1, 1)


def _is_zone(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no time zone: write one of the IANA database, such as America/Chicago"
        ) from error
    return name


TimeZone = Annotated[str, AfterValidator(_is_zone)]


@lru_cache(maxsize=32)
def zone_of(name: str) -> ZoneInfo:
    """The zone of that name.

    Raises:
        ZoneInfoNotFoundError: there is none.
    """
    return ZoneInfo(name)


def day_start(day: date, zone: str = UTC_ZONE) -> datetime:
    """The moment, in UTC, at which a day begins in a zone. A midnight that clocks skip is the moment at which they do."""
    return datetime.combine(day, time(), tzinfo=zone_of(zone)).astimezone(UTC)


def day_of(moment: datetime, zone: str = UTC_ZONE) -> date:
    """The day of a moment in a zone."""
    return moment.astimezone(UTC if zone == UTC_ZONE else zone_of(zone)).date()


def days_of(times: pl.Expr, zone: str = UTC_ZONE) -> pl.Expr:
    """The day of each time (Datetime in UTC) in a zone."""
    return times.cast(pl.Date) if zone == UTC_ZONE else times.dt.convert_time_zone(zone).dt.date()


def hours_of(day: date, zone: str = UTC_ZONE) -> set[int]:
    """The hours that clocks of a zone show on a day; one of them lacks where they are put forward."""
    begin, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    steps = int((end - begin) / timedelta(minutes=30))
    return {(begin + timedelta(minutes=30 * step)).astimezone(zone_of(zone)).hour for step in range(steps)}


@lru_cache(maxsize=8)
def _day_starts(zone: str) -> NDArray[np.int64]:
    """Microseconds since 1970 UTC at which each day from 1900 to 2200 begins in a zone."""
    days = ((day_start(_FIRST + timedelta(days=i), zone) - _EPOCH_TIME) for i in range((_LAST - _FIRST).days))
    return np.array([start // timedelta(microseconds=1) for start in days], dtype=np.int64)


def by_the_calendar(times: NDArray[np.int64], zone: str) -> NDArray[np.int64]:
    """Times on a scale on which each day of a zone has 24 hours: where whole days are counted as in UTC.

    A time keeps its distance from the midnight before it; the last hour of a day with 25 is the last microsecond of its 24. The order of
    times stays.

    Args:
        times: int64 [n], microseconds since 1970 UTC.
        zone: name of the zone.
    """
    if zone == UTC_ZONE:
        return times
    starts = _day_starts(zone)
    index = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(starts) - 1)
    day = index + (_FIRST - _EPOCH).days
    passed = np.clip(times - starts[index], 0, MICROSECONDS_PER_DAY - 1)
    return np.asarray(day * MICROSECONDS_PER_DAY + passed, dtype=np.int64)


def latest_by_the_calendar(instant: int, zone: str) -> int:
    """The latest time, in microseconds since 1970 UTC, that `by_the_calendar` puts at an instant of its scale or before it."""
    if zone == UTC_ZONE:
        return instant
    starts = _day_starts(zone)
    day, passed = divmod(instant, MICROSECONDS_PER_DAY)
    index = min(max(day - (_FIRST - _EPOCH).days, 0), len(starts) - 2)
    last = int(starts[index + 1]) - 1
    return last if passed == MICROSECONDS_PER_DAY - 1 else min(int(starts[index]) + passed, last)
