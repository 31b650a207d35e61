"""Pictures of a drift report as SVG that follows the page's colours, light or dark.

Belongs here: a column's values on both sides, its statistic over the windows, all windows. Does not belong here: the page (`page.py`).

The reference is a filled shape behind, the window a line before it: told apart by form, not by colour.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import date

from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.monitoring.drift_report.distributions import Distribution
from platform_assets.monitoring.drift_report.history import DriftWindow
from platform_assets.pictures.numbers import readable, share

WIDTH, HEIGHT, FLOOR, LEFT, TOP = 330, 120, 98, 8, 16
BAR = 18
TREND_WIDTH, TREND_HEIGHT = 330, 76
HIGHEST_SHARE = 3.0
"""A trend ends here; what lies higher is at the edge, and its number stands beside it."""


def distribution_chart(found: Distribution, name: str) -> str:
    """The reference's values filled, the window's as a line."""
    return _category_chart(found, name) if found.kind == "categories" else _number_chart(found, name)


def _number_chart(found: Distribution, name: str) -> str:
    edges = [math.log(edge) if found.kind == "logarithm" else edge for edge in found.edges]
    low, high = edges[0], edges[-1]
    tallest = max(*found.reference, *found.current, 1e-9)

    def x(edge: float) -> float:
        return LEFT + (WIDTH - 2 * LEFT) * (edge - low) / (high - low)

    def steps(shares: Sequence[float]) -> str:
        points = [(x(edges[0]), float(FLOOR))]
        for number, one in enumerate(shares):
            y = FLOOR - (FLOOR - TOP) * one / tallest
            points += [(x(edges[number]), y), (x(edges[number + 1]), y)]
        return _points([*points, (x(edges[-1]), float(FLOOR))])

    places = [0, len(edges) // 2, len(edges) - 1] if len(edges) > 2 else [0, len(edges) - 1]
    anchors = ("start", "middle", "end") if len(places) == 3 else ("start", "end")
    ticks = [
        _text(x(edges[place]), FLOOR + 14, readable(found.edges[place]), "tick", anchor)
        for place, anchor in zip(places, anchors, strict=True)
    ]
    outside = share(found.outside) if found.outside >= 0.0005 else ""
    beyond = f"; {outside} of now lie further out" if outside else ""
    scale, short = (" (logarithmic scale)", ", log scale") if found.kind == "logarithm" else ("", "")
    words = f"{name}{scale}: the reference filled, this window as a line, up to {share(tallest)} of the rows{beyond}"
    body = [
        _text(
            LEFT,
            10,
            f"{share(tallest)} of the rows{short}{f'; now {outside} beyond' if outside else ''}",
            "tick",
            "start",
        ),
        f'<polygon class="was" points="{steps(found.reference)}"/>',
        f'<polyline class="now" points="{steps(found.current)}"/>',
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{FLOOR}" y2="{FLOOR}"/>',
        *ticks,
    ]
    return _svg(WIDTH, HEIGHT, words, body)


def _category_chart(found: Distribution, name: str) -> str:
    left, right, body = 132, 48, []
    tallest = max(*found.reference, *found.current, 1e-9)
    for number, (category, before, now) in enumerate(zip(found.names, found.reference, found.current, strict=True)):
        y = 4 + BAR * number
        reach, bottom = WIDTH - left - right, y + BAR - 4
        at = f"{left + reach * now / tallest:.1f}"
        body += [
            _text(left - 6, y + 12, category, "tick", "end"),
            f'<rect class="was" x="{left}" y="{y}" width="{reach * before / tallest:.1f}" height="{BAR - 5}"/>',
            f'<line class="now" x1="{at}" x2="{at}" y1="{y - 1}" y2="{bottom}"/>',
            _text(WIDTH - 2, y + 12, share(now), "tick", "end"),
        ]
    words = f"{name}: share of each category, the reference as bars, this window as a line and a number"
    return _svg(WIDTH, 8 + BAR * len(found.names), words, body)


def trend_chart(column: str, windows: Sequence[DriftWindow], newest: float | None, day: date) -> str:
    """A column's deciding statistic in limits, window by window; empty where no earlier window has one."""
    points = [(one.day, one.shares.get(column)) for one in windows] + [(day, newest)]
    known = [(when, value) for when, value in points if value is not None]
    if len(known) < 2:
        return ""
    first, span = points[0][0], max(1, (day - points[0][0]).days)
    top = min(HIGHEST_SHARE, max(1.25, *(value for _, value in known)))
    floor, right = TREND_HEIGHT - 16, 62

    def place(when: date, value: float) -> tuple[float, float]:
        x = LEFT + (TREND_WIDTH - LEFT - right) * (when - first).days / span
        return x, floor - (floor - 8) * min(value, top) / top

    limit = floor - (floor - 8) / top
    places = [place(when, value) for when, value in known]
    marks = [
        f'<rect class="bad" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5"/>'
        if value > 1.0
        else f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2"/>'
        for (x, y), (_, value) in zip(places, known, strict=True)
    ]
    last = known[-1][1]
    label_y = places[-1][1] + 4
    if abs(label_y - (limit + 4)) < 12:
        label_y = limit + 4 + (13 if last <= 1.0 else -12)
    body = [
        f'<line class="bound" x1="{LEFT}" x2="{TREND_WIDTH - right}" y1="{limit:.1f}" y2="{limit:.1f}"/>',
        _text(TREND_WIDTH - right + 6, limit + 4, "limit", "bound-text", "start"),
        f'<line class="axis" x1="{LEFT}" x2="{TREND_WIDTH - right}" y1="{floor}" y2="{floor}"/>',
        f'<polyline class="trend" points="{_points(places)}"/>',
        *marks,
        _text(
            TREND_WIDTH - right + 6, label_y, f"{readable(last)} ×", "bad-text" if last > 1.0 else "now-text", "start"
        ),
        _text(LEFT, TREND_HEIGHT - 3, str(first), "tick", "start"),
        _text(TREND_WIDTH - right, TREND_HEIGHT - 3, str(day), "tick", "end"),
    ]
    words = f"{column.removeprefix(FEATURE_PREFIX)}: in limits over {len(known)} windows, now {readable(last)}"
    return _svg(TREND_WIDTH, TREND_HEIGHT, words, body)


