"""Pictures of what was delivered and of profiles.

What belongs here: drawing. What does not: computing what is drawn (`profile`, `audit`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import date

import polars as pl

from platform_assets.spec.sources import EVENT_DAY

SHOWN_COLUMNS = 8


def plot_volume(counts: Mapping[date, int], refused: Mapping[date, int]) -> bytes:
    """A picture of the rows delivered for each day, and of the share refused.

    Args:
        counts: Rows delivered, by day.
        refused: Rows refused, by day; none where a day is missing.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    days = sorted(counts)
    rows = [counts[day] for day in days]
    percent = [100.0 * refused.get(day, 0) / counts[day] if counts[day] else 0.0 for day in days]
    figure = Figure(figsize=(7.0, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.bar(days, rows, width=1.0, color="#4472a8", antialiased=False)
    upper.set_ylabel("rows delivered")
    upper.set_title(f"{sum(rows):,} rows on {len(days)} days, {sum(refused.get(day, 0) for day in days):,} refused")
    lower.bar(days, percent, width=1.0, color="#b5473c", antialiased=False)
    lower.set_ylabel("refused, %")
    lower.set_ylim(0.0, max([*percent, 0.1]) * 1.1)
    locator = AutoDateLocator()
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=80, metadata={"Software": None})
    return target.getvalue()


def plot_profile(profiles: pl.DataFrame, day: date | None) -> bytes:
    """For each column with numbers, the trend of its mean and middle half, and the day's histogram.

    Args:
        profiles: Profiles of the last days, as in `PROFILE_SCHEMA`.
        day: The day whose histogram is drawn; None for a reference table.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    names = (
        profiles.filter(pl.col("mean").is_not_null())["column"].unique(maintain_order=True).to_list()[:SHOWN_COLUMNS]
    )
    figure = Figure(figsize=(8.0, max(1.0, 1.5 * len(names))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(len(names), 1), 2, squeeze=False, width_ratios=[2, 1])
    for (left, right), name in zip(axes, names, strict=False):
        lines = profiles.filter(pl.col("column") == name).sort(EVENT_DAY)
        left.set_ylabel(name, fontsize=8)
        if day is not None:
            trend = lines.filter(pl.col("mean").is_not_null())
            days = trend[EVENT_DAY].to_list()
            left.fill_between(days, trend["q25"].to_list(), trend["q75"].to_list(), color="#c9d7e6", linewidth=0)
            left.plot(days, trend["mean"].to_list(), color="#4472a8", marker=".", markersize=3)
            locator = AutoDateLocator()
            left.xaxis.set_major_locator(locator)
            left.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        shown = lines.filter(pl.col(EVENT_DAY) == day) if day is not None else lines
        if shown.height and shown["histogram"][0]:
            drawn = json.loads(shown["histogram"][0])
            right.stairs(drawn["counts"], drawn["edges"], fill=True, color="#4472a8")
        for one in (left, right):
            one.tick_params(labelsize=7)
            one.spines[["top", "right"]].set_visible(False)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=80, metadata={"Software": None})
    return target.getvalue()
