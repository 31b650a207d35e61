"""Pictures so small that Dagster shows them beside the other figures of a partition, and not behind a link.

Dagster's UI writes Markdown out where it has fewer than 1,000 characters, and puts "[Show Markdown]" in the place of a longer one
(`MetadataEntry` of dagster-webserver 1.13, measured in Chromium): a picture with axes has ten thousand. So a partition gets both: a glance
of a few bars with their numbers, drawn here as SVG, and the whole picture behind its link.

Belongs here: these few bars, and keeping them short enough. Does not belong here: pictures for reading, which each stage draws.
"""

import base64
from collections.abc import Mapping
from datetime import date, timedelta
from html import escape
from math import isfinite

import dagster as dg

SHOWN_CHARACTERS = 999
"""As many of a Markdown value does the UI write out."""
GLANCE = "glance"
"""Name of the metadata."""
MOST_DAYS, MOST_NAMES = 28, 8
_WIDTH, _ROW, _NAMES, _BARS = 380, 16, 165, 150
_HEIGHT = 60.0
_BLUE, _ORANGE, _GREY = "#3b8ed0", "#d9822b", "#7d8896"
"""Readable on a white page and on a dark one; blue and orange are told apart by colour-blind eyes."""


def glance_of_days(days: Mapping[date, float], last: date, unit: str) -> dg.MarkdownMetadataValue:
    """A bar for each of the weeks up to a day, which is marked; a day that is not there has none.

    Args:
        days: a figure of each day, none below zero.
        last: the day that it is about.
        unit: what the figures are, such as `rows`.
    """
    first = last - timedelta(days=MOST_DAYS - 1)
    shown = {day: value for day, value in days.items() if first <= day <= last and isfinite(value)}
    most = max(shown.values(), default=0.0) or 1.0
    step = _WIDTH / MOST_DAYS
    bars = {
        day: f"M{step * ((day - first).days + 0.5):.0f} 75v-{_HEIGHT * value / most:.0f}"
        for day, value in shown.items()
    }
    marked = bars.pop(last, "")
    today = f"{last}: {_number(days[last])} {unit}" if last in shown else f"{last}: none"
    parts = [
        f"<path stroke='{_BLUE}' d='{''.join(bars.values())}'/>",
        f"<path stroke='{_ORANGE}' d='{marked}'/>",
        _text(0, 11, today),
        _text(0, 90, str(first)),
        f"<text x='{_WIDTH}' y='11' text-anchor='end'>most: {_number(most) if shown else 'none'}</text>",
    ]
    return _markdown(unit, _svg(95, step - 3, parts))


def glance_of_names(
    sizes: Mapping[str, float], unit: str, limit: float | None = None, marked: str = ""
) -> dg.MarkdownMetadataValue:
    """A bar for each of a few names, in the order given; as many as there is room for.

    Args:
        sizes: a figure of each name; one that is no number has its name alone.
        unit: what the figures are, such as a metric's name.
        limit: where a line stands, in the same unit.
        marked: the name that stands out.
    """
    names = list(sizes)[:MOST_NAMES]
    for room in range(len(names), 0, -1):
        shown = {name: sizes[name] for name in names[:room]}
        value = _markdown(unit, _svg(_ROW * (room + 1), 9, _rows(shown, unit, limit, marked)))
        if len(value.md_str or "") <= SHOWN_CHARACTERS:
            return value
    return dg.MetadataValue.md(f"no {unit}")


def _rows(sizes: Mapping[str, float], unit: str, limit: float | None, marked: str) -> list[str]:
    finite = [abs(size) for size in sizes.values() if isfinite(size)]
    most = max([*finite, limit or 0.0]) or 1.0
    bars = {
        name: f"M{_NAMES} {_ROW * row + 24}h{_BARS * abs(size) / most if isfinite(size) else 0:.0f}"
        for row, (name, size) in enumerate(sizes.items())
    }
    stands_out = bars.pop(marked, "")
    head = unit if limit is None else f"{unit}, limit {_number(limit)}"
    parts = [_text(_NAMES, 11, head), f"<path stroke='{_BLUE}' d='{''.join(bars.values())}'/>"]
    parts += [f"<path stroke='{_ORANGE}' d='{stands_out}'/>"] if stands_out else []
    if limit is not None:
        parts.append(
            f"<path stroke='{_GREY}' stroke-width='1' d='M{_NAMES + _BARS * limit / most:.0f} 16v{_ROW * len(sizes)}'/>"
        )
    for row, (name, size) in enumerate(sizes.items()):
        y = _ROW * row + 28
        parts += [
            _text(0, y, name if len(name) <= 26 else f"{name[:25]}…"),
            _text(_NAMES + _BARS + 5, y, _number(size)),
        ]
    return parts


def _svg(height: int, stroke: float, parts: list[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{height}' font-family='sans-serif' font-size='11' "
        f"fill='{_GREY}' stroke-width='{stroke:.0f}'>{''.join(parts)}</svg>"
    )


def _text(x: int, y: int, words: str) -> str:
    at = f"x='{x}' y='{y}'" if x else f"y='{y}'"
    return f"<text {at}>{escape(words, quote=False)}</text>"


def _number(value: float) -> str:
    """A figure with as many digits as say something."""
    if not isfinite(value):
        return "none"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _markdown(unit: str, svg: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![{unit}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")
