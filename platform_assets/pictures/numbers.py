"""Numbers as people read them: thousands apart, with their unit, no digit too many.

Belongs here: formatting alone. Does not belong here: what is shown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
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


def share(ratio: float) -> str:
    """A part of a whole in percent, with the digits that tell it from nothing and from all: `99.4 %`, `0.03 %`, `42 %`."""
    edge = min(abs(ratio), abs(1.0 - ratio))
    digits = 0 if edge >= 0.1 or edge == 0 else 1 if edge >= 0.01 / 2 else 2 if edge >= 0.0005 else 3
    return f"{100 * ratio:.{digits}f}{THIN_SPACE}%"


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


def readable(value: float, unit: str = "") -> str:
    """A figure on an axis or beside a mark: three digits that count, thousands apart; `%` makes a share of 1 a percentage."""
    if not math.isfinite(value):
        return "–"
    if unit == "%":
        value *= 100
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-4:
        shown = f"{value:.3g}"
    elif size >= 1000 or value == round(value):
        shown = f"{value:,.0f}"
    else:
        shown = f"{float(f'{value:.3g}'):.6f}".rstrip("0").rstrip(".")
    return f"{shown}{THIN_SPACE}{unit}" if unit else shown


def alike(values: Sequence[float]) -> list[str]:
    """Figures that stand below each other, all with the decimals that the smallest difference between neighbours needs, six at most."""
    known = sorted({value for value in values if math.isfinite(value)})
    apart = min(
        (b - a for a, b in itertools.pairwise(known) if b - a > 0.0), default=abs(known[0]) / 100 if known else 1.0
    )
    largest = max((abs(value) for value in known), default=1.0) or 1.0
    digits = 0 if apart == 0.0 else max(0, -math.floor(math.log10(apart)))
    digits = min(6, digits, max(0, 3 - math.floor(math.log10(largest))))
    return [f"{value:,.{digits}f}" if math.isfinite(value) else "–" for value in values]


def with_spread(mean: float, spread: float | None) -> str:
    """A mean with its spread, both to the digit in which the spread has its second: `0.9012 ± 0.0034`, `1,234 ± 56`."""
    if spread is None or not math.isfinite(spread) or spread == 0.0:
        return readable(mean)
    digits = max(0, min(6, 1 - math.floor(math.log10(spread))))
    return f"{mean:,.{digits}f} ± {spread:,.{digits}f}"
