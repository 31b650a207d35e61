"""How a backfill is cut: days into chunks, entities into shards, the shard of a busy entity into segments of time.

Belongs here: arithmetic on row counts and bytes. Does not belong here: reading or computing rows (`stages.py`), who does it (`engines/`).

A chunk is some days with all their entities; a shard is some entities, by the hash of their key, with all their days. A shard whose rows
fit into the memory of a process is one segment. Where they do not, because one of its entities is busy, it is cut by time, and each segment
has the rows that its windows reach back to before it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from platform_assets.features.aggregation.kernel import WindowPlan
from platform_assets.features.offline.carried_state import day_chunks

_NUMBER_BYTES = 8
_LIBRARIES_BYTES = 400 * 2**20
"""What a process holds before the first row: interpreter, polars, numba, deltalake."""
_LEAST_ROWS_BYTES = 32 * 2**20
_FULL_SHARE = 0.7
"""How full a shard is planned: a hash does not cut evenly."""
MOST_CHUNK_ROWS = 2_000_000
"""Rows that are read, put in order and written at once."""


@dataclass(frozen=True)
class Capacity:
    """What a backfill may take.

    Attributes:
        memory_bytes: of one process; a backfill that would take more at once is done in shards.
        scratch: folder for what does not fit into memory meanwhile.
        ray_address: the cluster that shards are computed on; None for this process.
    """

    memory_bytes: int
    scratch: str
    ray_address: str | None = None


NO_BOUND = Capacity(sys.maxsize, "")
"""Everything is computed at once, by this process."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive days that are read at once.

    Attributes:
        number: place among all chunks, in order of time.
        first: first day, inclusive.
        last: last day, inclusive.
        is_history: whether its rows are read only because windows reach them.
    """

    number: int
    first: date
    last: date
    is_history: bool


@dataclass(frozen=True)
class Segment:
    """A shard, or a stretch of time of one.

    Attributes:
        shard: which one.
        history: chunks that are read only because windows reach them, in order of time.
        computed: chunks whose rows are computed, in order of time.
    """

    shard: int
    history: tuple[Chunk, ...]
    computed: tuple[Chunk, ...]

    def describe(self, shards: int) -> str:
        """The segment in words, for messages."""
        return f"shard {self.shard + 1} of {shards}, days {self.computed[0].first} .. {self.computed[-1].last}"


@dataclass(frozen=True)
class RowBytes:
    """What a row takes in a process at its peak, in bytes.

    Attributes:
        computed: of a shard, whose windows are computed.
        history: of a shard, that windows reach.
        table: of a chunk that is read, put in order and written.
    """

    computed: int
    history: int
    table: int


@dataclass(frozen=True)
class ShardPlan:
    """A backfill in pieces that fit.

    Attributes:
        chunks: all days, those that are only reached first.
        shards: how many; 0 where no window has to be computed.
        row_bytes: what a row takes.
        rows_bytes: what the rows of one process may take.
        reach_days: how many days windows reach back.
    """

    chunks: tuple[Chunk, ...]
    shards: int
    row_bytes: RowBytes
    rows_bytes: int
    reach_days: int

    @property
    def computed(self) -> tuple[Chunk, ...]:
        """Chunks whose rows are computed."""
        return tuple(chunk for chunk in self.chunks if not chunk.is_history)

    def segments(self, shard: int, counts: Sequence[int]) -> list[Segment]:
        """A shard in stretches of time that fit.

        Args:
            shard: which one.
            counts: its rows in each chunk.
        """
        computed, result, begin = self.computed, list[Segment](), 0
        while begin < len(computed):
            history = self._reached(computed[begin])
            size = sum(counts[chunk.number] for chunk in history) * self.row_bytes.history
            end = begin
            while end < len(computed):
                size += counts[computed[end].number] * self.row_bytes.computed
                if size > self.rows_bytes and end > begin:
                    break
                end += 1
            result.append(Segment(shard, history, computed[begin:end]))
            begin = end
        return result

    def _reached(self, chunk: Chunk) -> tuple[Chunk, ...]:
        oldest = chunk.first - timedelta(days=self.reach_days)
        return tuple(other for other in self.chunks[: chunk.number] if other.last >= oldest)


def row_bytes(plan: WindowPlan, table_columns: int, features: int) -> RowBytes:
    """What rows take, from the arrays that are alive at once.

    Args:
        plan: the view's windows.
        table_columns: columns of the events that are read.
        features: columns of the feature table.
    """
    inputs = 3 + len(plan.values)  # entity, time, place in its chunk, values
    held = 2 * inputs + 1 + len(plan.values)  # as they come and put together, then by entity
    results = len(plan.windows) + (len(plan.names) if plan.composed else 0)
    return RowBytes(
        computed=_NUMBER_BYTES * (held + results + len(plan.names) + 1),
        history=_NUMBER_BYTES * held,
        table=_NUMBER_BYTES * (3 * table_columns + 3 * features + len(plan.names)),
    )


def estimated_bytes(rows: int, of_row: RowBytes) -> int:
    """What a process would take that computes so many rows at once."""
    return _LIBRARIES_BYTES + rows * max(of_row.computed, of_row.table)


def make_plan(
    counts: Mapping[date, int],
    first: date,
    last: date,
    reach_days: int,
    of_row: RowBytes,
    memory_bytes: int,
    *,
    has_windows: bool = True,
) -> ShardPlan:
    """Cut a backfill.

    Args:
        counts: rows by day, the days that windows reach included.
        first: first day to compute, inclusive.
        last: last day to compute, inclusive.
        reach_days: how many days windows reach back.
        of_row: what a row takes.
        memory_bytes: what a process may take.
        has_windows: whether there is anything that needs shards.
    """
    rows_bytes = max(memory_bytes - _LIBRARIES_BYTES, _LEAST_ROWS_BYTES)
    most_rows = max(1, min(MOST_CHUNK_ROWS, rows_bytes // of_row.table))
    oldest = min([first, *(day for day in counts if first - timedelta(days=reach_days) <= day < first)])
    history = list(day_chunks(counts, oldest, first - timedelta(days=1), most_rows)) if oldest < first else []
    spans = [
        *((span, True) for span in history),
        *((span, False) for span in day_chunks(counts, first, last, most_rows)),
    ]
    chunks = tuple(Chunk(number, *span, is_history) for number, (span, is_history) in enumerate(spans))
    reached = sum(count for day, count in counts.items() if oldest <= day < first)
    rows = sum(count for day, count in counts.items() if first <= day <= last)
    size = reached * of_row.history + rows * of_row.computed
    shards = max(1, math.ceil(size / (_FULL_SHARE * rows_bytes))) if has_windows else 0
    return ShardPlan(chunks, shards, of_row, rows_bytes, reach_days)


def rows_between(counts: Mapping[date, int], days: Iterable[date]) -> int:
    """Rows of these days."""
    return sum(counts.get(day, 0) for day in days)
