"""Reads Kafka topics.

Belongs here: which function answers which question. Does not belong here: reading (the other modules of this folder).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch, Inspection, Reader
from platform_assets.connectors.kafka.inspection import inspect_topic
from platform_assets.connectors.kafka.topic import read_topic
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
from platform_assets.declaration.sections.sources import Source


class KafkaReader(Reader[KafkaConnector]):
    """Reads Kafka topics."""

    def inspect(
        self, source: Source, connector: KafkaConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`."""

        def newest(start: str, rows: int) -> pl.DataFrame:
            return read_topic(source, connector, start, rows, access).frame

        return inspect_topic(source, connector.topic, connector.brokers, cursor, access, newest)

    def read_changes(
        self, source: Source, connector: KafkaConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
    ) -> ChangeBatch:
        """As `Reader.read_changes`."""
        return read_topic(source, connector, cursor, max_rows, access)


KAFKA = KafkaReader()
