"""The effect over time with its interval, as a picture.

Belongs here: one figure as PNG bytes. Does not belong here: computing anything in it, colours and axes (`pictures/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from platform_assets.experiments.analysis.effect import Effect
from platform_assets.pictures.figures import days_along, end_labels, labelled, new_figure, note, png, read_as
from platform_assets.pictures.numbers import readable
from platform_assets.pictures.palette import BLUE, GREEN, GREY, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_effect(path: Sequence[Effect], minimum: float, direction: str) -> bytes:
    """Treatment minus control by the latest day whose outcomes were known, with the interval that holds at all times together.

    Args:
        path: effects in order of their days.
        minimum: the smallest effect worth having, absolute; drawn on the side of the success.
        direction: `increase` or `decrease`.

    Returns:
        A PNG image.
    """
    return png(effect_figure(path, minimum, direction))


def effect_figure(path: Sequence[Effect], minimum: float, direction: str) -> Figure:
    """As `plot_effect`, as a figure."""
    if not path:
        return note("No day has known outcomes yet.")
    figure = new_figure(9.0, 3.6)
    axes = figure.subplots()
    days = [date.fromisoformat(str(effect.day)) for effect in path]
    known = np.array([effect.low is not None for effect in path], dtype=bool)
    middle = np.array([effect.difference for effect in path])
    low, high = (
        np.array([np.nan if edge is None else edge for edge in edges])
        for edges in ([effect.low for effect in path], [effect.high for effect in path])
    )
    worth = (1 if direction == "increase" else -1) * minimum
    axes.axhline(0.0, color=GREY, linewidth=1)
    axes.axhline(worth, color=GREEN, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.plot(days, middle, "o-" if len(path) <= 45 else "-", color=BLUE, markersize=4)  # type: ignore[arg-type]
    axes.fill_between(days, low, high, where=list(known), color=BLUE, alpha=0.18, linewidth=0)  # type: ignore[arg-type]
    if known.any():
        # The first days' intervals are many times as wide as the last: the picture is for reading the end.
        ends = [low[known][-1], high[known][-1], 0.0, worth]
        room = 0.7 * (max(ends) - min(ends))
        axes.set_ylim(min(ends) - room, max(ends) + room)
    labelled(
        axes,
        "New minus old, with the interval that is valid at any time",
        "event days with known outcomes, up to",
        "difference of the means",
        grid="y",
    )
    days_along(axes, days[0], days[-1])
    read_as(axes.yaxis)
    labels = [(0.0, "no difference", SOFT), (worth, f"worth having {readable(worth)}", GREEN)]
    end_labels(axes, [*labels, (float(middle[-1]), f"difference {readable(float(middle[-1]))}", BLUE)])
    return figure
