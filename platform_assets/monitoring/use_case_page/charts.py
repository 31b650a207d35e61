"""Figures over time as SVG that follows the page's colours, light or dark.

Belongs here: lines, bands, bounds, ticks. Does not belong here: which figures are drawn (`page.py`).

Series are told apart by dashes and by words at their ends, never by colour alone.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from platform_assets.monitoring.use_case_page.state import SeriesPoint, StateSeries
from platform_assets.pictures.numbers import quantity

WIDTH, HEIGHT = 460, 170
LEFT, RIGHT, TOP, BOTTOM = 58, 112, 10, 24
STYLES = ("a", "b", "c")
TICKS = 3
FROM_ZERO = ("count", "milliseconds", "ratio")
"""Units of amounts: an axis that begins elsewhere exaggerates."""
LABEL_APART = 13
SHORT_UNITS = ("count", "milliseconds", "ratio")
"""Units that have room beside an axis; others stand with the newest value."""
MANY_POINTS = 20


@dataclass(frozen=True)
class _Scale:
    first: date
    last: date
    low: float
    high: float

    def x(self, day: date) -> float:
        span = (self.last - self.first).days
        share = (day - self.first).days / span if span else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def chart(series: Sequence[StateSeries]) -> str:
    """One picture of series that share a unit, as an SVG element; empty where none has a value."""
    drawn = [one for one in series if _values([one])]
    if not drawn:
        return ""
    unit = drawn[0].unit
    bounds = {(one.bound, one.bound_is_lower) for one in drawn if one.bound is not None}
    low, high, step = nice_range([*_values(drawn), *(bound for bound, _ in bounds)], from_zero=unit in FROM_ZERO)
    days = [point.day for one in drawn for point in one.points]
    scale = _Scale(min(days), max(days), low, high)
    parts = [*_grid(scale, step, unit), *_days(scale)]
    labels = []
    for bound, is_lower in sorted(bounds):
        y = scale.y(bound)
        parts.append(f'<line class="bound" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        labels.append((y, f"{'least' if is_lower else 'most'} {quantity(bound, unit)}", "bound-text"))
    for style, one in zip(STYLES, drawn, strict=False):
        parts += _line(scale, one, style)
        shown = [point for point in one.points if point.value is not None]
        value = shown[-1].value
        assert value is not None
        name = one.title.split()[0] if len(drawn) > 1 else ""
        labels.append((scale.y(value), f"{name} {quantity(value, unit)}".strip(), f"text-{style}"))
    parts += _labels(labels)
    title = html.escape(
        "; ".join(f"{one.title}: {quantity(one.last.value if one.last else None, unit)}" for one in drawn)
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">{"".join(parts)}</svg>'


def nice_range(values: Sequence[float], *, from_zero: bool = False) -> tuple[float, float, float]:
    """Round ends that hold all values, and the step between ticks; from 0 on where the values are not far from it."""
    low, high = min(values), max(values)
    if low > 0 and (from_zero or low < 0.6 * high):
        low = 0.0
    if high == low:
        low, high = (low - abs(low) / 2, high + abs(high) / 2) if high else (0.0, 1.0)
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw)
    return step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9), step


def _values(series: Iterable[StateSeries]) -> list[float]:
    found = [value for one in series for point in one.points for value in (point.value, point.low, point.high)]
    return [value for value in found if value is not None and math.isfinite(value)]


def _grid(scale: _Scale, step: float, unit: str) -> list[str]:
    parts = []
    tick_unit = unit if unit in SHORT_UNITS else ""
    for number in range(round((scale.high - scale.low) / step) + 1):
        value = scale.low + number * step
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{quantity(value, tick_unit)}</text>'
        )
    return parts


def _days(scale: _Scale) -> list[str]:
    y = HEIGHT - 6
    if scale.first == scale.last:
        return [f'<text class="tick" x="{scale.x(scale.first):.1f}" y="{y}" text-anchor="middle">{scale.first}</text>']
    ends = ((scale.first, "start"), (scale.last, "end"))
    return [
        f'<text class="tick" x="{scale.x(day):.1f}" y="{y}" text-anchor="{anchor}">{day}</text>' for day, anchor in ends
    ]


def _line(scale: _Scale, series: StateSeries, style: str) -> list[str]:
    """Band, line and dots; a gap where a value lacks."""
    parts = []
    for run in _runs(series.points):
        places = [(scale.x(point.day), scale.y(point.value)) for point in run if point.value is not None]
        banded = [point for point in run if point.low is not None and point.high is not None]
        if len(banded) == 1:
            x, low, high = scale.x(banded[0].day), scale.y(banded[0].low or 0), scale.y(banded[0].high or 0)
            parts.append(f'<line class="whisker {style}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        elif banded:
            edge = [(scale.x(one.day), scale.y(one.high or 0)) for one in banded]
            edge += [(scale.x(one.day), scale.y(one.low or 0)) for one in reversed(banded)]
            parts.append(f'<polygon class="band {style}" points="{_path(edge)}"/>')
        parts.append(f'<polyline class="line {style}" points="{_path(places)}"/>')
    parts += [_dot(scale, series, point, style) for point in series.points if point.value is not None]
    return parts


def _dot(scale: _Scale, series: StateSeries, point: SeriesPoint, style: str) -> str:
    value = point.value or 0.0
    x, y = scale.x(point.day), scale.y(value)
    span = (
        f" ({quantity(point.low, series.unit)} to {quantity(point.high, series.unit)})" if point.low is not None else ""
    )
    words = f"<title>{point.day}: {quantity(value, series.unit)}{span}</title>"
    bad = series.bound is not None and (value < series.bound if series.bound_is_lower else value > series.bound)
    if bad:
        return f'<rect class="bad" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7">{words}</rect>'
    return f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="{1.5 if len(series.points) > MANY_POINTS else 2.4}">{words}</circle>'


def _runs(points: Sequence[SeriesPoint]) -> list[list[SeriesPoint]]:
    """Stretches of points that have values."""
    runs: list[list[SeriesPoint]] = [[]]
    for point in points:
        if point.value is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _labels(labels: list[tuple[float, str, str]]) -> list[str]:
    """Words at the right end, pushed apart where they would overlap."""
    parts, last = [], -math.inf
    for y, words, style in sorted(labels):
        last = max(y, last + LABEL_APART)
        parts.append(f'<text class="{style}" x="{WIDTH - RIGHT + 8}" y="{last + 3.5:.1f}">{html.escape(words)}</text>')
    return parts


def _path(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
