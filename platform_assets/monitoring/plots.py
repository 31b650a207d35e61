"""Pictures for people who would rather look than read: drift against its limits with its trend, quality by day, latency by day.

Belongs here: figures of results, as PNG bytes. Does not belong here: computing any of them, colours and axes (`pictures/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.monitoring.business_measures import BusinessResult
from platform_assets.monitoring.drift import ColumnVerdict, DriftResult
from platform_assets.monitoring.drift_report.history import DriftWindow, worst_first
from platform_assets.monitoring.estimates.kept import EstimatedQuality
from platform_assets.monitoring.latency import ServiceDay
from platform_assets.pictures.figures import (
    bound_line,
    days_along,
    end_labels,
    labelled,
    new_figure,
    note,
    png,
    read_as,
)
from platform_assets.pictures.numbers import readable
from platform_assets.pictures.palette import BLUE, GREEN, GREY, INK, LINE, ORANGE, PURPLE, RED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_COLUMNS = 30
"""Columns in one drift plot, the worst first."""
MOST_MARKED = 45
"""More points than this along a line have no marks of their own."""
TOP_SHARE = 8.0
"""Further past their limits than this all columns stand at the edge, with their number."""


def plot_drift(result: DriftResult, history: Sequence[DriftWindow] = ()) -> bytes:
    """Every column's statistic as a share of its limit, the worst above, and how that went in the windows before.

    Args:
        result: of the window.
        history: earlier windows, oldest first.

    Returns:
        A PNG image.
    """
    return png(drift_figure(result, history))


def drift_figure(result: DriftResult, history: Sequence[DriftWindow] = ()) -> Figure:
    """As `plot_drift`, as a figure."""
    if not result.columns:
        return note("No column is watched.")
    verdicts = worst_first(result.columns)[:MAX_COLUMNS]
    figure = new_figure(10.4, 1.5 + 0.27 * len(verdicts))
    share, trend = figure.subplots(1, 2, sharey=True, width_ratios=(2.2, 1))
    left_out = len(result.columns) - len(verdicts)
    failed = len(result.failed_columns)
    status = result.status.replace("_", " ")
    status = result.status.replace("_", " ")
    title = f"{status}: {len(result.columns)} columns within their limits"
    if failed:
        title = f"{status}: {failed} of {len(result.columns)} columns past the limit or not usable"
    labelled(share, title, "KS or PSI, whichever is nearer to its limit, in limits; 1 is the limit", grid="x")
    places = range(len(verdicts) - 1, -1, -1)
    for place, verdict in zip(places, verdicts, strict=True):
        _draw_share(share, place, verdict)
    share.axvspan(0.0, 1.0, color=GREY, alpha=0.1, linewidth=0)
    bound_line(share, 1.0, along="x")
    top = min(TOP_SHARE, max([1.6, *(one.limit_share or 0.0 for one in verdicts)]) * 1.25)
    share.set_xlim(0.0, top)
    share.set_yticks(places, [verdict.column.removeprefix(FEATURE_PREFIX) for verdict in verdicts])
    share.set_ylim(-0.7, len(verdicts) - 0.3)
    read_as(share.xaxis)
    rest = f"; {left_out} more columns lie lower" if left_out else ""
    _draw_trends(trend, places, verdicts, history, rest)
    return figure


def _draw_share(axes: Any, place: int, verdict: ColumnVerdict) -> None:
    colour, marker = (BLUE, "o") if verdict.passed else (RED, "D")
    share = verdict.limit_share
    if share is None:
        axes.text(0.03, place, verdict.status.replace("_", " "), color=colour, va="center", fontsize=8)
        return
    at = min(share, TOP_SHARE * 0.97)
    axes.hlines(place, 0, at, color=colour, linewidth=1.6, alpha=0.5)
    axes.plot([at], [place], marker, color=colour, markersize=5, clip_on=False)
    axes.annotate(
        f"{verdict.nearest} {readable(verdict.value or 0.0)}",
        (at, place),
        xytext=(7, 0),
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=colour,
    )


def _draw_trends(
    axes: Any, places: Sequence[int], verdicts: Sequence[ColumnVerdict], history: Sequence[DriftWindow], rest: str
) -> None:
    """A line for each column in its row, from the row's floor (0) to just below the next row (twice the limit and more)."""
    if not history:
        labelled(axes, "", f"no earlier window{rest}", grid="none")
        axes.set_xticks([])
        return
    count = len(history)
    for place, verdict in zip(places, verdicts, strict=True):
        axes.hlines(place + 0.02, 0, count, color=LINE, linewidth=0.6)
        shares = [window.shares.get(verdict.column) for window in history] + [verdict.limit_share]
        known = [(number, min(share, 2.0)) for number, share in enumerate(shares) if share is not None]
        if known:
            x, y = zip(*known, strict=True)
            colour = BLUE if verdict.passed else RED
            axes.plot(x, [place - 0.4 + 0.42 * share for share in y], color=colour, linewidth=1)
            axes.plot(x[-1:], [place - 0.4 + 0.42 * y[-1]], "o", color=colour, markersize=3)
    labelled(axes, f"last {count + 1} windows, thin line: limit", f"from {history[0].day} on{rest}", grid="none")
    axes.set_xticks([])
    axes.tick_params(labelleft=False, left=False)


