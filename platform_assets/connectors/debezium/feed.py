"""Feeds of row changes in the Debezium envelope, from files.

Belongs here: the envelopes of files as changes. Does not belong here: the envelope (`envelope.py`) and topics (`topic.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.debezium.envelope import changes_of
from platform_assets.connectors.debezium.order import FeedOrder
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.files.changes import FilesCursor, next_parts, settled_files
from platform_assets.connectors.files.days import FileRows, stack, unpacked
from platform_assets.connectors.files.stores import FileStore, SourceFile, file_store
from platform_assets.connectors.files.text_formats import json_value, text_lines
from platform_assets.connectors.json_changes import Change, frame_of_changes
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.sources import Source


def read_feed_files(
    source: Source, connector: ChangeFeedConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """The changes after the cursor, in the order in which they were written.

    Raises:
        SourceError: If the files cannot be read.
    """
    store = feed_store(source, connector, folder, access)
    before = FilesCursor.of(cursor, f"source '{source.name}'")
    files = settled_files(source, store, connector.path or "", "jsonl", connector.settle_seconds, folder)
    orders = [FeedOrder.of(before.order, begun=cursor is not None)]

    def read(file: SourceFile) -> pl.DataFrame:
        order = orders[-1].copy()
        frame = read_envelopes(source, connector, store, file, order)
        orders.append(order)
        return frame

    parts, after, more = next_parts(files, before, max_rows, read)
    complete = orders[-2] if after.row and len(orders) > 1 else orders[-1]
    nothing = frame_of_changes([], source)
    frame = stack(source, [FileRows("", nothing), *[FileRows(part.file.name, part.frame) for part in parts]])
    reached = replace(after, order=complete.kept()).text()
    notices = tuple(notice for order in orders for notice in order.all_notices())
    return ChangeBatch(frame, reached if parts or cursor is None else cursor, more, notices)


def feed_store(source: Source, connector: ChangeFeedConnector, folder: Path, access: Access) -> FileStore:
    """Where the files of a feed lie."""
    return file_store(connector.path or "", "jsonl", folder, access, f"source '{source.name}' of {folder}")


def read_envelopes(
    source: Source, connector: ChangeFeedConnector, store: FileStore, file: SourceFile, order: FeedOrder
) -> pl.DataFrame:
    """The changes in one file, as found; `order` goes on to its end.

    Raises:
        SourceError: If it cannot be read, or changed meanwhile.
    """
    where = f"source '{source.name}': {file.address}"
    try:
        lines = text_lines(unpacked(store.data(file), file), where)
        still_written = store.has_changed(file)
    except (OSError, EOFError) as error:
        raise SourceError(f"{where} cannot be read: {error}. Deliver the file again.") from error
    if still_written:
        raise SourceError(
            f"{where} changed while it was read: it is still being written. Load again when it is complete."
        )
    changes = []
    for number, line in lines:
        order.where = f"{file.name}:{number}"
        try:
            changed = changes_of(json_value(line), source, connector, order)
        except ValueError:
            changed = [Change({}, problem=f"not JSON: {line.strip()}")]
        changes += [(f"{file.name}:{number}", change) for change in changed]
    return frame_of_changes(changes, source)
