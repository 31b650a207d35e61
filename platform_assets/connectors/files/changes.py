"""New files as deliveries of changes.

Belongs here: which files of a place are new or changed since a cursor, in what order, and how a long one is read
piece by piece. Does not belong here: finding and opening files (`stores.py`), and what is in them (`days.py`,
`connectors/debezium/`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from time import time_ns
from typing import Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import ColumnProblem, SchemaMismatch, SourceError
from platform_assets.connectors.files.days import FileRows, read_file, stack
from platform_assets.connectors.files.of_days import no_files_message, source_store
from platform_assets.connectors.files.stores import FileStore, SourceFile
from platform_assets.connectors.marks import with_deletes
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UPSERT,
)
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.sources import Source

_DIGEST_BYTES = 6
_ROW_BITS = 32
"""The sequence of a row is the number of its delivery, then its row in the file, which is below four thousand million."""


@dataclass(frozen=True)
class FilesCursor:
    """Which files were delivered, and how far the one that is being delivered.

    A file costs twelve bytes: six of its name, six of its name, size and time of change.
    """

    delivered: dict[bytes, bytes] = field(default_factory=dict)
    deliveries: int = 0
    """How many deliveries were begun, changed files included."""
    last: str = ""
    """Name of the file delivered last, for people."""
    row: int = 0
    """How many rows of the file that is being delivered are, 0 when none is."""
    begun: bytes = b""
    """State of that file."""
    order: Mapping[str, Any] | None = None
    """How the changes of a feed are numbered, as of the end of the file before; None where files have no order of their own."""

    @classmethod
    def of(cls, text: str | None, where: str) -> FilesCursor:
        """Read a cursor's text.

        Raises:
            SourceError: If it is that of another kind of source.
        """
        if text is None:
            return cls()
        try:
            content = json.loads(text)
            packed = base64.b64decode(content["delivered"])
            size = 2 * _DIGEST_BYTES
            pairs = [packed[at : at + size] for at in range(0, len(packed), size)]
            delivered = {pair[:_DIGEST_BYTES]: pair[_DIGEST_BYTES:] for pair in pairs}
            begun = bytes.fromhex(content["begun"])
            deliveries, row = int(content["deliveries"]), int(content["row"])
            return cls(delivered, deliveries, str(content["last"]), row, begun, content.get("order"))
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(
                f"{where}: the cursor kept with its table is not one of files: {text[:80]!r}. The connector was "
                f"another one when it was written: load into a new table, or declare the former connector."
            ) from error

    def text(self) -> str:
        """The cursor as JSON; the same files give the same text."""
        packed = b"".join(name + state for name, state in sorted(self.delivered.items()))
        content: dict[str, Any] = {
            "files": len(self.delivered),
            "deliveries": self.deliveries,
            "last": self.last,
            "row": self.row,
        }
        content |= {} if self.order is None else {"order": self.order}
        return json.dumps({**content, "begun": self.begun.hex(), "delivered": base64.b64encode(packed).decode()})

    def is_new(self, file: SourceFile) -> bool:
        """Whether a file was not delivered as it is now."""
        name, state = _digests(file)
        return self.delivered.get(name) != state

    def with_delivered(self, file: SourceFile) -> FilesCursor:
        """The cursor after all of a file."""
        name, state = _digests(file)
        return replace(self, delivered={**self.delivered, name: state}, last=file.name, row=0, begun=b"")

    def with_begun(self, file: SourceFile, row: int) -> FilesCursor:
        """The cursor after the first rows of a file."""
        return replace(self, last=file.name, row=row, begun=_digests(file)[1])


@dataclass(frozen=True)
class FilePart:
    """Consecutive rows of one file."""

    file: SourceFile
    delivery: int
    """Number of the delivery, from 1."""
    first: int
    """How many rows of the file come before."""
    frame: pl.DataFrame


def next_parts(
    files: list[SourceFile], cursor: FilesCursor, max_rows: int, read: Callable[[SourceFile], pl.DataFrame]
) -> tuple[list[FilePart], FilesCursor, bool]:
    """Rows that the cursor has not seen, file by file in order of their address, about `max_rows` of them.

    A file that began to be delivered is continued first; if it changed or went away meanwhile, the change is a
    delivery of its own. A file that cannot be read stops the feed before it: nothing is passed over.

    Returns:
        The rows, the cursor after them, and whether there are more.

    Raises:
        SourceError: If the first of the files cannot be read.
    """
    waiting = [file for file in files if cursor.is_new(file)]
    begun = [file for file in waiting if cursor.row and cursor.begun == _digests(file)[1]]
    if not begun:
        cursor = replace(cursor, row=0, begun=b"")
    parts: list[FilePart] = []
    rows = 0
    for file in begun + [file for file in waiting if file not in begun]:
        if rows >= max_rows:
            return parts, cursor, True
        try:
            frame = read(file)
        except SourceError:
            if parts:  # those before it are handed over; the next read begins with it, and fails
                return parts, cursor, True
            raise
        if not cursor.row:
            cursor = replace(cursor, deliveries=cursor.deliveries + 1)
        part = frame.slice(cursor.row, max_rows - rows)
        parts.append(FilePart(file, cursor.deliveries, cursor.row, part))
        rows += part.height
        if cursor.row + part.height < frame.height:
            return parts, cursor.with_begun(file, cursor.row + part.height), True
        cursor = cursor.with_delivered(file)
    return parts, cursor, False


def settled_files(
    source: Source, store: FileStore, path: str, file_format: str, settle_seconds: float, folder: Path
) -> list[SourceFile]:
    """The files below a declared path that nobody writes any more, as far as the time of their last change tells.

    An object is there when it is complete. A time of change that lies ahead tells nothing, and is not waited for.

    Raises:
        SourceError: If not even the folder is there. A folder without files is one where nothing is new.
    """
    files = store.find(path)
    if not files and not store.exists():
        raise SourceError(no_files_message(source, path, file_format, store, folder, path))
    if not store.is_local:
        return files
    now = time_ns()
    return [file for file in files if not 0 <= now - file.modified_ns < settle_seconds * 1e9]


def read_file_changes(
    source: Source, connector: FilesConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """Rows of new and changed files, each an upsert, or the delete of a row that is marked.

    A changed file (its size or time of change differs) is delivered again as a whole: its rows are newer than those it
    had, and rows that it no longer has stay. The sequence of a row is the number of its delivery and its row there.
    """
    store = source_store(source, connector, folder, access)
    before = FilesCursor.of(cursor, f"source '{source.name}'")
    files = settled_files(source, store, connector.path, connector.format, connector.settle_seconds, folder)
    parts, after, more = next_parts(
        files, before, max_rows, lambda file: _complete(source, read_file(source, connector, store, file, None))
    )
    # Files of nothing but a header still tell which columns there are.
    frames = [FileRows(part.file.name, _with_changes(part)) for part in parts]
    frame = stack(source, frames) if frames else no_changes()
    frame = with_deletes(frame, connector.deleted)
    return ChangeBatch(frame, after.text() if parts or cursor is None else cursor, more)


def _complete(source: Source, batch: FileRows) -> pl.DataFrame:
    """The rows of a file that has every declared column, or no row that would need them."""
    missing = [column for column in source.columns if column.is_delivered and column.name not in batch.frame.columns]
    rows = batch.frame[SOURCE_PROBLEM].null_count()
    if missing and rows:
        problems = [
            ColumnProblem(column.name, column.type, "no such column", rows, where=batch.name) for column in missing
        ]
        delivered = [name for name in batch.frame.columns if name not in DELIVERY_COLUMNS]
        raise SchemaMismatch(source.name, problems, delivered)
    return batch.frame


def no_changes() -> pl.DataFrame:
    """The frame of a read that found nothing new."""
    schema: dict[str, Any] = {SOURCE_POSITION: pl.String, DELIVERED_DAY: pl.Date, SOURCE_PROBLEM: pl.String}
    return pl.DataFrame(schema={**schema, CHANGE_OPERATION: pl.String, CHANGE_SEQUENCE: pl.Int64})


def _with_changes(part: FilePart) -> pl.DataFrame:
    row = pl.int_range(part.first + 1, part.first + part.frame.height + 1, dtype=pl.Int64)
    return part.frame.with_columns(
        pl.lit(UPSERT).alias(CHANGE_OPERATION), (row + (part.delivery << _ROW_BITS)).alias(CHANGE_SEQUENCE)
    )


def _digests(file: SourceFile) -> tuple[bytes, bytes]:
    """Of the name, and of the state."""
    state = f"{file.name}\0{file.size_bytes}\0{file.modified_ns}"
    return tuple(blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest() for text in (file.name, state))  # type: ignore[return-value]
