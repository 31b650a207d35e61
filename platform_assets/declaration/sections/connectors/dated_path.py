"""Paths that say which days a file holds.

Belongs here: the placeholders `{event_day}`, `{event_month}`, `{event_year}` and `{event_hour}`, and the days of the name that they give.
Does not belong here: finding and reading files (`connectors/files/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property

from platform_assets.declaration.days import ONE_DAY, DayRange
from platform_assets.declaration.time_zones import hours_of

_PLACEHOLDER = re.compile(r"\{event_(day|month|year|hour)(?::([^{}]*))?\}")
_LOOKALIKE = re.compile(r"\{[^{}/]*event[^{}/]*\}", re.IGNORECASE)
_FORMATS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y", "hour": "%H"}
_LONGEST_DAYS = 800
_SAMPLE = DayRange(date(2023, 1, 1), date(2025, 12, 31))


@dataclass(frozen=True)
class DatedPath:
    """A path with placeholders for the day, each with a format of its own where one is given: `{event_day:%Y/%m/%d}`."""

    path: str

    @property
    def is_dated(self) -> bool:
        """Whether the path says which days a file holds."""
        return _PLACEHOLDER.search(self.path) is not None

    @property
    def is_hourly(self) -> bool:
        """Whether there is a file for each hour."""
        return any(match[1] == "hour" for match in _PLACEHOLDER.finditer(self.path))

    @cached_property
    def holds_several_days(self) -> bool:
        """Whether a file holds more than one day."""
        return self.is_dated and len(self.period(date(2024, 5, 15)).days) > 1

    @property
    def any_day(self) -> str:
        """The path with a star for each placeholder."""
        return _PLACEHOLDER.sub("*", self.path)

    def of(self, day: date, hour: int = 0) -> str:
        """The path of a day, and of an hour where there is a file for each."""
        moment = datetime.combine(day, time(hour))
        return _PLACEHOLDER.sub(lambda match: moment.strftime(match[2] or _FORMATS[match[1]]), self.path)

    def paths(self, day: date, zone: str) -> list[str]:
        """The paths of a day: one, or one for each hour that clocks of a zone show on it."""
        if not self.is_hourly:
            return [self.of(day)]
        return [self.of(day, hour) for hour in sorted(hours_of(day, zone))]

    def period(self, day: date) -> DayRange:
        """The days that are in the file of a day: those around it that have the same path."""
        name, first, last = self.of(day), day, day
        while (last - day).days < _LONGEST_DAYS and self.of(last + ONE_DAY) == name:
            last += ONE_DAY
        while (day - first).days < _LONGEST_DAYS and self.of(first - ONE_DAY) == name:
            first -= ONE_DAY
        return DayRange(first, last)

    def problems(self) -> Iterator[str]:
        """What is wrong with the placeholders."""
        for match in _LOOKALIKE.finditer(_PLACEHOLDER.sub("", self.path)):
            yield f"{match[0]!r} is no placeholder; there are {', '.join('{event_' + name + '}' for name in _FORMATS)}"
        if not self.is_dated:
            return
        seen: set[str] = set()
        newest = ""
        for day in _SAMPLE.days:
            name = self.of(day)
            if name != newest and name in seen:
                example = next(other for other in _SAMPLE.days if self.of(other) == name)
                clash = f"{example} and {day} would have the same file, {name!r}, and days between them another"
                yield f"{clash}: name the year, and the month with a day"
                return
            seen.add(name)
            newest = name
        if len(seen) == 1:
            yield "every day would have the same file: a placeholder must say the day, the month or the year"
        if self.is_hourly and self.holds_several_days:
            yield "a file for each hour needs the day in its path, too"
