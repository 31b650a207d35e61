"""Days of a table written by many processes, each the files of its own days, and committed once by one of them.

Belongs here: data files that no commit names yet, the one commit that makes them the days' content, and removing those that were written in
vain. Does not belong here: writes of one process (`table.py`), which rows are written, who writes them.

Until the commit nobody sees the files; after it, everybody sees all of them. Files that a process wrote before it was killed stay beside
the table, where maintenance removes what no version names.
"""

from __future__ import annotations

import io
import json
import math
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from platform_assets.lake import known_versions, storage
from platform_assets.lake.commit_copies import copy_commits
from platform_assets.lake.commits import Commit, WriteRecord, commit_once
from platform_assets.lake.conform import check_range, conform, in_range
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.table import LakeTable

_COLUMNS_WITH_STATISTICS = 32
"""Delta's own default."""


@dataclass(frozen=True)
class WrittenFile:
    """A data file that no commit names yet.

    Attributes:
        day: the partition that all its rows are of.
        path: below the table's address.
        size_bytes: of the file.
        rows: in it.
        statistics: as Delta's log keeps them, in JSON.
    """

    day: date
    path: str
    size_bytes: int
    rows: int
    statistics: str


def write_files(table: LakeTable, frame: pl.DataFrame, first: date, last: date) -> list[WrittenFile]:
    """Write a file for each day that has rows, in the order that the rows have; the table itself is not touched.

    Raises:
        LakeRangeError: rows lie outside the range or have no day.
        LakeSchemaError: the frame does not fit the declaration.
        OSError: a file cannot be written.
    """
    assert table.partition_by is not None, "only days of a partitioned table are written so"
    rows = conform(frame, pl.Schema(table.schema), table=table.uri)
    check_range(rows, table.partition_by, first, last, table=table.uri)
    parts = rows.partition_by(table.partition_by, maintain_order=True, include_key=True)
    return [_write_file(table, table.partition_by, part) for part in parts]


def commit_files(
    table: LakeTable,
    files: Sequence[WrittenFile],
    first: date,
    last: date,
    *,
    metadata: Mapping[str, str] | None = None,
) -> Commit:
    """Make the partitions [first, last] hold exactly the rows of these files, in one commit; all other partitions are untouched.

    Raises:
        LakeSchemaError: the table does not fit the declaration.
        LakeConflictError: other writers kept winning.
    """
    day = table.partition_by
    assert day is not None, "only days of a partitioned table are written so"
    rows = sum(file.rows for file in files)
    record = WriteRecord("commit_files", rows, partitions=(first, last), metadata=dict(metadata or {}))
    removed = 0

    def write(opened: DeltaTable, _: Any) -> None:
        nonlocal removed
        from deltalake.transaction import RemoveAction

        now = time.time_ns() // 1_000_000
        old = storage.file_listing(opened).filter(in_range(day, first, last))
        removed = old.height
        gone = [
            RemoveAction(path, data_change=True, deletion_timestamp=now, size=size, partition_values={day: str(of)})
            for path, size, of in old.select("path", "size_bytes", day).iter_rows()
        ]
        added = [
            AddAction(file.path, file.size_bytes, {day: str(file.day)}, now, True, file.statistics) for file in files
        ]
        opened.create_write_transaction(
            [*gone, *added],
            "append",
            opened.schema(),
            [day],
            commit_properties=record.properties(opened.version(), alone=True),
            post_commithook_properties=storage.after_commit(),
        )
        opened.update_incremental()
        known_versions.remember(table.known, opened, table.uri, table.storage_options)

    commit = commit_once(record, table.open_for_writing, write, table.retry, uri=table.uri)
    copy_commits(table.copied_to, StoredFolder(table.uri, table.storage_options), commit.version)
    return replace(commit, files_added=len(files), files_removed=removed)


def discard_files(table: LakeTable, files: Iterable[WrittenFile]) -> None:
    """Remove files that were written in vain; those that are gone are no concern."""
    for file in files:
        if "://" in table.uri:
            _store(table).delete_file(file.path)
        else:
            (Path(table.uri) / file.path).unlink(missing_ok=True)


def _write_file(table: LakeTable, day: str, rows: pl.DataFrame) -> WrittenFile:
    of = rows[day][0]
    content = io.BytesIO()
    stored = rows.drop(day)
    stored.write_parquet(content, compression="zstd", compression_level=1, statistics=True)
    path = f"{day}={of}/part-00000-{uuid.uuid4()}-c000.zstd.parquet"
    data = content.getbuffer()
    if "://" in table.uri:
        with _store(table).open_output_stream(path) as target:
            target.write(data)
    else:
        file = Path(table.uri) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return WrittenFile(of, path, data.nbytes, rows.height, json.dumps(_statistics(stored)))


def _store(table: LakeTable) -> Any:
    """The object store of the table as pyarrow sees file systems."""
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    return PyFileSystem(DeltaStorageHandler(table.uri, options=table.storage_options))


def _statistics(rows: pl.DataFrame) -> dict[str, Any]:
    """Row count, and smallest, largest and missing values of the first columns; what JSON cannot say is left out."""
    names = rows.columns[:_COLUMNS_WITH_STATISTICS]
    smallest, largest, missing = dict[str, Any](), dict[str, Any](), dict[str, int]()
    for name in names:
        column = rows[name]
        if column.dtype.is_nested():
            continue
        missing[name] = column.null_count()
        if not (column.dtype.is_integer() or column.dtype.is_float() or column.dtype.is_temporal()):
            continue
        low, high = _in_json(column.min()), _in_json(column.max())
        if low is not None and high is not None and not (column.dtype.is_float() and column.is_nan().any()):
            smallest[name], largest[name] = low, high
    return {"numRecords": rows.height, "minValues": smallest, "maxValues": largest, "nullCount": missing}


def _in_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f") + ("Z" if value.tzinfo is not None else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