def windows_chart(windows: Sequence[DriftWindow]) -> str:
    """How many columns did not pass in each window, the newest at the right; a window without any has a dot on the floor."""
    width, height, floor = 680, 92, 68
    step = (width - 2 * LEFT) / max(len(windows), 1)
    most = max([1, *(one.failed for one in windows)])
    body = [f'<line class="axis" x1="{LEFT}" x2="{width - LEFT}" y1="{floor}" y2="{floor}"/>']
    for number, one in enumerate(windows):
        x = LEFT + step * (number + 0.5)
        words = f"<title>{one.day}: {html.escape(one.status)}, {one.failed} of {one.columns} columns</title>"
        if one.failed == 0:
            body.append(f'<circle class="fine" cx="{x:.1f}" cy="{floor - 5}" r="3.2">{words}</circle>')
            continue
        tall = (floor - 20) * one.failed / most
        wide = min(26.0, step * 0.7)
        kind = "none-known" if one.status == "no_verdict" else "bad"
        body.append(
            f'<rect class="{kind}" x="{x - wide / 2:.1f}" y="{floor - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">{words}</rect>'
        )
        if step >= 20 or one.failed == most:
            body.append(_text(x, floor - tall - 4, str(one.failed), "tick", "middle"))
    body.append(_text(LEFT, height - 8, str(windows[0].day), "tick", "start"))
    if len(windows) > 1:
        body.append(_text(width - LEFT, height - 8, str(windows[-1].day), "tick", "end"))
    words = (
        f"columns that did not pass in each of {len(windows)} windows: {', '.join(str(one.failed) for one in windows)}"
    )
    return _svg(width, height, words, body)


def _svg(width: float, height: float, words: str, body: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(words)}">{"".join(body)}</svg>'


def _text(x: float, y: float, words: str, style: str, anchor: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
