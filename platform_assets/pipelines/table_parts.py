"""Any Delta or Parquet table, as it was when a job began, in parts that fit in memory.

Belongs here: which files a table has and which rows a part has, always the same for the same table. Does not belong here: what is done with
the rows (`predict_table.py`), or the tables of the lake (`lake/`).

A part lies within one partition and has a bounded number of rows: small files of a partition go together, a large one is cut. Files never
change once a part was planned: those of a Delta version cannot, and Parquet files are compared by size and time when they are read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.files.stores import SourceFile, file_store

_UNREADABLE_FEATURES = frozenset({"deletionVectors", "columnMapping"})
_SHOWN = 5


class TableUnreadable(RuntimeError):
    """A table cannot be read; the message names it, and what to do next."""


@dataclass(frozen=True)
class ParquetFile:
    """One Parquet file of a table.

    Attributes:
        address: where polars reads it.
        name: below the table's folder; the same wherever the table lies.
        rows: how many.
        values: of the partition columns, which the file itself lacks.
    """

    address: str
    name: str
    rows: int
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TablePart:
    """Rows that are read and written at once.

    Attributes:
        name: tells it from the table's other parts.
        pieces: file, first row and number of rows of each of its pieces.
    """

    name: str
    pieces: tuple[tuple[ParquetFile, int, int], ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(rows for _, _, rows in self.pieces)


@dataclass(frozen=True)
class PartedTable:
    """A table as it was when it was opened.

    Attributes:
        address: as it was given.
        version: Delta version; None for Parquet files.
        identity: of its content: the Delta table and version, or a digest of names, sizes and times of the files.
        schema: columns, those of the partitions at the end.
        files: in order of partition and name.
        storage_options: of the object store.
    """

    address: str
    version: int | None
    identity: str
    schema: pl.Schema
    files: tuple[ParquetFile, ...]
    storage_options: dict[str, str] | None = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(file.rows for file in self.files)

    def parts(self, most_rows: int) -> Iterator[TablePart]:
        """The parts, each of at most so many rows of one partition; the same ones in the same order each time."""
        waiting: list[tuple[ParquetFile, int, int]] = []
        number = count = 0
        before: Mapping[str, Any] | None = None
        for file in self.files:
            for first in range(0, file.rows, most_rows):
                rows = min(most_rows, file.rows - first)
                if waiting and (file.values != before or count + rows > most_rows):
                    yield TablePart(_part_name(before or {}, number), tuple(waiting))
                    number, waiting, count = number + 1, [], 0
                waiting.append((file, first, rows))
                before, count = file.values, count + rows
        if waiting:
            yield TablePart(_part_name(before or {}, number), tuple(waiting))

    def read(self, part: TablePart, columns: Sequence[str]) -> pl.DataFrame:
        """The rows of a part, in order.

        Raises:
            TableUnreadable: a file is gone, was changed, or has other columns than the table.
        """
        return pl.concat([self._piece(*piece, columns) for piece in part.pieces])

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """All rows, lazily."""
        return pl.concat([self._lazy(file, columns) for file in self.files])

    def _piece(self, file: ParquetFile, first: int, rows: int, columns: Sequence[str]) -> pl.DataFrame:
        try:
            frame = self._lazy(file, columns).slice(first, rows).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise TableUnreadable(
                f"{file.address} of {self.address} cannot be read: {str(error).splitlines()[0]}"
            ) from error
        if frame.height != rows:
            raise TableUnreadable(
                f"{file.address} was changed while it was read: start again on a copy that stays as it is"
            )
        return frame

    def _lazy(self, file: ParquetFile, columns: Sequence[str]) -> pl.LazyFrame:
        stored = pl.scan_parquet(
            file.address, hive_partitioning=False, storage_options=self.storage_options, glob=False
        )
        literals = [pl.lit(value, self.schema[name]).alias(name) for name, value in file.values.items()]
        return stored.with_columns(literals).select(columns)


def open_table(address: str, access: Access, version: int | None = None) -> PartedTable:
    """Open a Delta table, a Parquet file, a folder of them, or a glob.

    Args:
        address: path of this machine, or `s3://...`.
        access: options of the object store.
        version: Delta version; None for the newest.

    Raises:
        TableUnreadable: there is none, it has no such version, or it is stored in a way that cannot be read in parts.
    """
    from deltalake import DeltaTable

    options = dict(access.object_store) if "://" in address else None
    if not Path(address).is_file() and DeltaTable.is_deltatable(address, storage_options=options):
        return _delta(address, options, version)
    if version is not None:
        raise TableUnreadable(f"{address} is no Delta table, so it has no version {version}")
    return _parquet(address, access, options)


def _delta(address: str, options: dict[str, str] | None, version: int | None) -> PartedTable:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(address, version=version, storage_options=options)
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
    except (DeltaError, OSError) as error:
        raise TableUnreadable(f"Delta table {address} cannot be opened: {str(error).splitlines()[0]}") from error
    unreadable = sorted(_UNREADABLE_FEATURES & set(table.protocol().reader_features or ()))
    if unreadable:
        raise TableUnreadable(
            f"Delta table {address} uses {', '.join(unreadable)}: its files alone do not say which rows it has. Write its rows to a table "
            "without, or hand over Parquet files"
        )
    by = list(table.metadata().partition_columns)
    schema = pl.Schema(table.schema())
    schema = pl.Schema({**{n: t for n, t in schema.items() if n not in by}, **{name: schema[name] for name in by}})
    files = []
    for action in actions.sort(*(f"partition.{name}" for name in by), "path").iter_rows(named=True):
        path = unquote(action["path"])
        where = f"{address.rstrip('/')}/{path}"
        rows = action["num_records"]
        known = int(rows) if rows is not None else _row_count(where, options)
        files.append(ParquetFile(where, path, known, {name: action[f"partition.{name}"] for name in by}))
    identity = f"delta {_absolute(address)} version {table.version()}"
    return PartedTable(address, table.version(), identity, schema, tuple(files), options)


def _parquet(address: str, access: Access, options: dict[str, str] | None) -> PartedTable:
    where = f"table {address}"
    try:
        store = file_store(address, "parquet", Path.cwd(), access, where)
        found = [file for file in store.find(address) if file.size_bytes]
    except (SourceError, OSError) as error:
        raise TableUnreadable(f"{address} cannot be read: {error}") from error
    if not found:
        raise TableUnreadable(f"there is no Delta table and no Parquet file at {address}. {store.nearby()}")
    schemas = {file.name: _schema(file, options) for file in found}
    first = schemas[found[0].name]
    other = [name for name, schema in schemas.items() if schema != first]
    if other:
        raise TableUnreadable(
            f"{address}: {len(other)} of {len(found)} files have other columns or types than {found[0].name}: "
            f"{', '.join(other[:_SHOWN])}. Hand over files of one kind"
        )
    named = [_hive_values(file.name) for file in found]
    names = [name for name in named[0] if name not in first]
    if any([name for name in values if name not in first] != names for values in named):
        raise TableUnreadable(f"{address}: its folders name different partition columns; hand over one table")
    types = {name: _type_of([values[name] for values in named]) for name in names}
    files = [
        ParquetFile(
            file.address,
            file.name,
            _row_count(file.address, options),
            {name: _typed(values[name], types[name]) for name in names},
        )
        for file, values in zip(found, named, strict=True)
    ]
    digest = hashlib.sha256(json.dumps([(f.name, f.size_bytes, f.modified_ns) for f in found]).encode()).hexdigest()
    schema = pl.Schema({**first, **types})
    return PartedTable(address, None, f"parquet {_absolute(address)} {digest[:16]}", schema, tuple(files), options)


def _schema(file: SourceFile, options: dict[str, str] | None) -> pl.Schema:
    try:
        lazy = pl.scan_parquet(file.address, hive_partitioning=False, storage_options=options, glob=False)
        return lazy.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TableUnreadable(f"{file.address} is no Parquet file: {str(error).splitlines()[0]}") from error


def _row_count(address: str, options: dict[str, str] | None) -> int:
    lazy = pl.scan_parquet(address, hive_partitioning=False, storage_options=options, glob=False)
    return int(lazy.select(pl.len()).collect().item())


def _hive_values(name: str) -> dict[str, str]:
    """`day=2024-01-01/part-0.parquet` has the value of `day`."""
    return {
        key: unquote(value)
        for key, separator, value in (folder.partition("=") for folder in name.split("/")[:-1])
        if separator
    }


def _type_of(values: Sequence[str]) -> pl.DataType:
    """The narrowest of day, whole number and text that all values fit."""
    for dtype in (pl.Date(), pl.Int64()):
        try:
            for value in values:
                _typed(value, dtype)
        except ValueError:
            continue
        return dtype
    return pl.String()


def _typed(value: str, dtype: pl.DataType) -> Any:
    if dtype == pl.Date:
        return date.fromisoformat(value)
    return int(value) if dtype == pl.Int64 else value


def _part_name(values: Mapping[str, Any], number: int) -> str:
    """`day=2024-01-01 #3`: the partition, and the part's place in the table."""
    partition = "/".join(f"{name}={value}" for name, value in values.items())
    return f"{partition} #{number}".strip()


def _absolute(address: str) -> str:
    return address.rstrip("/") if "://" in address else os.path.realpath(address)
