"""Reads Kinesis data streams.

Belongs here: which function answers which question. Does not belong here: reading (`stream.py`), or where it stands (`progress.py`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, ChangeBatch, Inspection, Reader
from platform_assets.connectors.kinesis.stream import read_stream
from platform_assets.declaration.sections.connectors.kinesis import KinesisConnector
from platform_assets.declaration.sections.sources import Source


class KinesisReader(Reader[KinesisConnector]):
    """Reads Kinesis data streams."""

    def inspect(
        self, source: Source, connector: KinesisConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`; a stream does not say how many records it holds, so what would be loaded next is looked at."""
        batch = read_stream(source, connector, cursor, SAMPLE_ROWS, access)
        new = f"{batch.frame.height:,}{' or more' if batch.more else ''} records are new"
        return Inspection(batch.frame if batch.frame.height else None, notes=(new,))

    def read_changes(
        self,
        source: Source,
        connector: KinesisConnector,
        folder: Path,
        cursor: str | None,
        max_rows: int,
        access: Access,
    ) -> ChangeBatch:
        """As `Reader.read_changes`."""
        return read_stream(source, connector, cursor, max_rows, access)


KINESIS = KinesisReader()
