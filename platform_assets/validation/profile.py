"""Profiles: what each column of each day looks like, and pictures of it.

What belongs here: summaries of published rows, to read and to compare. What does not: verdicts on them (`audit` for
rules, `monitoring` for drift).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from platform_assets.spec.columns import Column
from platform_assets.spec.sources import EVENT_DAY, Source

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

PROFILE_SCHEMA = pl.Schema(
    {
        EVENT_DAY: pl.Date(),
        "column": pl.String(),
        "type": pl.String(),
        "rows": pl.Int64(),
        "nulls": pl.Int64(),
        "distinct": pl.Int64(),
        "minimum": pl.String(),
        "maximum": pl.String(),
        "mean": pl.Float64(),
        "std": pl.Float64(),
        **{f"q{round(100 * q):02d}": pl.Float64() for q in QUANTILES},
    }
)
"""`distinct` is an estimate within a few percent. `std` is that of the sample. Mean, std and quantiles are of numbers
only, and the quantiles are values that occur."""

_SUMMARY = "#summary"


def profile(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Summaries of every column on every day, in one pass.

    Args:
        frame: Published rows: the declared columns, with `event_day` in a daily table.
        source: The declared source.

    Returns:
        As in `PROFILE_SCHEMA`, ordered by day and by column as declared; `event_day` is null for a reference table.
    """
    if EVENT_DAY not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Date).alias(EVENT_DAY))
    by_day = (
        frame.lazy()
        .group_by(EVENT_DAY)
        .agg(pl.struct(_summary(column)).alias(column.name) for column in source.columns)
        .sort(EVENT_DAY)
        .collect()
    )
    parts = [
        by_day.select(EVENT_DAY, pl.col(column.name).alias(_SUMMARY))
        .unnest(_SUMMARY)
        .with_columns(
            pl.lit(column.name).alias("column"), pl.lit(column.type).alias("type"), pl.lit(place).alias("place")
        )
        for place, column in enumerate(source.columns)
    ]
    return pl.concat(parts).sort(EVENT_DAY, "place").select(PROFILE_SCHEMA.names()).cast(PROFILE_SCHEMA)


def plot_volume(counts: Mapping[date, int], refused: Mapping[date, int]) -> bytes:
    """A picture of the rows delivered for each day, and of the share refused.

    Args:
        counts: Rows delivered, by day.
        refused: Rows refused, by day; none where a day is missing.

    Returns:
        A PNG, the same bytes for the same numbers.
    """
    import io

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


def _summary(column: Column) -> list[pl.Expr]:
    value = pl.col(column.name)
    number = value.cast(pl.Float64) if column.is_numeric else pl.lit(None, dtype=pl.Float64)
    quantiles = [
        (number.quantile(q, interpolation="nearest") if column.is_numeric else number).alias(f"q{round(100 * q):02d}")
        for q in QUANTILES
    ]
    return [
        pl.len().alias("rows"),
        value.null_count().alias("nulls"),
        value.approx_n_unique().alias("distinct"),
        value.min().cast(pl.String).alias("minimum"),
        value.max().cast(pl.String).alias("maximum"),
        (number.mean() if column.is_numeric else number).alias("mean"),
        (number.std() if column.is_numeric else number).alias("std"),
        *quantiles,
    ]
