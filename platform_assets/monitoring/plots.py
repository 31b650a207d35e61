"""Pictures for people who would rather look than read: drift against its limits, quality by day, latency by day.

Belongs here: figures of results, as PNG bytes. Does not belong here: computing any of them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.monitoring.business_measures import BusinessResult
from platform_assets.monitoring.drift import ColumnVerdict, DriftResult
from platform_assets.monitoring.estimates.kept import EstimatedQuality
from platform_assets.monitoring.latency import ServiceDay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_COLUMNS = 40
"""Columns in one drift plot, the worst first."""

GREEN, RED, BLUE, GREY = "#2e8b57", "#b3261e", "#2f6db3", "#8a94a0"


def plot_drift(result: DriftResult) -> bytes:
    """KS and PSI of every column as a share of their limits; a column without statistics shows its verdict.

    Returns:
        A PNG image.
    """
    figure = new_figure(9.0, 1.4 + 0.28 * min(max(len(result.columns), 1), MAX_COLUMNS))
    axes = figure.subplots()
    verdicts = sorted(result.columns, key=_severity)[-MAX_COLUMNS:]
    for position, verdict in enumerate(verdicts):
        ks, psi = _share(verdict.ks, verdict.ks_limit), _share(verdict.psi, verdict.psi_limit)
        color = GREEN if verdict.passed else RED
        axes.plot([0, max(ks or 0.0, psi or 0.0)], [position, position], color=color, linewidth=2, alpha=0.5)
        for value, marker in ((ks, "o"), (psi, "s")):
            if value is not None:
                axes.plot([value], [position], marker, color=color, markersize=6)
        if ks is None and psi is None:
            axes.text(0.02, position, verdict.status, color=color, va="center", fontsize=8)
    axes.axvline(1.0, color=GREY, linestyle="--", linewidth=1)
    axes.set_xscale("symlog", linthresh=2.0)
    axes.set_xlim(left=0.0)
    axes.set_yticks(
        range(len(verdicts)), [verdict.column.removeprefix(FEATURE_PREFIX) for verdict in verdicts], fontsize=8
    )
    axes.set_xlabel("share of the limit: KS (dot), PSI (square); past 1 the column has drifted")
    axes.set_title(
        f"{result.status}: {len(result.failed_columns)} of {len(result.columns)} columns failed", fontsize=10
    )
    return png(figure)


def plot_quality(by_day: pl.DataFrame, name: str, bound: float | None) -> bytes:
    """A metric by event day, with the bound that it must keep.

    Args:
        by_day: rows of `quality_by_day`.
        name: the metric.
        bound: None draws no line.

    Returns:
        A PNG image.
    """
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    axes.plot(by_day[EVENT_DAY].to_numpy(), by_day["value"].to_numpy(), "o-", color=BLUE, label=name)
    if bound is not None:
        axes.axhline(bound, color=RED, linestyle="--", linewidth=1, label=f"bound {bound:.3f}")
    axes.set_xlabel("event day")
    axes.legend(fontsize=8)
    figure.autofmt_xdate()
    return png(figure)


def plot_estimates(result: EstimatedQuality) -> bytes:
    """Earlier estimates of a metric with their intervals beside the truth, the newest estimate, and the bound.

    Returns:
        A PNG image.
    """
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    newest = result.estimates.get(result.metric) or result.withdrawn.get(result.metric)
    series = [(one.day, one.estimated, one.low, one.high, one.standing == "withdrawn") for one in result.scored]
    if newest is not None:
        withdrawn = result.metric in result.withdrawn
        series.append((result.last_day.isoformat(), newest.value, newest.low, newest.high, withdrawn))
    for believed, color, label in ((True, BLUE, "estimated, 95 % interval"), (False, GREY, "estimated and withdrawn")):
        chosen = [one for one in series if one[4] != believed]
        if chosen:
            days = np.array([one[0] for one in chosen], dtype="datetime64[D]")
            values = np.array([one[1:4] for one in chosen])
            off = np.maximum([values[:, 0] - values[:, 1], values[:, 2] - values[:, 0]], 0.0)
            axes.errorbar(days, values[:, 0], yerr=off, fmt="o", color=color, capsize=2, markersize=4, label=label)
    if result.scored:
        days = np.array([one.day for one in result.scored], dtype="datetime64[D]")
        axes.plot(days, [one.true for one in result.scored], "-", color=GREEN, label="true, once labels had come")
    if result.metric in result.bounds:
        bound = result.bounds[result.metric]
        axes.axhline(bound, color=RED, linestyle="--", linewidth=1, label=f"bound {bound:.3f}")
    axes.set_title(f"{result.metric}: {result.status}", fontsize=10)
    axes.set_xlabel("last event day of the window")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    figure.autofmt_xdate()
    return png(figure)


def plot_measures(result: BusinessResult) -> bytes:
    """Each business measure by event day, with its bound.

    Returns:
        A PNG image.
    """
    figure = new_figure(9.0, 0.6 + 2.4 * max(1, len(result.measures)))
    for axes, one in zip(
        figure.subplots(max(1, len(result.measures)), squeeze=False)[:, 0], result.measures, strict=False
    ):
        days = np.array(list(one.by_day), dtype="datetime64[D]")
        axes.plot(days, list(one.by_day.values()), "o-", color=BLUE)
        if one.bound is not None:
            axes.axhline(one.bound, color=RED, linestyle="--", linewidth=1)
        axes.set_ylabel(f"{one.unit} a {one.per}")
        axes.set_title(f"{one.name}: {one.status}", fontsize=10)
    figure.autofmt_xdate()
    return png(figure)


def plot_latency(days: Sequence[ServiceDay]) -> bytes:
    """Time in the service by event day: median, 95th and 99th percentile, in milliseconds.

    Returns:
        A PNG image.
    """
    figure = new_figure(9.0, 3.2)
    axes = figure.subplots()
    when = np.array([day.day for day in days], dtype="datetime64[D]")
    for label, color, values in (
        ("p50", GREEN, [day.latency_p50_ms for day in days]),
        ("p95", BLUE, [day.latency_p95_ms for day in days]),
        ("p99", RED, [day.latency_p99_ms for day in days]),
    ):
        axes.plot(when, values, "o-", color=color, label=label)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("ms")
    axes.set_xlabel("event day")
    axes.legend(fontsize=8)
    figure.autofmt_xdate()
    return png(figure)


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """An empty figure whose parts keep out of each other's way."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def png(figure: Figure) -> bytes:
    """A figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _share(value: float | None, limit: float | None) -> float | None:
    return None if value is None or limit is None else value / limit


def _severity(verdict: ColumnVerdict) -> tuple[bool, float]:
    return not verdict.passed, max(
        _share(verdict.ks, verdict.ks_limit) or 0.0, _share(verdict.psi, verdict.psi_limit) or 0.0
    )
