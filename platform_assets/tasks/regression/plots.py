"""Pictures of a regression model: predicted against observed values, and residuals.

Belongs here: drawing. Does not belong here: computing a metric (`metrics`), colours and axes (`pictures/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.pictures.figures import labelled, new_figure, note, png, read_as
from platform_assets.pictures.numbers import count, readable
from platform_assets.pictures.palette import BLUE, GREY, INK, LINE
from platform_assets.tasks.metric import Vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DOTS = 1500
"""More rows than this are counted in hexagons: dots on each other hide how many they are."""
FEW_DOTS = 100
OUTER_PERCENT = 0.5
"""Residuals outside these percentiles are counted in the bins at the edges."""
NO_ROW = "There are no rows to compare on."


def plot_regression(y: Vector, prediction: Vector) -> bytes:
    """Predicted against observed values, and the residuals' distribution.

    Args:
        y: float64 [n]; may be empty.
        prediction: float64 [n].

    Returns:
        A PNG image.
    """
    if len(y) == 0:
        return png(note(NO_ROW))
    figure = new_figure(10.4, 4.4)
    against, residuals = figure.subplots(1, 2)
    _against(figure, against, y, prediction)
    _residuals(residuals, prediction - y)
    return png(figure)


def regression_figures(y: Vector, prediction: Vector) -> dict[str, Figure]:
    """Each by itself, small enough for a telephone, by what it shows in words."""
    if len(y) == 0:
        return {NO_ROW: note(NO_ROW, 4.6)}
    against, residuals = new_figure(4.6, 3.5), new_figure(4.6, 3.5)
    _against(against, against.subplots(), y, prediction)
    _residuals(residuals.subplots(), prediction - y)
    return {"Predicted against observed values": against, "Rows by how far the prediction was off": residuals}


def _against(figure: Figure, axes: Any, y: Vector, prediction: Vector) -> None:
    low, high = float(min(y.min(), prediction.min())), float(max(y.max(), prediction.max()))
    room = 0.04 * (high - low) or 0.05 * abs(high) or 0.5
    limits = (low - room, high + room)
    labelled(axes, f"Predicted against observed, {count(len(y))} rows", "observed", "predicted")
    if len(y) <= MOST_DOTS:
        size, opacity = (4, 0.45) if len(y) > FEW_DOTS else (6, 0.9)
        axes.plot(y, prediction, "o", color=BLUE, alpha=opacity, markersize=size, markeredgewidth=0)
    else:
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("rows", ["#cfe0ef", BLUE, "#06294a"])
        cells = axes.hexbin(
            y, prediction, gridsize=36, extent=(*limits, *limits), bins="log", mincnt=1, cmap=shades, linewidths=0
        )
        bar = figure.colorbar(cells, ax=axes, shrink=0.8)
        bar.set_label("rows", color=INK, fontsize=8)
        bar.ax.tick_params(labelsize=8, colors=INK)
        read_as(bar.ax.yaxis)
        bar.outline.set_edgecolor(LINE)
    axes.plot(limits, limits, ":", color=GREY, linewidth=1.2)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(_few())
        read_as(axis)


def _residuals(axes: Any, off: Vector) -> None:
    low, high = (float(edge) for edge in np.percentile(off, [OUTER_PERCENT, 100 - OUTER_PERCENT]))
    if low == high:
        low, high = low - 0.5, high + 0.5
    bins = int(min(50, max(5, np.sqrt(len(off)))))
    counts, edges = np.histogram(off.clip(low, high), bins, range=(low, high))
    axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.7)
    axes.axvline(0.0, color=GREY, linewidth=1)
    mean, spread = float(off.mean()), float(np.abs(off).mean())
    labelled(
        axes,
        f"Off by {readable(spread)} on average, {'too high' if mean >= 0 else 'too low'} by {readable(abs(mean))}",
        f"predicted minus observed; {count(int(((off < low) | (off > high)).sum()))} rows further out, at the edges",
        "rows",
        grid="y",
    )
    axes.yaxis.set_major_locator(_few(whole=True))
    axes.xaxis.set_major_locator(_few())
    for axis in (axes.xaxis, axes.yaxis):
        read_as(axis)


def _few(*, whole: bool = False) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(5, integer=whole)
