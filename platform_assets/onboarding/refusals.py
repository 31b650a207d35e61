"""What the rules of a day would refuse in the data that somebody has, so that a declaration's limits let its days pass.

Belongs here: rows that repeat a key or hold what their column cannot, and days of few or many rows. Does not
belong here: judging declared rows (`validation/`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import polars as pl

from platform_assets.declaration.sections.quality import Quality, VolumeRule
from platform_assets.onboarding.facts import TableFacts
from platform_assets.onboarding.labels import Guess

_ROOM = 1.5
"""A limit is so much above the worst day that was found."""
_HIGHEST = 0.5
_WEEKS = 4
"""Weeks that a day's rows are compared with."""


def limit_of_refusals(table: TableFacts, key: Sequence[str], time: str) -> Guess | None:
    """The share of a day's rows that may be refused, where the worst day of the data has more than the usual limit.

    Args:
        table: what was found.
        key: columns that identify a row.
        time: the column with the time of the event.
    """
    frame = table.frame
    if time not in frame.columns or not set(key) <= set(frame.columns):
        return None
    bad = ~frame.select(pl.struct(key).is_first_distinct()).to_series() | frame[time].is_null()
    misfits = max((facts.misfits for facts in table.columns), default=0) / max(1, frame.height)
    days = pl.DataFrame({"day": frame[time].dt.date(), "bad": bad}).group_by("day").agg(pl.col("bad").mean())
    worst = cast(float, days["bad"].max() or 0.0) + misfits
    if worst <= Quality().max_refused_ratio:
        return None
    limit = min(_HIGHEST, math.ceil(worst * _ROOM * 1000) / 1000)
    rows = int(bad.sum())
    return Guess(
        f"{limit:g}", f"{rows:,} rows go to quarantine, up to {worst:.1%} of a day; deliver better ones and lower it"
    )


def limits_of_volume(table: TableFacts, time: str) -> tuple[float, float] | None:
    """Smallest and largest rows of a day against those of the same weekday before, where days of the data go beyond the usual limits."""
    if time not in table.frame.columns:
        return None
    days = table.frame[time].drop_nulls().dt.date().value_counts(name="rows").rename({time: "day"}).sort("day")
    earlier = [
        days.select((pl.col("day") + pl.duration(days=7 * week)).alias("day"), pl.col("rows").alias(f"rows_{week}"))
        for week in range(1, _WEEKS + 1)
    ]
    for each in earlier:
        days = days.join(each, on="day", how="left")
    usual = pl.concat_list(f"rows_{week}" for week in range(1, _WEEKS + 1)).list.drop_nulls()
    ratios = days.filter(usual.list.len() >= VolumeRule().min_history).select(pl.col("rows") / usual.list.median())
    if ratios.is_empty():
        return None
    lowest, highest = cast(float, ratios.to_series().min()), cast(float, ratios.to_series().max())
    rule = VolumeRule()
    if lowest >= rule.min_ratio and highest <= rule.max_ratio:
        return None
    low = rule.min_ratio if lowest >= rule.min_ratio else math.floor(lowest / _ROOM * 100) / 100
    high = rule.max_ratio if highest <= rule.max_ratio else float(math.ceil(highest * _ROOM))
    return low, high
