"""Profiles: what each column of each day looks like.

Belongs here: summaries of candidate rows, to read and to compare. Does not belong here: verdicts on them (`anomalies`,
`monitoring` for drift), and pictures (`plots`).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.lake.schemas import PROFILE_SCHEMA, QUANTILES

BINS = 20
MICROSECONDS_PER_HOUR = 3_600_000_000
_THREADS = 4
TOP_VALUES = 10


def profile(frame: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Summaries of every column on every day. The values of a column and day are sorted once, and all is read off.

    Args:
        frame: Candidate or published rows: the declared columns, with `event_day` in a daily table.
        source: The declared source.

    Returns:
        As in `PROFILE_SCHEMA`, ordered by day and by column as declared; `event_day` is null for a reference table.
    """
    if EVENT_DAY in frame.columns:
        by_day: dict[date | None, pl.DataFrame] = _days(frame)
    else:
        by_day = {None: frame} if frame.height else {}
    wanted = [(day, column) for day in sorted(by_day, key=lambda day: day or date.min) for column in source.columns]

    def line(one: tuple[date | None, Column]) -> dict[str, Any]:
        day, column = one
        head = {EVENT_DAY: day, "column": column.name, "type": column.type}
        return {**head, **_summary(by_day[day][column.name], column, source)}

    # Sorting, which is most of the work, does not hold the interpreter's lock.
    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        lines = list(pool.map(line, wanted))
    return pl.DataFrame(lines, schema=PROFILE_SCHEMA)


def _days(frame: pl.DataFrame) -> dict[date | None, pl.DataFrame]:
    """The rows of each day; where days follow each other, as in what a table gives back, nothing is copied."""
    runs = frame[EVENT_DAY].rle().struct.unnest()
    if runs["value"].n_unique() < runs.height:
        return {key[0]: rows for key, rows in frame.partition_by(EVENT_DAY, as_dict=True, maintain_order=True).items()}
    starts = runs["len"].cum_sum() - runs["len"]
    lines = zip(runs["value"], starts, runs["len"], strict=True)
    return {day: frame.slice(start, length) for day, start, length in lines}


def _summary(values: pl.Series, column: Column, source: Source) -> dict[str, Any]:
    present = values.drop_nulls()
    summary: dict[str, Any] = {"rows": values.len(), "nulls": values.null_count()}
    if values.dtype in (pl.String, pl.Boolean):
        summary |= _of_text(present)
    else:
        ordered = _in_order(present.to_physical())
        summary |= _of_ordered(ordered, present)
        if column.is_numeric and len(ordered):
            summary |= _of_numbers(ordered)
    if column.name == source.event_time:
        local = ordered if source.time_zone == UTC_ZONE else np.sort(_local(present, source.time_zone))
        summary["histogram"] = json.dumps({"hours": _by_hour(local)})
    return summary


def _local(times: pl.Series, zone: str) -> NDArray[np.int64]:
    """What clocks of a zone show, in microseconds."""
    return times.dt.convert_time_zone(zone).dt.replace_time_zone(None).to_physical().to_numpy()


def _in_order(values: pl.Series) -> NDArray[Any]:
    """Values from small to large; keys and times mostly arrive so, and whole numbers close together are counted, not sorted."""
    array = values.to_numpy()
    if (array[1:] >= array[:-1]).all():
        return array
    if values.dtype == pl.Int64():
        smallest, largest = int(array.min()), int(array.max())
        if largest - smallest < len(array):
            return np.repeat(np.arange(smallest, largest + 1), np.bincount(array - smallest))
    return values.sort().to_numpy()


def _by_hour(ordered: NDArray[Any]) -> list[int]:
    """How many of the times, microseconds from small to large, lie in each hour of the day."""
    if not len(ordered):
        return [0] * 24
    first, last = int(ordered[0]) // MICROSECONDS_PER_HOUR, int(ordered[-1]) // MICROSECONDS_PER_HOUR
    if last - first > len(ordered):
        return list(np.bincount(ordered // MICROSECONDS_PER_HOUR % 24, minlength=24).tolist())
    hours = np.arange(first, last + 2)
    counts = np.diff(np.searchsorted(ordered, hours * MICROSECONDS_PER_HOUR))
    return list(np.bincount(hours[:-1] % 24, weights=counts, minlength=24).astype(int).tolist())


def _of_text(present: pl.Series) -> dict[str, Any]:
    counted = present.alias("value").value_counts(sort=False)
    values = counted["value"].cast(pl.String)
    # Of keys that nothing repeats, as random ones are, there is nothing to put in order.
    often = counted.filter(pl.col("count") > 1).top_k(TOP_VALUES, by=["count", "value"], reverse=[False, True])
    top = often.sort("count", "value", descending=[True, False])
    return {
        "distinct": counted.height,
        "minimum": values.min(),
        "maximum": values.max(),
        "top_values": json.dumps([list(pair) for pair in top.rows()]),
    }


def _of_ordered(ordered: NDArray[Any], present: pl.Series) -> dict[str, Any]:
    """What can be read off values in order: ends, distinct values, and the most frequent ones."""
    if not len(ordered):
        return {"distinct": 0, "top_values": "[]"}
    low, high = map(str, _texts(ordered[[0, -1]], present.dtype))
    changes = ordered[1:] != ordered[:-1]
    distinct = 1 + int(np.count_nonzero(changes))
    if distinct == len(ordered):
        return {"distinct": distinct, "minimum": low, "maximum": high, "top_values": "[]"}
    starts = np.flatnonzero(np.concatenate([[True], changes]))
    lengths = np.diff(np.concatenate([starts, [len(ordered)]]))
    often = np.flatnonzero(lengths > 1)
    if len(often) > TOP_VALUES:
        least = np.partition(lengths[often], -TOP_VALUES)[-TOP_VALUES]
        often = often[lengths[often] >= least]
    often = often[np.argsort(-lengths[often], kind="stable")][:TOP_VALUES]
    values = _texts(ordered[starts[often]], present.dtype)
    top = [[value, int(length)] for value, length in zip(values, lengths[often], strict=True)]
    return {"distinct": distinct, "minimum": low, "maximum": high, "top_values": json.dumps(top)}


def _texts(values: NDArray[Any], dtype: pl.DataType) -> list[Any]:
    """Physical values as they are written: numbers as numbers, times as text."""
    series = pl.Series(values).cast(dtype)
    return series.to_list() if dtype.is_numeric() else series.cast(pl.String).to_list()


def _of_numbers(ordered: NDArray[Any]) -> dict[str, Any]:
    numbers = ordered.astype(np.float64, copy=False)
    quantiles = {q: numbers[round(q * (len(numbers) - 1))] for q in QUANTILES}
    edges = np.linspace(numbers[0], numbers[-1], BINS + 1)
    below = np.searchsorted(numbers, edges[1:-1], side="left")
    counts = np.diff(np.concatenate([[0], below, [len(numbers)]]))
    return {
        "mean": float(numbers.mean()),
        "std": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        **{f"q{round(100 * q):02d}": float(value) for q, value in quantiles.items()},
        "histogram": json.dumps({"edges": [float(edge) for edge in edges], "counts": counts.tolist()}),
    }
