"""A first look at a source: a few of its newest rows, and what it costs little to know about all of them.

Belongs here: one function for each kind of connector. Does not belong here: judging what was found (`check`). A probe
reads and never writes, commits or moves a cursor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.connectors.base import EVENT_DAY_IN_PATH
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source

if TYPE_CHECKING:
    import sqlalchemy as sa

SAMPLE_ROWS = 1000
COUNTED_ROWS = 1_000_000
"""A database is not made to count further."""


@dataclass(frozen=True)
class Look:
    """What a first look found."""

    sample: pl.DataFrame | None
    """Some of the newest rows as found; None where there is none yet."""
    rows: str = ""
    """How many rows there are, as far as it costs little to know."""
    newest: datetime | date | str | None = None
    """Newest event time where the source tells; else the sample does."""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def look_at(source: Source, folder: Path, day: date, cursor: str | None, access: Access) -> Look:
    """A first look at a source.

    Args:
        source: The declared source.
        folder: Relative paths start here.
        day: An event day that the source should have; simulated rows are drawn for it.
        cursor: Cursor of the load committed last, of an incremental source.
        access: Credentials and addresses.

    Raises:
        SourceError: If the source cannot be reached or is not what is declared.
    """
    connector = source.connector
    if isinstance(connector, SimulatorConnector):
        from platform_assets.connectors.simulator.days import read_simulator

        found = read_simulator(source, connector, day, day)
        return Look(found, f"{found.height:,} on {day}" if source.is_daily else f"{found.height:,}")
    if isinstance(connector, FilesConnector):
        return _files(source, connector, folder, cursor, access)
    if isinstance(connector, SqlConnector):
        return _sql(source, connector, cursor, access)
    if isinstance(connector, DeltaConnector):
        return _delta(source, connector, folder, cursor, access)
    if isinstance(connector, ChangeFeedConnector) and connector.topic is None:
        return _change_files(source, connector, folder, cursor, access)
    return _topic(source, connector, cursor, access)


def _files(source: Source, connector: FilesConnector, folder: Path, cursor: str | None, access: Access) -> Look:
    from platform_assets.connectors.files.changes import FilesCursor
    from platform_assets.connectors.files.days import nothing_there, read_file, source_place

    place = source_place(source, connector, folder, access)
    files = place.find(connector.path.replace(EVENT_DAY_IN_PATH, "*"))
    if not files:
        raise SourceError(nothing_there(source, connector.path, connector.format, place, folder, connector.path))
    by_name = EVENT_DAY_IN_PATH in connector.path
    newest = max(files, key=lambda file: (file.address,) if by_name else (file.modified_ns, file.address))
    frame = read_file(source, connector, place, newest, None).frame
    notes = [f"{len(files):,} files, the newest is {newest.name}"] if len(files) > 1 else []
    if source.is_incremental:
        after = FilesCursor.of(cursor, f"source '{source.name}'")
        notes.append(f"{sum(after.is_new(file) for file in files):,} files are new")
    rows = f"{frame.height:,}" + (" in the newest file" if len(files) > 1 else "")
    return Look(frame.tail(SAMPLE_ROWS), rows, _newest_in(frame, source), tuple(notes))


def _change_files(
    source: Source, connector: ChangeFeedConnector, folder: Path, cursor: str | None, access: Access
) -> Look:
    from platform_assets.connectors.debezium.feed import feed_place, read_envelopes
    from platform_assets.connectors.files.changes import FilesCursor
    from platform_assets.connectors.files.days import nothing_there

    place = feed_place(source, connector, folder, access)
    path = connector.path or ""
    files = place.find(path)
    if not files:
        raise SourceError(nothing_there(source, path, "jsonl", place, folder, path))
    newest = max(files, key=lambda file: (file.modified_ns, file.address))
    frame = read_envelopes(source, connector, place, newest)
    after = FilesCursor.of(cursor, f"source '{source.name}'")
    notes = (
        f"{len(files):,} files, the newest is {newest.name}",
        f"{sum(after.is_new(file) for file in files):,} files are new",
    )
    return Look(frame.tail(SAMPLE_ROWS), f"{frame.height:,} changes in the newest file", None, notes)


def _newest_in(frame: pl.DataFrame, source: Source) -> Any:
    """Newest event time of a file, which has no order."""
    from platform_assets.connectors.casting import text_to_times

    if source.event_time not in frame.columns:
        return None
    values = frame[source.event_time]
    return text_to_times(values).max() if values.dtype == pl.String else values.max()


def _sql(source: Source, connector: SqlConnector, cursor: str | None, access: Access) -> Look:
    from platform_assets.connectors.sql.changes import read_sql_changes
    from platform_assets.connectors.sql.days import Relation, ask, fetch
    from platform_assets.connectors.sql.rows import frame_of

    ordered = connector.cursor or source.event_time

    def read(connection: sa.Connection, relation: Relation) -> Look:
        import sqlalchemy as sa

        whole = sa.select(relation.selectable)
        if ordered:
            whole = whole.order_by(relation.column(ordered).desc())
        frame = frame_of(source, relation.columns, fetch(connection, whole.limit(SAMPLE_ROWS)), relation.label)
        some = sa.select(sa.literal(1)).select_from(relation.selectable).limit(COUNTED_ROWS + 1).subquery()
        count = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar() or 0
        rows = f"{count:,}" if count <= COUNTED_ROWS else f"more than {COUNTED_ROWS:,}"
        newest, problems = None, []
        if source.event_time:
            times = relation.column(source.event_time)
            newest = connection.execute(sa.select(sa.func.max(times))).scalar()
            query = sa.select(sa.literal(1)).select_from(relation.selectable).where(times.is_(None)).limit(COUNTED_ROWS)
            missing = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar() or 0
            if missing and not connector.operation:
                problems.append(_without_day(source, missing))
        return Look(frame if frame.height else None, rows, newest, problems=tuple(problems))

    needed = [name for name in (source.event_time, connector.cursor) if name]
    look: Look = ask(source, connector, access, needed, read)
    if source.is_incremental:
        read_sql_changes(source, connector, cursor, 1, access)
    return look


def _without_day(source: Source, rows: int) -> str:
    """What is wrong with rows that have no event time."""
    outcome = "refused" if source.is_incremental else "never loaded"
    return (
        f"{rows:,} rows have no {source.event_time} and belong to no event day: they are {outcome}. Have the column filled "
        f"at the source, or leave these rows out (a query, a view)"
    )


def _delta(source: Source, connector: DeltaConnector, folder: Path, cursor: str | None, access: Access) -> Look:
    from platform_assets.connectors.delta.changes import read_delta_changes
    from platform_assets.connectors.delta.days import open_table, readable, scan, with_places

    table = open_table(source, connector, folder, access)
    with readable(source, connector):
        rows = scan(table, access)
        sample = with_places(rows.tail(SAMPLE_ROWS).collect(), source, table.version())
        count = rows.select(pl.len()).collect().item()
        known = source.event_time in sample.columns
        time = pl.col(source.event_time or "")
        newest, missing = (
            rows.select(time.max().alias("newest"), time.null_count().alias("missing")).collect().row(0)
            if known
            else (None, 0)
        )
    if source.is_incremental:
        read_delta_changes(source, connector, folder, cursor, 1, access)
    problems = (_without_day(source, missing),) if missing else ()
    return Look(sample, f"{count:,}", newest, (f"version {table.version()}",), problems)


def _topic(source: Source, connector: Any, cursor: str | None, access: Access) -> Look:
    from confluent_kafka import KafkaException

    from platform_assets.connectors.debezium.topic import read_feed_topic
    from platform_assets.connectors.kafka.topic import (
        BrokersLost,
        client_settings,
        consumer_of,
        offsets_of,
        read_topic,
        topic_cursor,
        unreachable,
        watermarks,
    )

    topic, variable = connector.topic, connector.brokers
    before = offsets_of(cursor, topic, f"source '{source.name}'")
    try:
        with consumer_of(client_settings(source, variable, access)) as consumer:
            bounds: Mapping[int, tuple[int, int]] = watermarks(source, consumer, topic, variable)
    except (KafkaException, BrokersLost) as error:
        raise unreachable(source, topic, variable, error) from error
    each = max(1, SAMPLE_ROWS // max(1, len(bounds)))
    ends = topic_cursor(topic, {partition: max(low, high - each) for partition, (low, high) in bounds.items()})
    read = read_topic if isinstance(connector, KafkaConnector) else read_feed_topic
    sample = read(source, connector, ends, SAMPLE_ROWS, access).frame
    there = sum(high - low for low, high in bounds.values())
    waiting = sum(max(0, high - before.get(partition, low)) for partition, (low, high) in bounds.items())
    gone = [partition for partition, (low, _) in bounds.items() if before.get(partition, low) < low]
    problems = (f"messages of partition {gone} were removed before they were loaded",) if gone else ()
    notes = (f"{waiting:,} messages are new",)
    return Look(sample if sample.height else None, f"{there:,} messages", None, notes, problems)


def ahead_of_clock(newest: datetime, now: datetime) -> bool:
    """Whether an event lies further ahead than clocks differ."""
    return newest > now + timedelta(minutes=5)
