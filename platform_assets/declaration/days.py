"""Ranges of days, as every room counts them.

Belongs here: calendar arithmetic that knows no table. Does not belong here: which days a use case loads, trains on or watches.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DayRange:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Every day of the range."""
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]

    def __str__(self) -> str:
        """The range in words."""
        return str(self.first) if self.first == self.last else f"{self.first} .. {self.last}"


def consecutive_ranges(days: Iterable[date]) -> list[DayRange]:
    """The days as ranges without a gap, in order."""
    ranges: list[DayRange] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1].last == ONE_DAY:
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges
