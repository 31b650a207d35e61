"""The three stages of a backfill in shards: scatter a chunk over the shards, compute a segment, gather a chunk.

Belongs here: what one process does with one chunk or segment. Does not belong here: cutting (`plan.py`), where results wait for the next
stage and what runs where (`engines/`).

- *Scatter*: the events of a chunk in order of time and key; what windows need of each goes to the shard of its entity, with its place in
  the chunk.
- *Compute*: a segment's rows, chunk after chunk, are in order already; the kernel gives their windows, and each row's go back to its chunk.
- *Gather*: the events of the chunk once more in the same order, each with the windows that come for its place; then the row features.

Nothing is added up across shards, so that values are those of a single pass, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Protocol
from zlib import crc32

import numpy as np
import polars as pl

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.kernel import WindowPlan, compute_windows, decimal_scales, plan_windows
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import event_order, in_order
from platform_assets.features.offline.feature_table import check_events, entity_order, value_matrix, with_row_features
from platform_assets.features.offline.sharding.plan import Chunk, Segment

ENTITY, TIME, PLACE = "entity", "time", "place"

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""The finalizer of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)."""


class EventDays(Protocol):
    """The tables of a backfill, as they were when it began."""

    def events(self, first: date, last: date) -> pl.DataFrame:
        """Clean events of these days, with the labels that windows may see."""

    def looked_up(self, first: date, last: date) -> pl.DataFrame:
        """Clean events of these days with what the view looks up for them."""

    def write(self, rows: pl.DataFrame, first: date, last: date) -> Sequence[Any]:
        """Put rows of the feature table where they will be committed; what to commit."""


class Stages(Protocol):
    """The work of a backfill; whatever is handed on is a frame."""

    @property
    def shards(self) -> int:
        """How many there are; 0 where chunks need nothing of each other."""

    def scatter(self, chunk: Chunk) -> list[pl.DataFrame]:
        """What each shard needs of a chunk."""

    def compute(self, segment: Segment, parts: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
        """What each computed chunk gets of a segment; `parts` are of its history and its computed chunks, in order."""

    def gather(self, chunk: Chunk, parts: Iterable[pl.DataFrame]) -> Sequence[Any]:
        """Write a chunk, with what came of all segments; what to commit."""


@dataclass(frozen=True, eq=False)
class ViewStages:
    """The stages of a feature view.

    Attributes:
        view: the features.
        use_case: the declaration.
        days: the tables.
        shards: how many.
    """

    view: FeatureView
    use_case: UseCase
    days: EventDays
    shards: int

    @cached_property
    def plan(self) -> WindowPlan:
        """The view's windows."""
        return plan_windows(self.view, self.use_case.time_zone, decimal_scales(self.use_case.event_source))

    def scatter(self, chunk: Chunk) -> list[pl.DataFrame]:
        """See `Stages`.

        Raises:
            FeatureError: what `compute_view` refuses.
            PointInTimeError: a key appears twice.
        """
        events = self._ordered(self.days.events(chunk.first, chunk.last))
        check_events(self.view, self.use_case, events, self.plan)
        values = value_matrix(self.plan, events, self.use_case)
        entities = events[self.use_case.entity(str(self.view.entity)).key]
        rows = pl.DataFrame(
            {
                ENTITY: entities,
                TIME: events[self.use_case.event_time].to_physical(),
                PLACE: np.arange(len(events), dtype=np.uint32),
                **{f"value_{number}": column for number, column in enumerate(values)},
            }
        )
        shards = shard_of(entities, self.shards)
        order = np.argsort(shards, kind="stable")
        ends = np.cumsum(np.bincount(shards, minlength=self.shards))
        sorted_rows = rows[order]
        return [sorted_rows.slice(end - size, size) for end, size in zip(ends, np.diff(ends, prepend=0), strict=True)]

    def compute(self, segment: Segment, parts: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
        """See `Stages`."""
        plan, sizes = self.plan, [part.height for part in parts[len(segment.history) :]]
        rows = pl.concat(parts)
        begin, count = rows.height - sum(sizes), sum(sizes)
        windows = np.empty((len(plan.names), count))
        if count:
            starts, order = entity_order(rows[ENTITY])
            times = rows[TIME].to_numpy()
            values = np.empty((len(plan.values), rows.height))
            for number, row in enumerate(values):
                np.take(rows[f"value_{number}"].to_numpy(), order, out=row)
            places = rows[PLACE].slice(begin)
            del rows
            windows = compute_windows(
                plan,
                times=times[order],
                starts=starts,
                values=values,
                first_time=int(times[begin]),
                last_time=int(times[-1]),
                positions=order - begin,
                row_count=count,
            )
        else:
            places = rows[PLACE].slice(begin)
        result, start = [], 0
        for size in sizes:
            part = {name: windows[number, start : start + size] for number, name in enumerate(plan.names)}
            result.append(pl.DataFrame({PLACE: places.slice(start, size), **part}))
            start += size
        return result

    def gather(self, chunk: Chunk, parts: Iterable[pl.DataFrame]) -> Sequence[Any]:
        """See `Stages`.

        Raises:
            FeatureError: a row expression fails, or the windows are not those of the chunk's events.
        """
        rows, names = self._ordered(self.days.looked_up(chunk.first, chunk.last)), self.plan.names
        if names:
            windows, filled = np.empty((len(names), rows.height)), 0
            for part in parts:
                places = part[PLACE].to_numpy()
                filled += len(places)
                for number, name in enumerate(names):
                    windows[number, places] = part[name].to_numpy()
            if filled != rows.height:
                raise FeatureError(
                    f"view {self.view.name!r}: days {chunk.first} .. {chunk.last} have {rows.height} events, and windows came for "
                    f"{filled}; nothing was committed: run it again"
                )
            rows = rows.with_columns(
                pl.Series(name, windows[number], nan_to_null=True) for number, name in enumerate(names)
            )
            del windows
        return self.days.write(with_row_features(self.view, self.use_case, rows), chunk.first, chunk.last)

    def _ordered(self, events: pl.DataFrame) -> pl.DataFrame:
        return in_order(with_entity_columns(events, self.use_case, [self.view]), event_order(self.use_case))


def shard_of(entities: pl.Series, shards: int) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    """The shard of each entity, the same on every machine: uint16 [n]. Events without entity are spread."""
    if entities.dtype == pl.String:
        different = entities.drop_nulls().unique()
        hashes = pl.Series([crc32(text.encode()) for text in different], dtype=pl.Int64)
        numbers = entities.replace_strict(different, hashes, default=None, return_dtype=pl.Int64)
    else:
        numbers = entities.to_physical().cast(pl.Int64)
    alone = pl.int_range(len(numbers), dtype=pl.Int64, eager=True)
    keys = numbers.zip_with(numbers.is_not_null(), alone).to_numpy().astype(np.uint64)
    keys = (keys ^ (keys >> np.uint64(30))) * _MIX[0]
    keys = (keys ^ (keys >> np.uint64(27))) * _MIX[1]
    keys ^= keys >> np.uint64(31)
    return (keys % np.uint64(shards)).astype(np.uint16)
