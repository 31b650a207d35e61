"""Taking in changes: batch after batch from an incremental source into its raw table, each one commit.

Belongs here: the cursor that is kept with the data, which day a change belongs to, and which days commits touched since the last report.
Does not belong here: which of these days have a partition (`orchestration/assets/feed.py`), reading sources (`connectors/`), or the
state that changes make (`lake/changes.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import polars as pl

from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.delivery import uncast_text
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, UNCAST, WHOLE_ROW
from platform_assets.declaration.sections.changes import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    DELETE,
    ROW_DAY,
    ROW_SEQUENCE,
    UPSERT,
)
from platform_assets.declaration.time_zones import UTC_ZONE, day_of, days_of
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.changes import PlacedChanges, is_loose, place_changes
from platform_assets.lake.commits import HistoryEntry
from platform_assets.lake.evolution import migrations_metadata
from platform_assets.lake.table import LakeTable

CURSOR, TOUCHED = "cursor", "touched_days"
CLOCK_TOLERANCE_DAYS = 1
"""A row may be of tomorrow: its partition waits for the day. One further ahead has a wrong clock."""


_TIME = pl.Datetime("us", "UTC")

Read = Callable[[str | None], ChangeBatch]
"""Reads what is new since a cursor."""


@dataclass(frozen=True)
class IngestedBatch:
    """One batch that is in the raw table.

    Attributes:
        version: Delta version of its commit.
        cursor_before: where reading started; None at the beginning of the source.
        cursor_after: where the next read starts.
        rows: changes that came in, by operation.
        touched_days: days of which the state may have changed.
        late: changes of a key that had newer ones already.
        moved: changes that moved a row from one day to another.
        duplicates: changes that were in the table already.
        unknown_deletes: deletes of keys that were never seen.
        unordered: changes without key or sequence.
        ahead: rows of a day that is further ahead than clocks may differ.
        extra_columns: columns that the source delivers and the declaration does not know.
        notices: what a person should know about the order of the changes.
    """

    version: int
    cursor_before: str | None
    cursor_after: str
    rows: dict[str, int]
    touched_days: tuple[date, ...]
    late: int
    moved: int
    duplicates: int
    unknown_deletes: int
    unordered: int
    ahead: int
    extra_columns: tuple[str, ...]
    notices: tuple[str, ...] = ()


_COUNTS = ("late", "moved", "duplicates", "unknown_deletes", "unordered", "ahead")


@dataclass(frozen=True)
class IngestedChanges:
    """What one run of a feed took in, added up over its batches.

    Attributes:
        rows: changes that came in, by operation; the other counts as in `IngestedBatch`.
        commits: batches.
        cursor_before: where the first batch started.
        extra_columns: of all batches.
        notices: of all batches, what a person should know about the order of the changes.
        failure: why the source could not be read to its end; the batches before that stay.
    """

    rows: dict[str, int] = field(default_factory=lambda: {UPSERT: 0, DELETE: 0})
    late: int = 0
    moved: int = 0
    duplicates: int = 0
    unknown_deletes: int = 0
    unordered: int = 0
    ahead: int = 0
    commits: int = 0
    cursor_before: str | None = None
    extra_columns: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    failure: SourceError | None = None

    def plus(self, batch: IngestedBatch) -> IngestedChanges:
        """These changes and one more batch."""
        counts = {name: getattr(self, name) + getattr(batch, name) for name in _COUNTS}
        return replace(
            self,
            **counts,
            rows={operation: rows + batch.rows[operation] for operation, rows in self.rows.items()},
            commits=self.commits + 1,
            cursor_before=self.cursor_before if self.commits else batch.cursor_before,
            extra_columns=tuple(dict.fromkeys([*self.extra_columns, *batch.extra_columns])),
            notices=tuple(dict.fromkeys([*self.notices, *batch.notices])),
        )


@dataclass(frozen=True)
class UnreportedDays:
    """Days that commits of the feed touched since its last report.

    Attributes:
        days: those days, and those that waited for their partition, in order.
        commits: commits since the last report.
        version: the newest Delta version that is looked at.
    """

    days: list[date]
    commits: int
    version: int


def take_in_changes(
    catalog: Catalog, reader: SourceReader, source: Source, folder: Path, max_rows: int, log: Callable[[str], None]
) -> IngestedChanges:
    """Take in everything that is new in an incremental source, batch by batch.

    Args:
        catalog: The tables of the use case.
        reader: Reads declared sources.
        source: The declared source.
        folder: The use case's folder, to which relative paths of the source refer.
        max_rows: About how many changes one commit takes in.
        log: Told of each batch.
    """
    history = catalog.use_case.history

    def read(cursor: str | None) -> ChangeBatch:
        return reader.read_changes(source, folder, cursor, max_rows)

    ingested = IngestedChanges()
    table = catalog.raw(source.name).stored
    try:
        for batch in ingest_batches(
            table, source, read, history.first_day, today_in(source.time_zone), history.last_day
        ):
            ingested = ingested.plus(batch)
            log(f"{source.name}: version {batch.version}, {batch.rows}, {len(batch.touched_days)} days")
            for notice in batch.notices:
                log(f"{source.name}: {notice}")
    except SourceError as error:
        return replace(ingested, failure=error)
    return ingested


def unreported_days(table: LakeTable, reported_version: int, waiting: Sequence[str]) -> UnreportedDays:
    """Days that commits of the feed touched since its last report, and those that waited for their partition.

    Batches that were committed before a source failed are among them, and so are those of a feed that died before it reported.

    Args:
        table: The raw table.
        reported_version: Newest Delta version of the last report; -1 without one.
        waiting: Days, in ISO form, that had no partition then.
    """
    newest = table.version()
    if newest is None or newest < reported_version:
        reported_version, waiting = -1, ()  # the table was made anew
    commits = list(feed_commits(table, reported_version))
    days = {date.fromisoformat(day) for day in waiting}
    days.update(day for entry in commits for day in touched_by(entry))
    return UnreportedDays(sorted(days), len(commits), max([reported_version, *(entry.version for entry in commits)]))


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


def ingest_batches(
    table: LakeTable, source: Source, read: Read, first_day: date, today: date, last_day: date | None = None
) -> Iterator[IngestedBatch]:
    """Commit everything that is new, batch by batch, and yield each after it is committed.

    A crash at any moment leaves whole batches: the next call starts at the cursor of the last. Where another feed was
    faster, its batch stands and this one goes on behind it.

    Args:
        table: The raw table.
        source: The declared source.
        read: Reads what is new since a cursor.
        first_day: First day of the history, where rows without a readable time go if there is no better day.
        today: The day it is now, in the source's time zone.
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
            yield _ingested_batch(
                commit.version, cursor, batch, changes, placed, ahead, conformed.extra_columns, source.primary_key
            )
            if not batch.more:
                return


