"""On which days a source has events, as declared.

Belongs here: the calendar, and what it says of a day. Does not belong here: days that a person accepted (`pipelines/acceptances.py`), and
judging a delivery by it (`validation/table_rules.py`).
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from platform_assets.declaration.base import Declaration

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


def _in_full(given: Any) -> Any:
    """`Mon` and `Monday` are the same day."""
    if not isinstance(given, str):
        return given
    named = [day for day in WEEKDAYS if day == given.lower() or (len(given) == 3 and day.startswith(given.lower()))]
    return named[0] if named else given


class HolidaysFileError(ValueError):
    """The file with the holidays cannot be read; the message names file and line."""


class Calendar(Declaration):
    """The days on which a source has events. On every other day it has none, and a row of such a day is a mistake."""

    weekdays: tuple[Annotated[Weekday, BeforeValidator(_in_full)], ...] = Field(
        default=WEEKDAYS, min_length=1, description="Days of the week with events, such as `[monday, saturday]`."
    )
    holidays: tuple[date, ...] = Field(default=(), description="Days without events beside these, as `2026-04-03`.")
    holidays_file: str | None = Field(
        default=None,
        description="Text file with further holidays, relative to the use case's folder: a day at the start of each line, then, after a "
        "comma or a blank, whatever else is to be said of it. Lines that start with `#` do not count.",
    )
    any_day: bool = Field(
        default=False, description="Whether any day may be without events, so that none is refused for having no rows."
    )

    def closed(self, day: date) -> str | None:
        """Why a day has no events; None where it has, or may have, some."""
        if day in self.holidays:
            return "a holiday"
        weekday = WEEKDAYS[day.weekday()]
        return None if weekday in self.weekdays else f"a {weekday.capitalize()}"

    def may_be_empty(self, day: date) -> bool:
        """Whether a day without rows is as declared."""
        return self.any_day or self.closed(day) is not None

    def in_folder(self, folder: Path) -> "Calendar":
        """The calendar with the holidays of its file.

        Raises:
            HolidaysFileError: the file is missing, or a line of it is no day.
        """
        if self.holidays_file is None:
            return self
        listed = read_holidays(folder / self.holidays_file)
        return self.model_copy(update={"holidays": tuple(sorted({*self.holidays, *listed}))})


EVERY_DAY = Calendar()
ANY_DAY = Calendar(any_day=True)
MONDAY_TO_FRIDAY = Calendar(weekdays=WEEKDAYS[:5])

EventDays = Literal["any", "weekdays"] | Calendar
"""`any` (a day may be without events), `weekdays` (Monday to Friday), or a calendar."""


def calendar_of(declared: EventDays | None) -> Calendar:
    """The calendar that a declaration means; without one every day has events."""
    if isinstance(declared, Calendar):
        return declared
    return {"any": ANY_DAY, "weekdays": MONDAY_TO_FRIDAY}.get(declared or "", EVERY_DAY)


def read_holidays(path: Path) -> list[date]:
    """The days in a file of holidays.

    Raises:
        HolidaysFileError: the file is missing, or a line of it is no day.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HolidaysFileError(f"{path} cannot be read as the holidays of a calendar: {error}") from error
    days = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        first = text.replace(",", " ").replace(";", " ").split()[0].strip("\"'")
        try:
            days.append(date.fromisoformat(first))
        except ValueError as error:
            if number == 1 and not first[:1].isdigit():
                continue  # the header of a CSV file
            raise HolidaysFileError(f"{path}:{number}: {first!r} is no day: write it as 2026-04-03") from error
    return days
