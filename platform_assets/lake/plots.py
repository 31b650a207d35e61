"""Pictures of the lake's own state.

Belongs here: what upkeep did over time. Does not belong here: pictures of rows (`validation`, `monitoring`).
"""

from __future__ import annotations

import polars as pl

from platform_assets.pictures.figures import end_labels, labelled, new_figure, note, png, read_as
from platform_assets.pictures.numbers import readable
from platform_assets.pictures.palette import BLUE, GREY

SHOWN_RUNS = 30


def plot_upkeep(runs: pl.DataFrame) -> bytes:
    """Bytes on disk before and after each upkeep, over all tables.

    Args:
        runs: A row for each table and run, with `ran_at`, `stored_bytes_before` and `stored_bytes_after`.

    Returns:
        A PNG.
    """
    sums = (
        runs.group_by("ran_at")
        .agg(pl.col("stored_bytes_before", "stored_bytes_after").sum())
        .sort("ran_at")
        .tail(SHOWN_RUNS)
    )
    if sums.is_empty():
        return png(note("No upkeep has run yet."))
    figure = new_figure(7.4, 3.2)
    axes = figure.subplots()
    places = list(range(sums.height))
    before, after = ((sums[name] / 1e6).to_list() for name in ("stored_bytes_before", "stored_bytes_after"))
    axes.vlines(places, after, before, color=GREY, linewidth=1)
    axes.plot(places, before, "o", color=GREY, markersize=5, markerfacecolor="none")
    axes.plot(places, after, "o", color=BLUE, markersize=5)
    axes.set_ylim(0.0, 1.15 * max(*before, *after, 1e-6))
    axes.set_xlim(-0.6, sums.height - 0.4)
    step = -(-sums.height // 5)
    axes.set_xticks(places[::step], [f"{moment:%Y-%m-%d}" for moment in sums["ran_at"].to_list()[::step]])
    labelled(axes, "All versions of all tables on disk", "upkeep of", "megabytes", grid="y")
    read_as(axes.yaxis)
    labels = [
        (before[-1], f"before {readable(before[-1])} MB", GREY),
        (after[-1], f"after {readable(after[-1])} MB", BLUE),
    ]
    end_labels(axes, labels)
    return png(figure)
