"""Pictures of what was delivered and of profiles.

Belongs here: drawing. Does not belong here: computing what is drawn (`profile`, `audit`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.pictures.figures import note, png
from platform_assets.pictures.palette import BLUE, ORANGE
from platform_assets.validation.panels import Box, Panel, new_figure, png_of, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAND = "#c2d8e9"
SHOWN_COLUMNS = 4
SHOWN_DAYS = 6
"""Days that are named below a picture of many."""


def plot_volume(counts: Mapping[date, int], refused: Mapping[date, int]) -> bytes:
    """A picture of the rows delivered for each day, and of the share refused.

    Args:
        counts: Rows delivered, by day.
        refused: Rows refused, by day; none where a day is missing.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    return png_of(volume_figure(counts, refused)) if counts else png(note("No rows were delivered."))


def volume_figure(counts: Mapping[date, int], refused: Mapping[date, int]) -> Figure:
    """As `plot_volume`, as a figure of at least one day."""
    first, last = min(counts), max(counts)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    rows = [counts.get(day, 0) for day in days]
    percent = [100.0 * refused.get(day, 0) / counts[day] if counts.get(day) else 0.0 for day in days]
    edges = [number - 0.5 for number in range(len(days) + 1)]
    figure, across = new_figure(7.0, 3.2), (edges[0], edges[-1])
    upper = Panel(figure, (0.14, 0.4, 0.84, 0.5), across, spread(rows, from_zero=True), size=8)
    lower = Panel(figure, (0.14, 0.1, 0.84, 0.2), across, (0.0, max([*percent, 0.1]) * 1.1), size=8)
    upper.steps(rows, edges, BLUE)
    lower.steps(percent, edges, ORANGE)
    title = f"{sum(rows):,} rows on {len(counts)} days, {sum(refused.get(day, 0) for day in counts):,} refused"
    upper.frame(title, "rows delivered")
    lower.frame(label="refused, %")
    upper.ticks(across=[], up=4)
    step = -(-len(days) // SHOWN_DAYS)
    lower.ticks([(number, f"{days[number]:%Y-%m-%d}") for number in range(0, len(days), step)], up=2)
    return figure


def plot_profile(profiles: pl.DataFrame, day: date | None, columns: Sequence[str]) -> bytes:
    """For each column with numbers, the trend of its mean and middle half, and the day's histogram.

    Args:
        profiles: Profiles of the last days, as in `PROFILE_SCHEMA`.
        day: The day whose histogram is drawn; None for a reference table.
        columns: Columns to draw, of which the first 4 with numbers are.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    numeric = profiles.filter(pl.col("mean").is_not_null())
    present = set(numeric["column"])
    names = [name for name in columns if name in present][:SHOWN_COLUMNS]
    if not names:
        return png(note("No column of this day has numbers."))
    height = 0.5 + 1.1 * len(names)
    figure = new_figure(7.0, height)
    for place, name in enumerate(names):
        lines = numeric.filter(pl.col("column") == name).sort(EVENT_DAY)
        bottom = (height - 1.1 * (place + 1)) / height
        if day is not None:
            _trend(figure, (0.11, bottom, 0.55, 0.75 / height), lines, day, name)
        shown = lines.filter(pl.col(EVENT_DAY) == day) if day is not None else lines
        if shown.height and shown["histogram"][0]:
            histogram = json.loads(shown["histogram"][0])
            counts, edges = histogram["counts"], histogram["edges"]
            box = (0.72, bottom, 0.27, 0.75 / height)
            panel = Panel(figure, box, (edges[0], edges[-1]), spread(counts, from_zero=True))
            panel.steps(counts, edges, BLUE)
            panel.frame(label="" if day is not None else name)
            panel.ticks()
    if day is not None:
        figure.text(0.385, 0.01, f"days before {day}", ha="center", fontsize=7)
    return png_of(figure)


def _trend(figure: Figure, box: Box, lines: pl.DataFrame, day: date, name: str) -> None:
    """The mean of a column over the last days, and its middle half."""
    lines = lines.drop_nulls(["q25", "q75", "mean"])
    ages = [float((one - day).days) for one in lines[EVENT_DAY]]
    low, high, mean = (lines[column].to_list() for column in ("q25", "q75", "mean"))
    panel = Panel(figure, box, spread(ages), spread([*low, *high, *mean]))
    panel.band(ages, low, high, BAND)
    panel.line(ages, mean, BLUE)
    panel.frame(label=name)
    panel.ticks()
