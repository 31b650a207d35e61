"""The one way into a source: rows as found, whatever the connector.

Belongs here: choosing the reader of a connector. Does not belong here: any one kind of connector.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.files.days import read_files
from platform_assets.connectors.simulator.days import read_simulator
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.connectors.simulator import SimulatorConnector
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source


def read_source(
    source: Source,
    use_case_folder: Path,
    first_day: date | None = None,
    last_day: date | None = None,
    *,
    access: Access = NO_ACCESS,
) -> pl.DataFrame:
    """Rows of a source as they are found.

    Args:
        source: The declared source.
        use_case_folder: Relative paths start here.
        first_day: First event day, inclusive; needed for a daily source, ignored for a reference table.
        last_day: Last event day, inclusive; as `first_day`.
        access: Credentials and addresses, for sources outside this machine.

    Returns:
        The columns and types as delivered (every cell as text where the format has no types), then `source_position`
        (String), `delivered_day` (Date, the day the row was delivered for: the raw table's partition) and
        `source_problem` (String, why the row could not be taken apart). No row is lost: `conform` and `validation`
        decide what becomes of it.

    Raises:
        SourceError: If there is nothing to read, or it cannot be read; the message says where and what to do.
        SchemaMismatch: If files of one load disagree about a declared column.
    """
    connector = source.connector
    if isinstance(connector, SimulatorConnector):
        return read_simulator(source, connector, first_day, last_day)
    if source.is_incremental:
        raise SourceError(
            f"source '{source.name}' is incremental: it is asked what is new since a cursor, not for event days. Read it "
            f"with read_changes, or take the incremental part out of its connector in defs.yaml."
        )
    if isinstance(connector, FilesConnector):
        return read_files(source, connector, use_case_folder, first_day, last_day, access)
    if isinstance(connector, SqlConnector):
        from platform_assets.connectors.sql.days import read_sql

        return read_sql(source, connector, first_day, last_day, access)
    assert isinstance(connector, DeltaConnector), "every other connector is incremental"
    from platform_assets.connectors.delta.days import read_delta

    return read_delta(source, connector, use_case_folder, first_day, last_day, access)
