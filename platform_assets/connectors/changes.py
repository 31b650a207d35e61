"""Sources that are asked what is new.

Belongs here: choosing the reader of a connector. Does not belong here: any one kind of connector, and what becomes of
changes (the lake's).
"""

from __future__ import annotations

from pathlib import Path

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import SourceError
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.connectors.delta import DeltaConnector
from platform_assets.declaration.sections.connectors.files import FilesConnector
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source


def read_changes(
    source: Source, use_case_folder: Path, cursor: str | None, *, max_rows: int, access: Access = NO_ACCESS
) -> ChangeBatch:
    """The changes of an incremental source after a cursor, oldest first.

    The same source and cursor give the same changes again, and later ones: a load that was not committed is simply read
    again. Nothing is stored at the source.

    Args:
        source: The declared source.
        use_case_folder: Relative paths start here.
        cursor: That of the batch committed last; None for the first read, which starts at the beginning.
        max_rows: About how many changes to hand over at most; at least one where there is one.
        access: Credentials and addresses.

    Raises:
        SourceError: If the source cannot be read, what the cursor stands at is gone, or the source is not incremental.
        SchemaMismatch: If files of one batch disagree about a declared column.
    """
    if max_rows < 1:
        raise ValueError(f"max_rows must be at least 1, not {max_rows}")
    connector = source.connector
    if not source.is_incremental:
        raise SourceError(
            f"source '{source.name}' is not incremental: its connector ({connector.kind}) is asked for event days. Read "
            f"it with read_source, or declare it incremental in defs.yaml."
        )
    if isinstance(connector, FilesConnector):
        from platform_assets.connectors.files.changes import read_file_changes

        return read_file_changes(source, connector, use_case_folder, cursor, max_rows, access)
    if isinstance(connector, SqlConnector):
        from platform_assets.connectors.sql.changes import read_sql_changes

        return read_sql_changes(source, connector, cursor, max_rows, access)
    if isinstance(connector, DeltaConnector):
        from platform_assets.connectors.delta.changes import read_delta_changes

        return read_delta_changes(source, connector, use_case_folder, cursor, max_rows, access)
    if isinstance(connector, KafkaConnector):
        from platform_assets.connectors.kafka.topic import read_topic

        return read_topic(source, connector, cursor, max_rows, access)
    assert isinstance(connector, ChangeFeedConnector), "no other connector is incremental"
    from platform_assets.connectors.debezium.feed import read_change_feed

    return read_change_feed(source, connector, use_case_folder, cursor, max_rows, access)
