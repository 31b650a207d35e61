"""Taking in changes: batch after batch from an incremental source into its raw table, each one commit.

Belongs here: the cursor that is kept with the data, where a change belongs, and what is to be told of a batch. Does not
belong here: dagster (`feed.py`), reading sources (`connectors/`), or the state that changes make (`lake/changes.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import polars as pl

from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.delivery import DELIVERED_DAY, UNCAST, WHOLE_ROW, uncast_text
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELETE,
    ROW_DAY,
    ROW_SEQUENCE,
    UPSERT,
)
from platform_assets.lake.changes import Placed, is_loose, place_changes
from platform_assets.lake.commits import HistoryEntry
from platform_assets.lake.evolution import migrations_metadata
from platform_assets.lake.table import LakeTable

CURSOR, TOUCHED = "cursor", "touched_days"
CLOCK_TOLERANCE_DAYS = 1
"""A row may be of tomorrow: its partition waits for the day. One further ahead has a wrong clock."""


@dataclass(frozen=True)
class Taken:
    """One batch that is in the raw table."""

    version: int
    cursor_before: str | None
    cursor_after: str
    rows: dict[str, int]
    """Changes that came in, by operation."""
    touched_days: tuple[date, ...]
    late: int
    moved: int
    duplicates: int
    unknown_deletes: int
    unordered: int
    """Changes without key or sequence."""
    ahead: int
    """Rows of a day that is further ahead than clocks may differ."""
    extra_columns: tuple[str, ...]


Read = Callable[[str | None], ChangeBatch]
"""What is new since a cursor."""


def feed_commits(table: LakeTable, after: int = -1) -> Iterator[HistoryEntry]:
    """Commits of the feed that are newer than a version, newest first; other writers' commits are left out."""
    version = table.version()
    if version is None or version <= after:
        return
    seen = version + 1
    limit = 20
    while True:
        wanted = min(limit, version - after)
        entries = table.history(wanted)
        for entry in entries:
            if after < entry.version < seen:
                seen = entry.version
                if CURSOR in entry.metadata:
                    yield entry
        if wanted >= version - after or len(entries) < wanted:
            return
        limit *= 10


def current_cursor(table: LakeTable) -> str | None:
    """Where the next read starts: kept in the newest commit of the feed, with the rows it stands behind."""
    newest = next(feed_commits(table), None)
    return None if newest is None else newest.metadata[CURSOR]


def touched_by(entry: HistoryEntry) -> list[date]:
    """Days that a commit of the feed touched."""
    return [date.fromisoformat(day) for day in json.loads(entry.metadata.get(TOUCHED, "[]"))]


def batch_key(cursor: str | None) -> str:
    """Idempotency key of the batch that starts at a cursor: of two feeds that read the same, one commits."""
    return "feed:start" if cursor is None else f"feed:{sha256(cursor.encode()).hexdigest()[:32]}"


def take_in(
    table: LakeTable, source: Source, read: Read, first_day: date, today: date, last_day: date | None = None
) -> Iterator[Taken]:
    """Commit everything that is new, batch by batch, and tell of each after it is committed.

    A crash at any moment leaves whole batches: the next call starts at the cursor of the last. Where another feed was
    faster, its batch stands and this one goes on behind it.

    Args:
        table: The raw table.
        source: The declared source.
        read: Reads what is new since a cursor.
        first_day: First day of the history, where rows without a readable time go if there is no better day.
        today: The day it is now, UTC.
        last_day: Last day of the history, if it has one: no row without a readable time goes to a day that is never audited.

    Raises:
        SourceError: The source cannot be read; what was committed before stays.
        SchemaMismatch: A column is missing or has another type; nothing of the batch is written.
    """
    while True:
        cursor = current_cursor(table)
        batch = read(cursor)
        if batch.frame.is_empty() and batch.cursor == cursor:
            return
        conformed = conform(batch.frame, source)
        changes, ahead = _with_days(conformed.frame, source, DayRange(first_day, last_day or date.max), today)
        placed = place_changes(changes, _known(table, changes, source), source.primary_key)
        touched = [day.isoformat() for day in placed.touched_days]
        commit = table.append(
            placed.rows.select(list(table.schema)),
            idempotency_key=batch_key(cursor),
            metadata={
                CURSOR: batch.cursor,
                TOUCHED: json.dumps(touched),
                **migrations_metadata(conformed.migrations),
            },
            allow_empty=True,
        )
        if not commit.already_committed:
            yield _told(commit.version, cursor, batch, changes, placed, ahead, conformed.extra_columns, source)
            if not batch.more:
                return


