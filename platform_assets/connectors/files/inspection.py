"""A first look at files.

Belongs here: the newest file, and how many there are. Does not belong here: judging them (`connectors/checking.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, Inspection
from platform_assets.connectors.casting import text_to_times
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.files.changes import FilesCursor
from platform_assets.connectors.files.days import read_file
from platform_assets.connectors.files.of_days import no_files_message, source_store
from platform_assets.declaration.sections.connectors.dated_path import DatedPath
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.sources import Source


def inspect_files(
    source: Source, connector: FilesConnector, folder: Path, cursor: str | None, access: Access
) -> Inspection:
    """As `Reader.inspect`, without a day."""
    store = source_store(source, connector, folder, access)
    dated = DatedPath(connector.path)
    files = store.find(dated.any_day)
    if not files:
        raise SourceError(no_files_message(source, connector.path, connector.format, store, folder, connector.path))
    by_name = dated.is_dated
    newest = max(files, key=lambda file: (file.address,) if by_name else (file.modified_ns, file.address))
    frame = read_file(source, connector, store, newest, None).frame
    notes = [f"{len(files):,} files, the newest is {newest.name}"] if len(files) > 1 else []
    if source.is_incremental:
        after = FilesCursor.of(cursor, f"source '{source.name}'")
        notes.append(f"{sum(after.is_new(file) for file in files):,} files are new")
    rows = f"{frame.height:,}" + (" in the newest file" if len(files) > 1 else "")
    return Inspection(frame.tail(SAMPLE_ROWS), rows, _newest_in(frame, source), tuple(notes))


def _newest_in(frame: pl.DataFrame, source: Source) -> Any:
    """Newest event time of a file, which has no order."""
    if source.event_time not in frame.columns:
        return None
    values = frame[source.event_time]
    return text_to_times(values).max() if values.dtype == pl.String else values.max()
