"""A first look at a feed of changes in files.

Belongs here: the newest file, and how many there are. Does not belong here: judging them (`connectors/checking.py`), and feeds in
topics (`connectors/kafka/inspection.py`).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, Inspection
from platform_assets.connectors.debezium.feed import feed_store, read_envelopes
from platform_assets.connectors.debezium.order import FeedOrder
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.files.changes import FilesCursor
from platform_assets.connectors.files.of_days import no_files_message
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.sources import Source


def inspect_feed_files(
    source: Source, connector: ChangeFeedConnector, folder: Path, cursor: str | None, access: Access
) -> Inspection:
    """As `Reader.inspect`, without a day, of a feed in files."""
    store = feed_store(source, connector, folder, access)
    path = connector.path or ""
    files = store.find(path)
    if not files:
        raise SourceError(no_files_message(source, path, "jsonl", store, folder, path))
    newest = max(files, key=lambda file: (file.modified_ns, file.address))
    after = FilesCursor.of(cursor, f"source '{source.name}'")
    order = FeedOrder.of(after.order if after.is_new(newest) else None, begun=False)
    frame = read_envelopes(source, connector, store, newest, order)
    notes = (
        f"{len(files):,} files, the newest is {newest.name}",
        f"{sum(after.is_new(file) for file in files):,} files are new",
        *order.all_notices(),
    )
    return Inspection(frame.tail(SAMPLE_ROWS), f"{frame.height:,} changes in the newest file", None, notes)
