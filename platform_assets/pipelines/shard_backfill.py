"""Compute the days of a feature table that do not fit into memory at once: in shards of entities, here or on a Ray cluster, in one commit.

Belongs here: when that is needed, which rows of which versions the stages read, and the commit. Does not belong here: the stages and the
engines (`features/offline/sharding/`), days that fit (`compute_features.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

import polars as pl

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.features.aggregation.kernel import decimal_scales, plan_windows
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.feature_table import days_reached
from platform_assets.features.offline.sharding.engines.base import ShardEngine
from platform_assets.features.offline.sharding.engines.in_chunks import InChunks
from platform_assets.features.offline.sharding.engines.on_ray import OnRay
from platform_assets.features.offline.sharding.plan import (
    Capacity,
    RowBytes,
    ShardPlan,
    estimated_bytes,
    make_plan,
    row_bytes,
)
from platform_assets.features.offline.sharding.stages import ViewStages
from platform_assets.lake.commits import Commit
from platform_assets.lake.table import LakeTable
from platform_assets.lake.written_files import WrittenFile, commit_files, discard_files, write_files


class PinnedDays(Protocol):
    """The tables of a view as they were when the run began."""

    def shard_events(self, first: date, last: date, newest: date) -> pl.DataFrame:
        """Clean events of these days with the labels that are known at 00:00 of `newest`."""

    def looked_up_events(self, first: date, last: date) -> pl.DataFrame:
        """Clean events of these days with what the view looks up for them."""


@dataclass(frozen=True, eq=False)
class TableDays:
    """What the stages read and write; it travels to the machines of a cluster."""

    pinned: PinnedDays
    table: LakeTable
    newest: date

    def events(self, first: date, last: date) -> pl.DataFrame:
        """See `EventDays`."""
        return self.pinned.shard_events(first, last, self.newest)

    def looked_up(self, first: date, last: date) -> pl.DataFrame:
        """See `EventDays`."""
        return self.pinned.looked_up_events(first, last)

    def write(self, rows: pl.DataFrame, first: date, last: date) -> Sequence[WrittenFile]:
        """See `EventDays`."""
        return write_files(self.table, rows, first, last)


def planned(
    view: FeatureView, use_case: UseCase, days: DayRange, counts: Mapping[date, int], capacity: Capacity
) -> ShardPlan | None:
    """How a range of days is to be cut; None where it fits into memory at once, as a single day always does."""
    if days.first == days.last:
        return None
    of_row, reach = _row_bytes(view, use_case), days_reached(view, use_case.time_zone) if view.windows else 0
    reached = days.first - timedelta(days=reach)
    rows = sum(count for day, count in counts.items() if reached <= day <= days.last)
    if estimated_bytes(rows, of_row) <= capacity.memory_bytes:
        return None
    return make_plan(
        counts, days.first, days.last, reach, of_row, capacity.memory_bytes, has_windows=bool(view.windows)
    )


def shard_backfill(
    view: FeatureView,
    use_case: UseCase,
    pinned: PinnedDays,
    table: LakeTable,
    plan: ShardPlan,
    capacity: Capacity,
    metadata: Mapping[str, str],
) -> Commit:
    """Compute the plan's days and write them, in one commit.

    Raises:
        FeatureError: the view cannot be computed, a shard failed as often as it may, or the cluster cannot be used; nothing was committed.
    """
    days = TableDays(pinned, table, plan.computed[-1].last)
    stages = ViewStages(view, use_case, days, plan.shards)
    files: list[WrittenFile] = engine_for(capacity).run(stages, plan)
    first, last = plan.computed[0].first, plan.computed[-1].last
    try:
        return commit_files(table, files, first, last, metadata=metadata)
    except BaseException:
        discard_files(table, files)
        raise


def engine_for(capacity: Capacity) -> ShardEngine:
    """Who does it: this process, or the cluster where there is one."""
    if capacity.ray_address is None:
        return InChunks(capacity.scratch)
    address = capacity.ray_address

    @contextmanager
    def join(takes: Mapping[str, float], what: str) -> Iterator[Any]:
        from platform_assets.training.distributed.cluster import ClusterError, cluster, wait_for_room

        try:
            with cluster(address) as ray:
                wait_for_room(ray, [dict(takes)], what)
                yield ray
        except ClusterError as error:
            raise FeatureError(str(error)) from error

    return OnRay(join, capacity.memory_bytes)


def _row_bytes(view: FeatureView, use_case: UseCase) -> RowBytes:
    plan = plan_windows(view, use_case.time_zone, decimal_scales(use_case.event_source))
    columns = len(use_case.event_source.columns) + 1
    return row_bytes(plan, columns, len(use_case.feature_schema(view)))
