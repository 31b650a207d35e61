"""Reads Delta tables of others.

Belongs here: which function answers which question. Does not belong here: reading (the other modules of this folder).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch, Inspection, Reader
from platform_assets.connectors.delta.changes import read_delta_changes
from platform_assets.connectors.delta.days import read_delta
from platform_assets.connectors.delta.inspection import inspect_table
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source


class DeltaReader(Reader[DeltaConnector]):
    """Reads Delta tables of others."""

    def inspect(
        self, source: Source, connector: DeltaConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`."""
        return inspect_table(source, connector, folder, cursor, access)

    def read_days(
        self,
        source: Source,
        connector: DeltaConnector,
        folder: Path,
        first_day: date | None,
        last_day: date | None,
        access: Access,
    ) -> pl.DataFrame:
        """As `Reader.read_days`."""
        return read_delta(source, connector, folder, first_day, last_day, access)

    def read_changes(
        self, source: Source, connector: DeltaConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
    ) -> ChangeBatch:
        """As `Reader.read_changes`."""
        return read_delta_changes(source, connector, folder, cursor, max_rows, access)


DELTA = DeltaReader()