def utc_today() -> date:
    """The day it is now."""
    return datetime.now(UTC).date()


def _told(
    version: int,
    cursor: str | None,
    batch: ChangeBatch,
    changes: pl.DataFrame,
    placed: Placed,
    ahead: int,
    extra_columns: tuple[str, ...],
    source: Source,
) -> Taken:
    counts = dict(changes.group_by(CHANGE_OPERATION).len().iter_rows())
    return Taken(
        version=version,
        cursor_before=cursor,
        cursor_after=batch.cursor,
        rows={operation: counts.get(operation, 0) for operation in (UPSERT, DELETE)},
        touched_days=tuple(placed.touched_days),
        late=placed.late,
        moved=placed.moved,
        duplicates=placed.duplicates,
        unknown_deletes=placed.unknown_deletes,
        unordered=changes.filter(is_loose(source.primary_key)).height,
        ahead=ahead,
        extra_columns=extra_columns,
    )


def _with_days(frame: pl.DataFrame, source: Source, history: DayRange, today: date) -> tuple[pl.DataFrame, int]:
    """Changes with the day they belong to, and how many have a clock too far ahead.

    A row that has no readable time, or one that lies ahead, goes to the newest plausible day of its batch within the
    history: the audit of that day refuses it. So it does with a change that has no sequence, and with a delete that has
    no key: both are marked.
    """
    keyless = pl.any_horizontal(pl.col(key).is_null() for key in source.primary_key)
    problem = (
        pl.when(pl.col(CHANGE_SEQUENCE).is_null())
        .then(pl.lit("a change without a sequence cannot be put in order"))
        .when(keyless & (pl.col(CHANGE_OPERATION) == DELETE))
        .then(pl.lit("a delete without its key"))
    )
    frame = frame.drop(DELIVERED_DAY).with_columns(
        pl.coalesce(UNCAST, uncast_text(WHOLE_ROW, problem)).alias(UNCAST),
        pl.when(problem.is_null()).then(CHANGE_OPERATION).otherwise(pl.lit(UPSERT)).alias(CHANGE_OPERATION),
    )
    assert source.event_time is not None, "an incremental source without event time is refused"
    day = pl.col(source.event_time).dt.date()
    plausible = day <= today + timedelta(days=CLOCK_TOLERANCE_DAYS)
    upsert = pl.col(CHANGE_OPERATION) == UPSERT
    audited = day.is_between(history.first, history.last)
    newest = frame.filter(upsert & plausible & audited).select(day.max()).item()
    placed = frame.with_columns(
        pl.when(plausible).then(day).otherwise(pl.lit(newest or history.first, dtype=pl.Date)).alias(EVENT_DAY)
    )
    return placed, frame.filter(upsert & ~plausible).height


def _known(table: LakeTable, changes: pl.DataFrame, source: Source) -> pl.DataFrame:
    """What the raw table has of the keys of some changes; files whose keys lie elsewhere are not opened."""
    keys = list(source.primary_key)
    wanted = changes.filter(~is_loose(keys)).select(keys).unique()
    columns = [*keys, EVENT_DAY, CHANGE_OPERATION, CHANGE_SEQUENCE, ROW_DAY, ROW_SEQUENCE]
    if not table.exists() or wanted.is_empty():
        return pl.DataFrame(schema={name: table.schema[name] for name in columns})
    rows = table.scan(columns=columns, ordered=False)
    low, high = wanted.select(pl.col(keys[0]).min().alias("low"), pl.col(keys[0]).max().alias("high")).row(0)
    return rows.filter(pl.col(keys[0]).is_between(low, high)).join(wanted.lazy(), on=keys, how="semi").collect()
