"""Reads feeds of row changes, from files or a topic.

Belongs here: which function answers which question. Does not belong here: reading (the other modules of this folder).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch, Inspection, Reader
from platform_assets.connectors.debezium.feed import read_feed_files
from platform_assets.connectors.debezium.inspection import inspect_feed_files
from platform_assets.connectors.debezium.topic import read_feed_topic
from platform_assets.connectors.kafka.inspection import inspect_topic
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.sources import Source


class ChangeFeedReader(Reader[ChangeFeedConnector]):
    """Reads feeds of row changes, from files or a topic."""

    def inspect(
        self,
        source: Source,
        connector: ChangeFeedConnector,
        folder: Path,
        day: date,
        cursor: str | None,
        access: Access,
    ) -> Inspection:
        """As `Reader.inspect`."""
        if connector.topic is None:
            return inspect_feed_files(source, connector, folder, cursor, access)

        def newest(start: str, rows: int) -> pl.DataFrame:
            return read_feed_topic(source, connector, start, rows, access).frame

        return inspect_topic(source, connector.topic, connector.brokers or "", cursor, access, newest)

    def read_changes(
        self,
        source: Source,
        connector: ChangeFeedConnector,
        folder: Path,
        cursor: str | None,
        max_rows: int,
        access: Access,
    ) -> ChangeBatch:
        """As `Reader.read_changes`."""
        if connector.topic is not None:
            return read_feed_topic(source, connector, cursor, max_rows, access)
        return read_feed_files(source, connector, folder, cursor, max_rows, access)


CHANGE_FEED = ChangeFeedReader()
