"""A first look at a Delta table of others.

Belongs here: newest rows, a count, and whether a read of changes would work. Does not belong here: judging them
(`connectors/checking.py`).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, Inspection, rows_without_day
from platform_assets.connectors.delta.changes import read_delta_changes
from platform_assets.connectors.delta.days import quoted, with_positions
from platform_assets.connectors.delta.versions import open_table, query, readable
from platform_assets.connectors.written_forms import as_declared, delivered_time
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.sources import Source


def inspect_table(
    source: Source, connector: DeltaConnector, folder: Path, cursor: str | None, access: Access
) -> Inspection:
    """As `Reader.inspect`, without a day."""
    table = open_table(source, connector, folder, access)
    with readable(source, connector):
        count = query(table, columns="count(*) AS rows").item()
        found = query(table, f"true LIMIT {SAMPLE_ROWS}")
        sample = with_positions(as_declared(found, source), source, table.version())
        newest, missing, time_column = None, 0, delivered_time(source)
        if time_column is not None and time_column in found.columns:
            time = quoted(time_column)
            summary = query(table, columns=f"max({time}) AS newest, count(*) - count({time}) AS missing")
            newest, missing = summary.row(0)
    if source.is_incremental:
        read_delta_changes(source, connector, folder, cursor, 1, access)
    problems = (rows_without_day(source, missing),) if missing else ()
    return Inspection(sample, f"{count:,}", newest, (f"version {table.version()}",), problems)
