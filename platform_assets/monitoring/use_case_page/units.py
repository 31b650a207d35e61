"""Numbers as people read them: thousands apart, with their unit, no digit too many.

Belongs here: formatting alone. Does not belong here: what is shown (`page.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


def count(value: float) -> str:
    """A count, with thousands apart: `1,754,155`."""
    return f"{value:,.0f}"


def percent(ratio: float) -> str:
    """A ratio in percent, with two digits that count: `0.35 %`, `12 %`."""
    value = 100 * ratio
    digits = 0 if abs(value) >= 10 or value == 0 else 1 if abs(value) >= 1 else 2
    return f"{value:.{digits}f}{THIN_SPACE}%"


def duration(seconds: float) -> str:
    """A time span in its largest sensible unit: `40 s`, `12 min`, `5 h`, `3 days`."""
    for size, unit in ((2 * 86_400, "days"), (2 * 3_600, "h"), (2 * 60, "min")):
        if abs(seconds) >= size:
            return f"{count(seconds / (size / 2))} {unit}"
    return f"{count(seconds)} s"


def moment(at: datetime | None) -> str:
    """A time in UTC to the minute; empty for none."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def quantity(value: float | None, unit: str) -> str:
    """A value of a series with its unit; a dash for none."""
    if value is None or value != value:
        return "–"
    if unit == "ratio":
        return percent(value)
    if unit == "count":
        return count(value)
    if unit == "milliseconds":
        return f"{value:.3g}{THIN_SPACE}ms" if value < 1000 else f"{count(value)}{THIN_SPACE}ms"
    shown = count(value) if abs(value) >= 1000 else f"{value:.3g}"
    return f"{shown}{THIN_SPACE}{unit}" if unit else shown
