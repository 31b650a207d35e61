"""Reads files.

Belongs here: which function answers which question. Does not belong here: reading (the other modules of this folder).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch, DeliveredFiles, Inspection, Reader, Totals
from platform_assets.connectors.files.changes import read_file_changes
from platform_assets.connectors.files.control_file import control_file_totals
from platform_assets.connectors.files.days import read_files
from platform_assets.connectors.files.inspection import inspect_files
from platform_assets.connectors.files.of_days import files_of_days
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.sources import Source


class FilesReader(Reader[FilesConnector]):
    """Reads files."""

    def inspect(
        self, source: Source, connector: FilesConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`."""
        return inspect_files(source, connector, folder, cursor, access)

    def read_days(
        self,
        source: Source,
        connector: FilesConnector,
        folder: Path,
        first_day: date | None,
        last_day: date | None,
        access: Access,
    ) -> pl.DataFrame:
        """As `Reader.read_days`."""
        return read_files(source, connector, folder, first_day, last_day, access)

    def read_changes(
        self, source: Source, connector: FilesConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
    ) -> ChangeBatch:
        """As `Reader.read_changes`."""
        return read_file_changes(source, connector, folder, cursor, max_rows, access)

    def control_totals(
        self, source: Source, connector: FilesConnector, folder: Path, days: Sequence[date] | None, access: Access
    ) -> Totals:
        """As `Reader.control_totals`."""
        return control_file_totals(source, folder, days)

    def delivered_files(
        self, source: Source, connector: FilesConnector, folder: Path, days: Sequence[date], access: Access
    ) -> DeliveredFiles:
        """As `Reader.delivered_files`."""
        return files_of_days(source, connector, folder, days, access)


FILES = FilesReader()