def today_in(zone: str = UTC_ZONE) -> date:
    """The day it is now in a time zone."""
    return day_of(datetime.now(UTC), zone)


def _ingested_batch(
    version: int,
    cursor: str | None,
    batch: ChangeBatch,
    changes: pl.DataFrame,
    placed: PlacedChanges,
    ahead: int,
    extra_columns: tuple[str, ...],
    keys: Sequence[str],
) -> IngestedBatch:
    counts = dict(changes.group_by(CHANGE_OPERATION).len().iter_rows())
    return IngestedBatch(
        version=version,
        cursor_before=cursor,
        cursor_after=batch.cursor,
        rows={operation: counts.get(operation, 0) for operation in (UPSERT, DELETE)},
        touched_days=tuple(placed.touched_days),
        late=placed.late,
        moved=placed.moved,
        duplicates=placed.duplicates,
        unknown_deletes=placed.unknown_deletes,
        unordered=changes.filter(is_loose(keys)).height,
        ahead=ahead,
        extra_columns=extra_columns,
        notices=(*batch.notices, *_late_notice(placed.late), *_behind_notice(changes, keys)),
    )


def _late_notice(late: int) -> tuple[str, ...]:
    """A change that comes after a newer one of its row has no effect on it: that is right once, and a sign if it goes on."""
    if not late:
        return ()
    return (
        f"{late:,} changes came after newer ones of the same rows, and changed nothing: deliveries came in another order, or the "
        f"source counts its changes anew. If so, load into a new table",
    )


def _behind_notice(changes: pl.DataFrame, keys: Sequence[str]) -> tuple[str, ...]:
    """Changes of one delivery that stand behind newer ones of their rows, and are none of them sent again."""
    once = changes.filter(~is_loose(keys)).unique([*keys, CHANGE_SEQUENCE], keep="first", maintain_order=True)
    newest_before = pl.col(CHANGE_SEQUENCE).cum_max().shift(1).over(keys)
    behind = once.filter(pl.col(CHANGE_SEQUENCE) < newest_before).height
    if not behind:
        return ()
    return (
        f"{behind:,} changes stand behind newer ones of the same rows in one delivery, and count as older: if the source counts its "
        f"changes anew, load into a new table",
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
        (pl.col(CHANGE_TIME) if CHANGE_TIME in frame.columns else pl.lit(None, _TIME)).alias(CHANGE_TIME),
        pl.when(problem.is_null()).then(CHANGE_OPERATION).otherwise(pl.lit(UPSERT)).alias(CHANGE_OPERATION),
    )
    assert source.event_time is not None, "an incremental source without event time is refused"
    day = days_of(pl.col(source.event_time), source.time_zone)
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
