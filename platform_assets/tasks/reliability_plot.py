"""Calibration as a picture: what was promised against what happened, zoomed to where the scores are, above how many rows lie there.

Belongs here: drawing it for any outcome of 0 or 1. Does not belong here: bins and errors (`calibration.py`), which outcome (each kind of
task).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from platform_assets.pictures.figures import corner_labels, labelled, read_as
from platform_assets.pictures.palette import GREY, PAPER, SOFT
from platform_assets.tasks.calibration import ReliabilityBin, reliability_bins
from platform_assets.tasks.metric import Vector

WIDE_SPREAD = 30.0
"""Mean scores of the lowest and highest bin this many times apart are drawn on a logarithmic scale: of a rare outcome nine bins of ten
lie in one dot of a linear one."""
HISTOGRAM_BINS = 40

Series = tuple[str, Vector, Vector, str]
"""Name, outcomes, scores, colour."""


def draw_reliability(axes: Any, series: Sequence[Series], outcome: str) -> None:
    """Mean score of each bin against the share that came true, with Wilson's 95 % interval.

    Args:
        axes: above `draw_scores`, which has the same scale along it.
        series: of each model, the first one the model's.
        outcome: name of what goes up.
    """
    bins = {name: reliability_bins(y, scores) for name, y, scores, _ in series}
    along, up, logarithmic = _zoom([one for found in bins.values() for one in found])
    labelled(axes, "Calibration, where the scores are", "", f"{outcome}, 95 % interval")
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlim(*along)
    axes.set_ylim(*up)
    axes.plot(along, along, ":", color=GREY, linewidth=1)
    for place, (name, _, _, colour) in enumerate(series):
        _points(axes, bins[name], place, colour)
    corner_labels(axes, [("dotted: as promised", SOFT), *((name, colour) for name, _, _, colour in series)])
    for axis in (axes.xaxis, axes.yaxis):
        read_as(axis, "%")


def _points(axes: Any, bins: Sequence[ReliabilityBin], place: int, colour: str) -> None:
    """A mark for each bin with its interval; a bin in which nothing came true has a hollow one at the edge of a logarithmic scale."""
    low, high = axes.get_ylim()
    x = np.array([one.mean_prediction for one in bins]).clip(*axes.get_xlim())
    observed = np.array([one.observed_ratio for one in bins])
    edges = np.array([_interval(one) for one in bins]).clip(low, high)
    is_inside = observed >= low
    marker = "os"[place % 2]
    axes.vlines(x, edges[:, 0], edges[:, 1], color=colour, linewidth=1.2, alpha=0.55)
    style = {"color": colour, "markersize": 5, "clip_on": False}
    axes.plot(
        x[is_inside], observed[is_inside], marker, linestyle="-" if place == 0 else (0, (4, 2)), linewidth=1.2, **style
    )
    if not is_inside.all():
        axes.plot(x[~is_inside], np.full(int((~is_inside).sum()), low), marker, markerfacecolor=PAPER, **style)


def draw_scores(axes: Any, scores: Sequence[tuple[Vector, str]], name: str) -> None:
    """How many rows lie where, on the scale of the picture above; a logarithmic count, since most rows of a rare outcome lie together.

    Args:
        axes: below `draw_reliability`.
        scores: of each model with its colour; the first is filled.
        name: of what lies along it.
    """
    low, high = axes.get_xlim()
    logarithmic = axes.get_xscale() == "log"
    edges = np.geomspace(low, high, HISTOGRAM_BINS + 1) if logarithmic else np.linspace(low, high, HISTOGRAM_BINS + 1)
    below = 0
    for place, (values, colour) in enumerate(scores):
        counts, _ = np.histogram(values.clip(low, high), edges)
        if place == 0:
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.45)
            below = int((values < low).sum())
        else:
            axes.stairs(counts, edges, color=colour, linestyle="--", linewidth=1)
    lower = f"; {below:,} lower ones at the left edge" if below else ""
    labelled(axes, "", f"{name}{' (logarithmic scale)' if logarithmic else ''}", f"rows by score{lower}")
    axes.set_yscale("symlog", linthresh=10)
    axes.set_ylim(bottom=0)
    top = max(1, int(np.ceil(np.log10(max(axes.get_ylim()[1], 10)))))
    axes.set_yticks([0, *(10**power for power in (range(2, top + 1, 2) if top > 2 else range(1, top + 1)))])
    axes.minorticks_off()
    read_as(axes.yaxis)
    read_as(axes.xaxis, "%")


def _zoom(bins: Sequence[ReliabilityBin]) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """Range along and up, and whether both scales are logarithmic."""
    means, seen = [one.mean_prediction for one in bins], [one.observed_ratio for one in bins]
    top = max(1e-6, *means, *seen)
    lowest = max(min((one for one in means if one > 0.0), default=0.0), 1e-6)
    if max(means) / lowest > WIDE_SPREAD:
        both = max(lowest * 0.5, top * 1e-4), min(1.0, top * 1.5)
        return both, both, True
    along, up = _range(means), _range(seen)
    if along[0] == up[0] == 0.0 and max(along[1], up[1]) < 3 * min(along[1], up[1]):
        along = up = 0.0, max(along[1], up[1])
    return along, up, False


def _range(ratios: Sequence[float]) -> tuple[float, float]:
    low, high = min(ratios), max(max(ratios), 1e-6)
    if low < 0.4 * high or high - low < 0.02:
        return 0.0, min(1.0, (1.5 if len(set(ratios)) < 3 else 1.1) * high)
    room = 0.1 * (high - low)
    return low - room, min(1.0, high + room)


def _interval(one: ReliabilityBin) -> tuple[float, float]:
    from scipy.stats import binomtest

    found = binomtest(round(one.observed_ratio * one.rows), one.rows).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
