"""Figures: a size, axes in the house style, words at the ends of lines, and the figure as PNG or as an image address.

Belongs here: matplotlib's object interface (no global state). Does not belong here: what is drawn, colours (`palette.py`), how numbers
read (`numbers.py`).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

from platform_assets.pictures.numbers import readable
from platform_assets.pictures.palette import INK, LINE, PAPER, RED, SOFT, VARIABLES, colour_variables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE_POINTS, LABEL_POINTS, TICK_POINTS = 10, 9, 8
DOTS_PER_INCH = 100
PNG_COLOURS = 128
"""Lines and words have few, and the file is a third of its size."""
INCHES_OF_A_DAY_LABEL = 1.5
LABELS_APART_POINTS = 11.0
NUMBERS, PERCENT, MILLISECONDS = "", "%", "ms"


def new_figure(width_inches: float = 6.4, height_inches: float = 3.2) -> Figure:
    """An empty figure whose parts keep out of each other's way."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.16, h_pad=0.06)
    return Figure(figsize=(width_inches, height_inches), layout=layout, facecolor=PAPER)


def labelled(axes: Any, title: str, x: str = "", y: str = "", *, grid: str = "both") -> None:
    """Title, names of the axes with their units, thin lines, and a grid behind what is drawn.

    What goes up is named above the axis and not along it: nobody has to turn their head, and a long name takes no height.

    Args:
        axes: of a figure.
        title: what a reader learns from it.
        x: name and unit of what lies along it.
        y: name and unit of what goes up.
        grid: `x`, `y`, `both` or `none`.
    """
    axes.set_title(title, fontsize=TITLE_POINTS, color=INK, loc="left", pad=18 if title and y else 6)
    axes.set_xlabel(x, fontsize=LABEL_POINTS, color=SOFT)
    if y:
        named = axes.annotate(
            y,
            (0.0, 1.0),
            xycoords="axes fraction",
            xytext=(0, 5),
            textcoords="offset points",
            fontsize=TICK_POINTS,
            color=SOFT,
        )
        named.set_in_layout(bool(not title))
    axes.tick_params(colors=SOFT, labelsize=TICK_POINTS, length=3, width=0.8)
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(axis=grid, color=LINE, linewidth=0.6)


def read_as(axis: Any, unit: str = NUMBERS) -> None:
    """Figures along an axis as people read them: thousands apart, shares in percent.

    Args:
        axis: `axes.xaxis` or `axes.yaxis`.
        unit: `NUMBERS`, `PERCENT` (of ratios), or a unit that stands behind each number.
    """
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: readable(value, unit)))
    if axis.get_scale() == "log":
        from matplotlib.ticker import NullFormatter

        axis.set_minor_formatter(NullFormatter())


def days_along(axes: Any, first: date, last: date) -> None:
    """A few days of the calendar below, however many there are; one day has one."""
    room = max(2, int(axes.get_figure(root=True).get_figwidth() * axes.get_position().width / INCHES_OF_A_DAY_LABEL))
    span = (last - first).days
    count = min(room, span + 1)
    numbers = sorted({round(span * place / (count - 1)) for place in range(count)}) if count > 1 else [0]
    days = [first + timedelta(days=number) for number in numbers]
    axes.xaxis_date()
    axes.set_xticks(days, [f"{day:%Y-%m-%d}" for day in days])
    half = timedelta(days=max(0.5, span / 80))
    axes.set_xlim(datetime.combine(first, time()) - half, datetime.combine(last, time()) + half)


def end_labels(axes: Any, labels: Sequence[tuple[float, str, str]]) -> None:
    """Words at the right of where lines end, pushed apart where they would lie on each other.

    Args:
        axes: with its final limits.
        labels: height (in data), words and colour of each.
    """
    low, high = axes.get_ylim()
    kept = [(_share(axes, value, low, high), words, colour) for value, words, colour in labels if math.isfinite(value)]
    height = axes.get_figure(root=True).get_figheight() * axes.get_position().height * 72 * 0.85
    gap, last = LABELS_APART_POINTS / max(height, 1.0), -math.inf
    for share, words, colour in sorted(kept):
        last = max(share, last + gap)
        axes.annotate(
            words,
            (1.0, last),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=TICK_POINTS,
            color=colour,
            annotation_clip=False,
        )


def corner_labels(axes: Any, labels: Sequence[tuple[str, str]], *, at_top: bool = False) -> None:
    """Words in a corner at the right that what is drawn leaves free, a line for each, on paper of their own.

    Args:
        axes: with what is drawn.
        labels: words and colour of each, from above.
        at_top: the upper corner.
    """
    for place, (words, colour) in enumerate(labels):
        lines = -place if at_top else len(labels) - 1 - place
        axes.annotate(
            words,
            (1.0, 1.0 if at_top else 0.0),
            xycoords="axes fraction",
            xytext=(-4, 12 * lines + (-4 if at_top else 5)),
            textcoords="offset points",
            ha="right",
            va="top" if at_top else "bottom",
            fontsize=TICK_POINTS,
            color=colour,
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.75, "pad": 1.0},
        )


def _share(axes: Any, value: float, low: float, high: float) -> float:
    forward = axes.transAxes.inverted().transform(axes.transData.transform((0.0, value)))[1] if high != low else 0.5
    return min(1.0, max(0.0, float(forward)))


def bound_line(axes: Any, value: float, *, along: str = "y") -> None:
    """The line that a figure must stay on one side of."""
    draw = axes.axhline if along == "y" else axes.axvline
    draw(value, color=RED, linestyle=(0, (4, 3)), linewidth=1.1)


def note(text: str, width_inches: float = 6.4) -> Figure:
    """A picture that says why there is none."""
    figure = new_figure(width_inches, 1.2)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=INK, fontsize=TITLE_POINTS, wrap=True)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG on light paper, which is readable on a page of either theme; the same bytes for the same figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    buffer = BytesIO()
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    few = drawn.convert("RGB").quantize(PNG_COLOURS, method=Image.Quantize.MAXCOVERAGE)
    few.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def svg_address(figure: Figure) -> str:
    """The figure as an image address that needs no network, with text as text and colours of the reader's theme."""
    from matplotlib import rc_context

    buffer = BytesIO()
    nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "platform_assets"}):
        figure.savefig(buffer, format="svg", metadata=nothing, facecolor="none")
    drawn = buffer.getvalue().decode()
    for colour, name in {**VARIABLES, "#000000": VARIABLES[INK]}.items():
        drawn = drawn.replace(colour, f"var({name})")
    head, mark, rest = drawn.partition("<defs>")
    style = f"<style>{colour_variables()} text {{ fill: var({VARIABLES[INK]}); }}</style>"
    return f"data:image/svg+xml;base64,{base64.b64encode((head + style + mark + rest).encode()).decode()}"


def png_address(png_bytes: bytes) -> str:
    """A PNG as an image address that needs no network."""
    return f"data:image/png;base64,{base64.b64encode(png_bytes).decode()}"
