"""Reads tables and queries of databases.

Belongs here: which function answers which question. Does not belong here: reading (the other modules of this folder).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch, Inspection, Reader, Totals
from platform_assets.connectors.sql.changes import read_sql_changes
from platform_assets.connectors.sql.days import read_sql
from platform_assets.connectors.sql.inspection import inspect_relation
from platform_assets.connectors.sql.totals import database_totals
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source


class SqlReader(Reader[SqlConnector]):
    """Reads tables and queries of databases."""

    def inspect(
        self, source: Source, connector: SqlConnector, folder: Path, day: date, cursor: str | None, access: Access
    ) -> Inspection:
        """As `Reader.inspect`."""
        return inspect_relation(source, connector, cursor, access)

    def read_days(
        self,
        source: Source,
        connector: SqlConnector,
        folder: Path,
        first_day: date | None,
        last_day: date | None,
        access: Access,
    ) -> pl.DataFrame:
        """As `Reader.read_days`."""
        return read_sql(source, connector, first_day, last_day, access)

    def read_changes(
        self, source: Source, connector: SqlConnector, folder: Path, cursor: str | None, max_rows: int, access: Access
    ) -> ChangeBatch:
        """As `Reader.read_changes`."""
        return read_sql_changes(source, connector, cursor, max_rows, access)

    def control_totals(
        self, source: Source, connector: SqlConnector, folder: Path, days: Sequence[date] | None, access: Access
    ) -> Totals:
        """As `Reader.control_totals`."""
        return database_totals(source, connector, days, access)


SQL = SqlReader()
