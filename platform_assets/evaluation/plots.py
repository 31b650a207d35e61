"""Pictures of a comparison: each candidate's folds with their mean and interval, and what a model looks at.

Belongs here: drawing what was compared. Does not belong here: pictures of one model, which depend on its kind of task
(`tasks/*/plots.py`), or computing a metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.pictures.figures import end_labels, labelled, new_figure, note, png, read_as
from platform_assets.pictures.numbers import alike, readable
from platform_assets.pictures.palette import BLUE, GREY, INK, SOFT
from platform_assets.training.compare import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAR_BASELINE = 1.5
"""A baseline further away than this many times the spread of the others stands at the edge as a number: drawn to scale it would press
the candidates, which are what is compared, into one dot."""
MOST_IMPORTANCES = 15
CONFIDENCE = 0.95


@dataclass(frozen=True)
class CandidateFolds:
    """A candidate's metric, fold by fold.

    Attributes:
        name: of the candidate.
        values: of each fold, the latest first; NaN where the metric could not be computed.
        is_baseline: whether it is there to be beaten.
        is_chosen: whether it became the model.
    """

    name: str
    values: Sequence[float]
    is_baseline: bool = False
    is_chosen: bool = False

    @property
    def known(self) -> list[float]:
        """Values of the folds that have one."""
        return [value for value in self.values if math.isfinite(value)]

    @property
    def mean(self) -> float:
        """Of the known values."""
        return float(np.mean(self.known)) if self.known else math.nan

    def half_interval(self) -> float:
        """Half of the mean's 95 % interval by Student's t over the folds; 0 for fewer than two. Folds that follow each other in time
        share rows, so that it is rather too narrow."""
        if len(self.known) < 2:
            return 0.0
        from scipy.stats import t

        spread = float(np.std(self.known, ddof=1)) / math.sqrt(len(self.known))
        return float(t.ppf(0.5 + CONFIDENCE / 2, len(self.known) - 1)) * spread


def plot_candidates(comparison: Comparison, metric: str) -> bytes:
    """Every candidate's metric, fold by fold, with its mean.

    Args:
        comparison: candidates on the same folds.
        metric: which of its metrics.

    Returns:
        A PNG image.
    """
    rows = [
        CandidateFolds(one.candidate.name, list(one.values(metric)), one.candidate.baseline)
        for one in comparison.results
        if one.failure is None
    ]
    return png(folds_figure(rows, metric, higher_is_better=comparison.metrics.get(metric, True)))


def folds_figure(
    candidates: Sequence[CandidateFolds], metric: str, *, higher_is_better: bool = True, width_inches: float = 7.2
) -> Figure:
    """Each candidate in a row of its own, the best above: a dot for each fold, the newest on top and darkest, the mean, its interval.

    Args:
        candidates: those that were computed.
        metric: its name.
        higher_is_better: which end is the good one.
        width_inches: of the figure.
    """
    shown = [one for one in candidates if one.known]
    if not shown:
        return note(f"No candidate has {metric} on any fold.", width_inches)
    sign = -1.0 if higher_is_better else 1.0
    shown = sorted(shown, key=lambda one: sign * one.mean)
    figure = new_figure(width_inches, 0.46 * len(shown) + 1.25)
    axes = figure.subplots()
    low, high = _limits(shown)
    labels = []
    means = alike([one.mean for one in shown])
    for row, one in enumerate(shown):
        place = len(shown) - 1 - row
        colour = GREY if one.is_baseline else BLUE
        labels.append((place, means[row], INK if one.is_chosen else SOFT))
        if not low <= one.mean <= high:
            at_left = one.mean < low
            axes.annotate(
                f"{'◂ ' if at_left else ''}{means[row]}{'' if at_left else ' ▸'}",
                (low if at_left else high, place), ha="left" if at_left else "right", va="center", color=SOFT, fontsize=8,
            )  # fmt: skip
            continue
        _folds_of(axes, one, place, colour)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    names = [f"{one.name}{' (baseline)' if one.is_baseline else ''}" for one in reversed(shown)]
    axes.set_yticks(range(len(shown)), names)
    folds = max(len(one.values) for one in shown)
    better = "to the right" if higher_is_better else "to the left"
    title = f"{metric} on {folds} folds, newest on top" if folds > 1 else f"{metric} on the only fold"
    labelled(axes, title, f"{metric}, better {better}; bar: mean with its 95 % interval over the folds", grid="x")
    for tick, one in zip(axes.get_yticklabels(), reversed(shown), strict=True):
        if one.is_chosen:
            tick.set(color=INK, fontweight="bold")
    axes.locator_params(axis="x", nbins=5)
    read_as(axes.xaxis)
    end_labels(axes, labels)
    return figure


def _folds_of(axes: Any, one: CandidateFolds, place: int, colour: str) -> None:
    count, half = len(one.values), one.half_interval()
    axes.hlines(place, one.mean - half, one.mean + half, color=colour, linewidth=7, alpha=0.2)
    axes.vlines(one.mean, place - 0.3, place + 0.3, color=INK, linewidth=1.6)
    for fold, value in enumerate(one.values):
        if math.isfinite(value):
            offset = 0.0 if count == 1 else 0.24 - 0.48 * fold / (count - 1)
            axes.plot(
                [value], [place + offset], "o", color=colour, markersize=4.5, alpha=1.0 - 0.55 * fold / max(1, count)
            )


def _limits(shown: Sequence[CandidateFolds]) -> tuple[float, float]:
    """Range that holds every candidate, and baselines unless they lie far away."""
    own = [value for one in shown if not one.is_baseline for value in _reach(one)]
    every = [value for one in shown for value in _reach(one)]
    low, high = (min(own), max(own)) if own else (min(every), max(every))
    spread = high - low
    for one in shown:
        if one.is_baseline and own and spread > 0 and max(low - one.mean, one.mean - high) <= FAR_BASELINE * spread:
            low, high = min(low, *_reach(one)), max(high, *_reach(one))
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - room, high + room


def _reach(one: CandidateFolds) -> list[float]:
    half = one.half_interval()
    return [*one.known, one.mean - half, one.mean + half]


def importances_figure(importances: Mapping[str, float], metric: str, width_inches: float = 7.2) -> Figure:
    """The features that decide most, each with what is lost without it.

    Args:
        importances: loss of the metric by feature, the largest first.
        metric: its name.
        width_inches: of the figure.
    """
    shown = list(importances.items())[:MOST_IMPORTANCES]
    if not shown:
        return note("No importances could be computed.", width_inches)
    figure = new_figure(width_inches, 0.25 * len(shown) + 1.0)
    axes = figure.subplots()
    places = range(len(shown) - 1, -1, -1)
    values = [value for _, value in shown]
    axes.barh(places, values, height=0.62, color=BLUE)
    axes.set_yticks(places, [name for name, _ in shown])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    more = f"; {len(importances) - len(shown)} more lose less" if len(importances) > len(shown) else ""
    labelled(axes, f"What it looks at{more}", f"{metric} lost when the feature's values are shuffled", grid="x")
    axes.locator_params(axis="x", nbins=5)
    read_as(axes.xaxis)
    end_labels(axes, [(place, readable(value), SOFT) for place, value in zip(places, values, strict=True)])
    return figure
