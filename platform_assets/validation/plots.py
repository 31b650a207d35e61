"""Pictures of what was delivered and of profiles.

Belongs here: drawing. Does not belong here: computing what is drawn (`profile`, `audit`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY

SHOWN_COLUMNS = 4


def plot_volume(counts: Mapping[date, int], refused: Mapping[date, int]) -> bytes:
    """A picture of the rows delivered for each day, and of the share refused.

    Args:
        counts: Rows delivered, by day.
        refused: Rows refused, by day; none where a day is missing.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    first, last = min(counts, default=date(1970, 1, 1)), max(counts, default=date(1970, 1, 1))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = [counts.get(day, 0) for day in days]
    percent = [100.0 * refused.get(day, 0) / counts[day] if counts.get(day) else 0.0 for day in days]
    edges = date2num([*days, last + timedelta(days=1)]) - 0.5
    figure = Figure(figsize=(7.0, 3.2))
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    figure.subplots_adjust(left=0.14, right=0.98, top=0.91, bottom=0.1, hspace=0.12)
    # One outline instead of a bar for each day, and fixed margins: half a second of a long load went into this picture.
    upper.stairs(rows, edges, fill=True, color="#4472a8", antialiased=False)
    upper.set_ylabel("rows delivered")
    upper.set_title(f"{sum(rows):,} rows on {len(counts)} days, {sum(refused.get(day, 0) for day in counts):,} refused")
    lower.stairs(percent, edges, fill=True, color="#b5473c", antialiased=False)
    lower.set_ylabel("refused, %", fontsize=8)
    lower.set_ylim(0.0, max([*percent, 0.1]) * 1.1)
    locator = AutoDateLocator()
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=80, metadata={"Software": None})
    return target.getvalue()


def plot_profile(profiles: pl.DataFrame, day: date | None, columns: Sequence[str]) -> bytes:
    """For each column with numbers, the trend of its mean and middle half, and the day's histogram.

    Args:
        profiles: Profiles of the last days, as in `PROFILE_SCHEMA`.
        day: The day whose histogram is drawn; None for a reference table.
        columns: Columns to draw, of which the first 4 with numbers are.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    numeric = profiles.filter(pl.col("mean").is_not_null())
    present = set(numeric["column"])
    names = [name for name in columns if name in present][:SHOWN_COLUMNS]
    figure = Figure(figsize=(7.0, 0.5 + 1.1 * max(len(names), 1)))
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(len(names), 1), 2, squeeze=False, width_ratios=[2, 1])
    figure.subplots_adjust(left=0.11, right=0.99, top=0.97, bottom=0.14, hspace=0.45, wspace=0.15)
    for (left, right), name in zip(axes, names, strict=False):
        lines = numeric.filter(pl.col("column") == name).sort(EVENT_DAY)
        left.set_ylabel(name, fontsize=7)
        if day is not None:
            ages = [(one - day).days for one in lines[EVENT_DAY]]
            left.fill_between(ages, lines["q25"].to_list(), lines["q75"].to_list(), color="#c9d7e6", linewidth=0)
            left.plot(ages, lines["mean"].to_list(), color="#4472a8", marker=".", markersize=3)
        shown = lines.filter(pl.col(EVENT_DAY) == day) if day is not None else lines
        if shown.height and shown["histogram"][0]:
            histogram = json.loads(shown["histogram"][0])
            right.stairs(histogram["counts"], histogram["edges"], fill=True, color="#4472a8")
        for one in (left, right):
            one.locator_params(nbins=4)
            one.tick_params(labelsize=6)
    if day is not None and names:
        axes[-1][0].set_xlabel(f"days before {day}", fontsize=7)
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=80, metadata={"Software": None})
    return target.getvalue()
