"""The effect over time with its interval, as a picture.

Belongs here: one figure as PNG bytes. Does not belong here: computing anything in it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from platform_assets.experiments.analysis.effect import Effect

BLUE, GREEN, GREY = "#2f6db3", "#2e8b57", "#8a94a0"


def plot_effect(path: Sequence[Effect], minimum: float, direction: str) -> bytes:
    """Treatment minus control by the latest day whose outcomes were known, with the interval that holds at all times together.

    Args:
        path: effects in order of their days.
        minimum: the smallest effect worth having, absolute; drawn on the side of the success.
        direction: `increase` or `decrease`.

    Returns:
        A PNG image.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    axes = figure.subplots()
    days = np.array([str(effect.day) for effect in path], dtype="datetime64[D]")
    known = np.array([effect.low is not None for effect in path], dtype=bool)
    middle = np.array([effect.difference for effect in path])
    low, high = (
        np.array([np.nan if edge is None else edge for edge in edges])
        for edges in ([effect.low for effect in path], [effect.high for effect in path])
    )
    axes.axhline(0.0, color=GREY, linewidth=1)
    sign = 1 if direction == "increase" else -1
    axes.axhline(sign * minimum, color=GREEN, linestyle="--", linewidth=1, label="smallest effect worth having")
    axes.plot(days, middle, "o-", color=BLUE, markersize=4, label="difference of the means")
    axes.fill_between(days, low, high, where=list(known), color=BLUE, alpha=0.18, label="interval, valid at any time")
    if known.any():
        # The first days' intervals are many times as wide as the last: the picture is for reading the end.
        ends = [low[known][-1], high[known][-1], 0.0, sign * minimum]
        room = 0.7 * (max(ends) - min(ends))
        axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.set_xlabel("event days with known outcomes, up to")
    axes.set_ylabel("new minus old")
    axes.legend(fontsize=8)
    figure.autofmt_xdate()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
