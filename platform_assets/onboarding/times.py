"""Times in a table that nobody has described: the format they are written in, and the columns that make one together.

Belongs here: recognising times. Does not belong here: other types (`facts.py`), and which time is that of the event (`guesses.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from itertools import product
from typing import cast

import polars as pl

from platform_assets.connectors.casting import cast_text, cast_typed, text_to_times
from platform_assets.connectors.written_forms import written
from platform_assets.declaration.sections.columns import Column

_DAYS = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
)
_HOURS = ("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p")
_EPOCHS = {"epoch_seconds": 1, "epoch_milliseconds": 10**3, "epoch_microseconds": 10**6}
_EPOCH_SECONDS = (946_684_800, 4_102_444_800)
"""Of the years 2000 to 2100."""
_HOUR_NAMES = frozenset({"hr", "hour", "hours", "hour_of_day", "h", "stunde", "heure", "hora", "ora", "uur"})
_YEAR_NAMES = frozenset({"year", "yr", "jahr", "annee", "ano", "anno", "jaar", "rok"})
_MONTH_NAMES = frozenset({"month", "mon", "mnth", "monat", "mois", "mes", "mese", "maand"})
_DAY_NAMES = frozenset({"day", "dom", "day_of_month", "tag", "jour", "dia", "giorno", "dag"})
_LOOKED_AT = 2000


def read_as(delivered: Sequence[pl.Series], form: str) -> pl.Series:
    """Times of a format, from one or several columns; null where a text is not written so."""
    names = [f"part_{i}" for i in range(len(delivered))]
    fields = {"name": "time", "type": "datetime", "description": "", "format": [form], "from": names}
    column = Column.model_validate(fields)
    return cast_text(written(list(delivered), column), column)


def format_of(text: pl.Series) -> str:
    """The format in which all texts of a column are days or times; nothing where none fits, or days and months may be exchanged."""
    some = text.drop_nulls().unique(maintain_order=True).head(_LOOKED_AT)
    if some.is_empty() or not some.str.contains(r"\d").all():
        return ""
    fitting = [
        day + hour for day, hour in product(_DAYS, _HOURS) if read_as([some.head(3)], day + hour).null_count() == 0
    ]
    fitting = [form for form in fitting if read_as([some], form).null_count() == 0]
    return fitting[0] if len(fitting) == 1 else ""


def format_of_numbers(values: pl.Series, *, is_named_so: bool) -> str:
    """The format in which whole numbers are times: since 1970, or as digits of a day where the column is named like a time."""
    known = values.drop_nulls()
    if known.n_unique() < 2:
        return ""
    for form, factor in _EPOCHS.items():
        if known.is_between(_EPOCH_SECONDS[0] * factor, _EPOCH_SECONDS[1] * factor).all():
            return form
    if (
        is_named_so
        and known.is_between(19_000_101, 21_001_231).all()
        and read_as([known.head(_LOOKED_AT)], "%Y%m%d").null_count() == 0
    ):
        return "%Y%m%d"
    return ""


def parts_of_a_time(
    raw: Mapping[str, pl.Series], typed: Mapping[str, pl.Series], formats: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    """Columns that make the time of an event together, and the format of their texts; nothing where one column has it, or none do.

    Args:
        raw: columns as delivered, by name.
        typed: the same in the types that were found.
        formats: formats of columns that are times in one of their own.
    """
    times = [name for name, values in typed.items() if values.dtype == pl.Datetime("us", "UTC")]
    days = [name for name in times if bool((typed[name].drop_nulls().dt.time() == time(0)).all())] if times else []
    if times and len(days) < len(times):
        return (), ""
    for day in days:
        form = formats.get(day, "%Y-%m-%d")
        if not form.endswith(("%Y", "%y", "%d")) or _is_iso_with_time(raw[day]):
            continue
        for name, values in raw.items():
            hours = _hour_format(name, values, typed[name])
            if hours and read_as([raw[day], values], f"{form} {hours}").null_count() == int(
                (raw[day].is_null() | values.is_null()).sum()
            ):
                return (day, name), f"{form} {hours}"
    if times:
        return (), ""
    year = _named(typed, _YEAR_NAMES, 1800, 2200)
    month = _named(typed, _MONTH_NAMES, 1, 12)
    day_of_month = _named(typed, _DAY_NAMES, 1, 31)
    hour = _named(typed, _HOUR_NAMES, 0, 24)
    if not year:
        return (), ""
    names, forms = [year], ["%Y"]
    for part, form in ((month, "%m"), (day_of_month, "%d"), (hour, "%H")):
        if not part:
            break
        names.append(part)
        forms.append(form)
    return tuple(names), " ".join(forms)


def _is_iso_with_time(values: pl.Series) -> bool:
    if values.dtype == pl.String:
        return bool(values.str.contains(r"\d:\d").any())
    return values.dtype != pl.Date


def _hour_format(name: str, delivered: pl.Series, values: pl.Series) -> str:
    """The format of a column that holds hours or times of a day; nothing for any other."""
    if delivered.dtype == pl.String:
        known = delivered.drop_nulls().str.strip_chars()
        if known.len() and known.str.contains(r"^\d{1,2}:\d{2}$").all():
            return "%H:%M"
        if known.len() and known.str.contains(r"^\d{1,2}:\d{2}:\d{2}$").all():
            return "%H:%M:%S"
    is_hour = name in _HOUR_NAMES or name.endswith(("_hour", "_hr"))
    return "%H" if is_hour and values.dtype == pl.Int64 and _within(values, 0, 24) else ""


def _named(typed: Mapping[str, pl.Series], names: frozenset[str], lowest: int, highest: int) -> str:
    for name, values in typed.items():
        if name in names and values.dtype == pl.Int64 and _within(values, lowest, highest):
            return name
    return ""


def _within(values: pl.Series, lowest: int, highest: int) -> bool:
    known = values.drop_nulls()
    return bool(known.len()) and bool(known.is_between(lowest, highest).all())


def widen(spans: dict[str, tuple[datetime, datetime]], frame: pl.DataFrame) -> None:
    """Take the first and last time of a file's columns into account."""
    for values in frame:
        if values.dtype == pl.String:
            known = values.drop_nulls()
            if not known.len() or text_to_times(known.head(1)).null_count():
                continue
            values = text_to_times(known)
        elif values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
            plain = values.cast(pl.Datetime("us")) if values.dtype == pl.Date else values
            values, _ = cast_typed(plain, Column(name="time", type="datetime", description="", nullable=True))
        else:
            continue
        first, last = cast(datetime | None, values.min()), cast(datetime | None, values.max())
        if first is not None and last is not None:
            before = spans.get(values.name, (first, last))
            spans[values.name] = (min(first, before[0]), max(last, before[1]))