def plot_quality(by_day: pl.DataFrame, name: str, bound: float | None) -> bytes:
    """A metric by event day, with the bound that it must keep.

    Args:
        by_day: rows of `quality_by_day`.
        name: the metric.
        bound: None draws no line.

    Returns:
        A PNG image.
    """
    days = by_day[EVENT_DAY].to_list()
    if not days:
        return png(note(f"No day has labelled rows to measure {name} on."))
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    values = by_day["value"].cast(pl.Float64).fill_null(float("nan")).to_list()
    rows = int(by_day["labelled_rows"].sum())
    _line(axes, days, values, BLUE)
    if bound is not None:
        bound_line(axes, bound)
    labelled(axes, f"{name} by day, {rows:,} labelled rows on {_days(len(days))}", "event day", name, grid="y")
    days_along(axes, days[0], days[-1])
    read_as(axes.yaxis)
    ends = [] if bound is None else [(bound, f"bound {readable(bound)}", RED)]
    end_labels(axes, [*ends, (_last(values), f"{name} {readable(_last(values))}", BLUE)])
    return png(figure)


def plot_estimates(result: EstimatedQuality) -> bytes:
    """Earlier estimates of a metric with their intervals beside the truth, the newest estimate, and the bound.

    Returns:
        A PNG image.
    """
    newest = result.estimates.get(result.metric) or result.withdrawn.get(result.metric)
    series = [
        (date.fromisoformat(one.day), one.estimated, one.low, one.high, one.standing == "withdrawn")
        for one in result.scored
    ]
    if newest is not None:
        withdrawn = result.metric in result.withdrawn
        series.append((result.last_day, newest.value, newest.low, newest.high, withdrawn))
    if not series:
        return png(note(f"No estimate of {result.metric} yet: {result.status.replace('_', ' ')}."))
    figure = new_figure(9.0, 3.4)
    axes = figure.subplots()
    labels = []
    for believed, colour, marker, words in ((True, BLUE, "o", "estimated"), (False, GREY, "x", "withdrawn")):
        chosen = [one for one in series if one[4] != believed]
        if chosen:
            values = np.array([one[1:4] for one in chosen])
            off = np.maximum([values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]], 0.0)
            days: Any = [one[0] for one in chosen]
            axes.errorbar(days, values[:, 0], yerr=off, fmt=marker, color=colour, capsize=2, markersize=4, elinewidth=1)
            labels.append((float(values[-1, 0]), f"{words} {readable(float(values[-1, 0]))}", colour))
    if result.scored:
        true = [one.true for one in result.scored]
        _line(axes, [date.fromisoformat(one.day) for one in result.scored], true, GREEN, dashed=True)
        labels.append((true[-1], f"true {readable(true[-1])}", GREEN))
    if result.metric in result.bounds:
        bound_line(axes, result.bounds[result.metric])
        labels.append((result.bounds[result.metric], f"bound {readable(result.bounds[result.metric])}", RED))
    title = f"{result.metric} before labels are there: {result.status.replace('_', ' ')}"
    labelled(axes, title, "last event day of the window", f"{result.metric}, estimate with its 95 % interval", grid="y")
    days_along(axes, min(one[0] for one in series), max(one[0] for one in series))
    read_as(axes.yaxis)
    end_labels(axes, labels)
    return png(figure)


def plot_measures(result: BusinessResult) -> bytes:
    """Each business measure by event day, with its bound.

    Returns:
        A PNG image.
    """
    drawn = [one for one in result.measures if one.by_day]
    if not drawn:
        return png(note("No measure has a day to show."))
    figure = new_figure(9.0, 0.4 + 2.4 * len(drawn))
    for axes, one in zip(figure.subplots(len(drawn), squeeze=False)[:, 0], drawn, strict=True):
        days = [date.fromisoformat(day) for day in one.by_day]
        values = list(one.by_day.values())
        _line(axes, days, values, BLUE)
        labels = [(values[-1], readable(values[-1]), BLUE)]
        if one.bound is not None:
            bound_line(axes, one.bound)
            labels.append((one.bound, f"bound {readable(one.bound)}", RED))
        labelled(axes, f"{one.name}: {one.status.replace('_', ' ')}", "event day", f"{one.unit} a {one.per}", grid="y")
        days_along(axes, min(days), max(days))
        read_as(axes.yaxis)
        end_labels(axes, labels)
    return png(figure)


def plot_latency(days: Sequence[ServiceDay]) -> bytes:
    """Time in the service by event day: median, 95th and 99th percentile, in milliseconds.

    Returns:
        A PNG image.
    """
    if not days:
        return png(note("No request was answered."))
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    when, labels = [day.day for day in days], []
    for words, colour, values in (
        ("half within", BLUE, [day.latency_p50_ms for day in days]),
        ("95 % within", ORANGE, [day.latency_p95_ms for day in days]),
        ("99 % within", PURPLE, [day.latency_p99_ms for day in days]),
    ):
        _line(axes, when, values, colour)
        labels.append((values[-1], f"{words} {readable(values[-1], 'ms')}", colour))
    rows = sum(day.predictions for day in days)
    axes.set_ylim(bottom=0.0)
    labelled(
        axes, f"Time in the service, {rows:,} answers on {_days(len(days))}", "event day", "milliseconds", grid="y"
    )
    days_along(axes, when[0], when[-1])
    read_as(axes.yaxis)
    end_labels(axes, labels)
    return png(figure)


def _line(axes: Any, days: Any, values: Sequence[float], colour: str, *, dashed: bool = False) -> None:
    marker = "o" if len(values) <= MOST_MARKED else ""
    style = (0, (5, 2)) if dashed else "-"
    axes.plot(days, values, linestyle=style, marker=marker, color=colour, linewidth=1.5, markersize=4)
    if all(value != value for value in values):
        axes.text(0.5, 0.5, "no value on any day", transform=axes.transAxes, ha="center", color=INK, fontsize=9)


def _last(values: Sequence[float]) -> float:
    return next((value for value in reversed(values) if value == value), float("nan"))


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count:,} days"
