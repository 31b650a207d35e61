"""The one way into a source: rows as found, whatever the connector.

Belongs here: what holds for reading from any source. Does not belong here: any one kind of connector, and what becomes of rows and
changes (the lake's).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from platform_assets.connectors.access import NO_ACCESS, Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.registry import reader_of
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
    if source.is_incremental:
        raise SourceError(
            f"source '{source.name}' is incremental: it is asked what is new since a cursor, not for event days. Read it "
            f"with read_changes, or take the incremental part out of its connector in defs.yaml."
        )
    reader = reader_of(source)
    return reader.read_days(source, source.connector, use_case_folder, first_day, last_day, access)


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
    if not source.is_incremental:
        raise SourceError(
            f"source '{source.name}' is not incremental: its connector ({source.connector.kind}) is asked for event days. Read "
            f"it with read_source, or declare it incremental in defs.yaml."
        )
    reader = reader_of(source)
    return reader.read_changes(source, source.connector, use_case_folder, cursor, max_rows, access)
