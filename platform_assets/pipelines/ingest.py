"""Ingesting: what a source delivered for some days, or as a whole, goes into its raw table in the declared types.

Belongs here: reading a source in chunks and storing each as one commit. Does not belong here: sources that are read for what is new
(`take_in_changes.py`), and judging rows (`publish.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from platform_assets.connectors.conforming import Conformed, conform
from platform_assets.connectors.control_totals import totals_metadata
from platform_assets.connectors.errors import SchemaMismatch
from platform_assets.connectors.source_reader import SourceReader
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import DELIVERED_DAY
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.evolution import migrations_metadata
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.acceptances import accepted_days
from platform_assets.pipelines.redeliveries import files_metadata

CHUNK_ROWS = 2_000_000
"""About how many rows of a long range are in memory at a time; each chunk of days is one commit."""

Reader = Callable[[date | None, date | None], Conformed]
"""Conformed rows of the days from first to last; both are None for a reference table."""

TotalsReader = Callable[[date | None, date | None], dict[str, str]]
"""What the source itself counted for the days from first to last, as metadata of the commit."""


def _no_totals(first: date | None, last: date | None) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class LoadedChunk:
    """One commit of a load.

    Attributes:
        days: the days that the rows were delivered for; None for a reference table.
        commit: what was committed.
        extra_columns: columns that the source delivers and the declaration does not know.
        migrations: declared migrations that the rows needed, in words.
        rows_by_day: rows delivered for each of the days.
    """

    days: DayRange | None
    commit: Commit
    extra_columns: tuple[str, ...]
    migrations: tuple[str, ...]
    rows_by_day: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ingested:
    """What a load stored.

    Attributes:
        chunks: its commits, in order of time.
        mismatch: why the load stopped, where a column is missing or has another type; nothing of that chunk was stored.
    """

    chunks: tuple[LoadedChunk, ...]
    mismatch: SchemaMismatch | None = None

    @property
    def commit(self) -> Commit:
        """The last commit."""
        return self.chunks[-1].commit

    @property
    def rows(self) -> int:
        """Rows stored."""
        return sum(chunk.commit.rows for chunk in self.chunks)

    @property
    def days(self) -> list[date]:
        """Days stored."""
        return [day for chunk in self.chunks if chunk.days for day in chunk.days.days]

    @property
    def rows_by_day(self) -> dict[date, int]:
        """Rows stored of each day."""
        return {day: rows for chunk in self.chunks for day, rows in chunk.rows_by_day.items()}

    @property
    def versions(self) -> dict[date, int]:
        """The Delta version that stored each day."""
        return {day: chunk.commit.version for chunk in self.chunks for day in chunk.rows_by_day}

    @property
    def extra_columns(self) -> list[str]:
        """Columns of any chunk that are not declared."""
        return list(dict.fromkeys(name for chunk in self.chunks for name in chunk.extra_columns))

    @property
    def migrations(self) -> list[str]:
        """Declared migrations that any chunk needed, in words."""
        return list(dict.fromkeys(change for chunk in self.chunks for change in chunk.migrations))


def ingest(
    catalog: Catalog,
    reader: SourceReader,
    source: Source,
    folder: Path,
    days: DayRange | None,
    *,
    faults: list[dict[str, Any]],
    key: str,
) -> Ingested:
    """Load what a source delivered into its raw table.

    Args:
        catalog: The tables of the use case.
        reader: Reads declared sources.
        source: The declared source, asked for event days or whole.
        folder: The use case's folder, to which relative paths of the source refer.
        days: The days to load; None for a reference table.
        faults: Faults to plant in simulated rows.
        key: Names this load: one that is tried again under its name stores no chunk twice.

    Raises:
        SourceError: The source cannot be read; what was stored before stays. A changed column is no error here but `mismatch`.
    """

    accepted = accepted_days(catalog, source.name)

    listed: dict[date | None, dict[str, str]] = {}

    def read(first: date | None, last: date | None) -> Conformed:
        # Listed before they are read: a file that changes meanwhile is another one than the one that was listed.
        chunk = DayRange(first, last).days if first and last else []
        listed[first] = files_metadata(reader.delivered_files(source, folder, chunk))
        return conform(reader.read(source, folder, first, last, faults, without_events=accepted), source)

    def totals(first: date | None, last: date | None) -> dict[str, str]:
        counted = reader.totals(source, folder, first, last, faults, without_events=accepted)
        return {**totals_metadata(counted), **listed.pop(first, {})}

    chunks: list[LoadedChunk] = []
    try:
        for chunk in load_in_chunks(catalog.raw(source.name).stored, read, days, totals=totals, key=key):
            chunks.append(chunk)
    except SchemaMismatch as error:
        return Ingested(tuple(chunks), error)
    return Ingested(tuple(chunks))


def load_in_chunks(
    table: LakeTable,
    read: Reader,
    days: DayRange | None,
    chunk_rows: int = CHUNK_ROWS,
    totals: TotalsReader = _no_totals,
    key: str | None = None,
) -> Iterator[LoadedChunk]:
    """Read and store a range of days in chunks, so that memory does not grow with the range.

    The first chunk is one day; the next ones have as many days as give about `chunk_rows` rows, going by the chunk before,
    and at most four times its days. Each is one commit, and the next is read while it is written. A reference table is one chunk.

    Args:
        table: The raw table.
        read: Reads the rows of some days.
        days: The range; None for a reference table.
        chunk_rows: Rows to hold in memory, about.
        totals: Reads what the source itself counted.
        key: Names this load: one that is tried again under its name stores no chunk twice.
    """
    if days is None:
        conformed = read(None, None)
        yield _store(table, conformed, None, totals(None, None), key)
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        chunk: DayRange | None = DayRange(days.first, days.first)
        reading = pool.submit(read, days.first, days.first)
        while chunk is not None:
            current, conformed = chunk, reading.result()
            chunk = _next_chunk(current, days, conformed.frame.height, chunk_rows)
            if chunk is not None:
                reading = pool.submit(read, chunk.first, chunk.last)
            yield _store(table, conformed, current, totals(current.first, current.last), key)


def _next_chunk(chunk: DayRange, days: DayRange, rows: int, chunk_rows: int) -> DayRange | None:
    """The days after a chunk that had so many rows; None when the range is done."""
    if chunk.last >= days.last:
        return None
    length = (chunk.last - chunk.first).days + 1
    length = max(1, min(4 * length, length * chunk_rows // max(1, rows)))
    first = chunk.last + timedelta(days=1)
    return DayRange(first, min(days.last, first + timedelta(days=length - 1)))


def _store(
    table: LakeTable, conformed: Conformed, days: DayRange | None, totals: dict[str, str], key: str | None
) -> LoadedChunk:
    """Store what was delivered: a reference table whole, a daily table under the day it was delivered for."""
    frame, columns = conformed.frame, list(table.schema)
    counts: dict[date, int] = {}
    metadata = {**totals, **migrations_metadata(conformed.migrations)}
    if days is None:
        whole = frame.drop(DELIVERED_DAY, strict=False).select(columns)
        commit = table.replace(whole, idempotency_key=key, metadata=metadata)
    else:
        rows = frame.rename({DELIVERED_DAY: EVENT_DAY}).select(columns)
        counts = dict.fromkeys(days.days, 0) | dict(rows.group_by(EVENT_DAY).len().iter_rows())
        name = None if key is None else f"{key}:{days.first}:{days.last}"
        commit = table.write_partitions(
            rows, days.first, days.last, idempotency_key=name, metadata=metadata, allow_empty=True
        )
    return LoadedChunk(days, commit, conformed.extra_columns, conformed.migrations, counts)
