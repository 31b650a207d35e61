"""Small panels of a picture: a frame, a few ticks, filled steps, bands and lines.

Matplotlib's axes cost ten times what is drawn in them, most of it for ticks, and every load of a day draws nine. Here a panel is the
few artists that are seen, on a figure without axes. Belongs here: panels. Does not belong here: what is drawn in them (`plots.py`).
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_assets.pictures.numbers import readable
from platform_assets.pictures.palette import INK, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 80
Box = tuple[float, float, float, float]
"""Left, bottom, width and height as shares of the figure."""


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches that is drawn into a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Figure) -> bytes:
    """The picture, the same bytes for the same numbers."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return target.getvalue()


@dataclass(frozen=True)
class Panel:
    """A part of a figure with a scale of its own.

    Attributes:
        figure: where it is drawn.
        box: which part.
        x: range from left to right.
        y: range from bottom to top.
        size: of its words, in points.
    """

    figure: Figure
    box: Box
    x: tuple[float, float]
    y: tuple[float, float]
    size: float = 6

    def frame(self, title: str = "", label: str = "") -> None:
        """The two lines that values are read along, with a title above and a label beside."""
        left, bottom, width, height = self.box
        self._draw([left, left, left + width], [bottom + height, bottom, bottom], color=INK, linewidth=0.8)
        if title:
            self.figure.text(left + width / 2, bottom + height + 0.02, title, ha="center", fontsize=self.size + 2)
        if label:
            self.figure.text(0.012, bottom + height / 2, label, va="center", rotation=90, fontsize=self.size)

    def ticks(self, across: Sequence[tuple[float, str]] | None = None, up: int = 3) -> None:
        """A few figures along both lines.

        Args:
            across: where words stand below, and which; default: round numbers.
            up: how many round numbers stand at the left at most; 0 for none.
        """
        left, bottom, _, _ = self.box
        marks = [(one, readable(one)) for one in round_numbers(*self.x, 3)] if across is None else across
        below = bottom - 0.75 * self.size / 72 / self.figure.get_figheight()  # clear of the lowest figure at the left
        for value, words in marks:
            self.figure.text(self._across(value), below, words, ha="center", va="top", fontsize=self.size, color=SOFT)
        for value in round_numbers(*self.y, up) if up else ():
            self.figure.text(
                left - 0.006,
                self._up(value),
                readable(value),
                ha="right",
                va="center",
                fontsize=self.size,
                color=SOFT,
            )

    def steps(self, values: Sequence[float], edges: Sequence[float], color: str) -> None:
        """Filled steps from 0, one between each two edges."""
        across, up = [edges[0]], [0.0]
        for i, value in enumerate(values):
            across += [edges[i], edges[i + 1]]
            up += [value, value]
        self._fill([*across, edges[-1]], [*up, 0.0], color)

    def band(self, across: Sequence[float], low: Sequence[float], high: Sequence[float], color: str) -> None:
        """What lies between two lines."""
        self._fill([*across, *reversed(across)], [*low, *reversed(high)], color)

    def line(self, across: Sequence[float], up: Sequence[float], color: str) -> None:
        """A line with a dot at each value."""
        self._draw(
            [self._across(one) for one in across], [self._up(one) for one in up], color=color, marker=".", markersize=3
        )

    def _across(self, value: float) -> float:
        return self.box[0] + self.box[2] * _share(value, self.x)

    def _up(self, value: float) -> float:
        return self.box[1] + self.box[3] * _share(value, self.y)

    def _fill(self, across: Iterable[float], up: Iterable[float], color: str) -> None:
        from matplotlib.patches import Polygon

        corners = [(self._across(x), self._up(y)) for x, y in zip(across, up, strict=True)]
        self.figure.add_artist(Polygon(corners, closed=True, facecolor=color, linewidth=0, antialiased=False))

    def _draw(
        self,
        x: Sequence[float],
        y: Sequence[float],
        *,
        color: str,
        linewidth: float = 1.2,
        marker: str = "",
        markersize: float = 0,
    ) -> None:
        from matplotlib.lines import Line2D

        self.figure.add_artist(
            Line2D(x, y, color=color, linewidth=linewidth, marker=marker or None, markersize=markersize)
        )


def spread(values: Iterable[float], *, from_zero: bool = False) -> tuple[float, float]:
    """A range that holds all finite values with a little room; never of no length."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if from_zero:
        low, high = min(0.0, low), max(0.0, high)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return (low if from_zero and low == 0.0 else low - room), high + room


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """A few round numbers within a range."""
    from matplotlib.ticker import MaxNLocator

    return [float(one) for one in MaxNLocator(most).tick_values(low, high) if low <= one <= high]


def _share(value: float, within: tuple[float, float]) -> float:
    """Where a value lies; one beyond all reason lies at the edge."""
    low, high = within
    return 0.0 if not math.isfinite(value) or high <= low else min(1.0, max(0.0, (value - low) / (high - low)))
