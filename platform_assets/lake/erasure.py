"""Rows taken out of a table for good: out of what is current, and out of every file that older versions were made of.

Belongs here: rewriting one table without some rows, and removing old files that hold them. Does not belong here: whose rows these are
(`pipelines/erase`), retention (`maintenance.py`).

A version that one of the removed files was part of can no longer be read. All others can.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from platform_assets.lake import storage
from platform_assets.lake.maintenance import lake_file_system
from platform_assets.lake.retries import polars_options
from platform_assets.lake.table import LakeTable

Belongs = Callable[[pl.DataFrame], pl.Series]
"""Which rows are meant, of a frame with the columns that were asked for."""


@dataclass(frozen=True)
class OldFile:
    """A data file that is part of older versions only, with how many of its rows are meant."""

    path: str
    rows: int
    pinned_by: tuple[int, ...] = ()


def current_rows_of(table: LakeTable, columns: Sequence[str], belongs: Belongs) -> dict[date | None, int]:
    """How many rows of the newest version are meant, by partition (None in a table without)."""
    day = table.partition_by
    wanted = list(dict.fromkeys([*columns, *([day] if day else [])]))
    rows = table.scan(columns=wanted, ordered=False).collect()
    own = rows.filter(belongs(rows))
    if day is None:
        return {None: own.height} if own.height else {}
    return dict(own.group_by(day).len().sort(day).iter_rows())


def erase_rows(
    table: LakeTable, partitions: Collection[date | None], belongs: Belongs, metadata: dict[str, str]
) -> None:
    """Write partitions again without the rows that are meant; one commit each.

    Raises:
        LakeConflictError: other writers of the same partitions kept winning.
    """
    for day in sorted(partitions, key=str):
        rows = table.read() if day is None else table.read(day, day)
        kept = rows.filter(~belongs(rows))
        if day is None:
            table.replace(kept, allow_empty=True, metadata=metadata)
        else:
            table.write_partitions(kept, day, day, allow_empty=True, metadata=metadata)


def old_files_with(
    table: LakeTable, columns: Sequence[str], belongs: Belongs, pinned: Collection[int] = ()
) -> list[OldFile]:
    """Files that are not part of the newest version and hold rows that are meant.

    Args:
        table: the table.
        columns: that `belongs` needs.
        belongs: which rows.
        pinned: versions that are to be kept; a file names those that it is part of.
    """
    uri, options = table.uri.rstrip("/"), table.storage_options
    current = _files_of(table, None)
    by_version = {version: _files_of(table, version) for version in sorted(set(pinned))}
    found = []
    for path in _stored_files(uri, options):
        if path in current:
            continue
        frame = _read(f"{uri}/{path}", columns, options)
        count = 0 if frame is None else int(belongs(frame).sum())
        if count:
            found.append(OldFile(path, count, tuple(number for number, files in by_version.items() if path in files)))
    return found


def remove_old_files(table: LakeTable, files: Sequence[OldFile]) -> None:
    """Remove files; those that are gone already are no error."""
    if "://" not in table.uri:
        for file in files:
            (Path(table.uri) / file.path).unlink(missing_ok=True)
        return
    system = lake_file_system(table.uri, table.storage_options)
    for file in files:
        system.delete_file(file.path)


def _files_of(table: LakeTable, version: int | None) -> set[str]:
    opened = storage.open_table(table.uri, table.storage_options, version)
    return {unquote(path) for path in storage.file_listing(opened)["path"]}


def _stored_files(uri: str, options: Mapping[str, str] | None) -> list[str]:
    if "://" not in uri:
        root = Path(uri)
        return sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*.parquet") if "_delta_log" not in path.parts
        )
    from pyarrow import fs

    infos = lake_file_system(uri, options).get_file_info(fs.FileSelector("", recursive=True))
    return sorted(
        info.path for info in infos if info.path.endswith(".parquet") and not info.path.startswith("_delta_log")
    )


def _read(address: str, columns: Sequence[str], options: Mapping[str, str] | None) -> pl.DataFrame | None:
    """The columns of a file that it has; None where it has none of them."""
    remote: dict[str, Any] = {} if options is None else {"storage_options": polars_options(options)}
    schema = pl.scan_parquet(address, hive_partitioning=False, **remote)
    there = [name for name in columns if name in schema.collect_schema()]
    return schema.select(there).collect() if there else None
