"""Tables as they are on disk, whatever is declared: for looking at old versions and for upkeep.

Belongs here: opening a table with the columns it has, and whether a version can still be read. Does not belong here:
reading rows (`table`) and which versions are kept (`pins`).
"""

from collections.abc import Mapping

import polars as pl

from platform_assets.lake import storage
from platform_assets.lake.errors import LakeVersionMissing
from platform_assets.lake.table import LakeTable


def stored_table(
    uri: str, storage_options: Mapping[str, str] | None, version: int | None = None, *, known: str | None = None
) -> LakeTable:
    """A table with the columns that it has on disk, at a version or at the latest.

    Raises:
        LakeDamaged: It is not what was written.
        LakeTableMissing: There is none.
        LakeVersionMissing: The version does not exist.
    """
    table = storage.open_table(uri, storage_options, version, known=known)
    partition_by = next(iter(table.metadata().partition_columns), None)
    options = None if storage_options is None else dict(storage_options)
    return LakeTable(uri, dict(pl.Schema(table.schema())), partition_by, options, known=known)


def file_count(table: LakeTable, version: int | None = None) -> int:
    """Data files of a version.

    Raises:
        LakeTableMissing: There is no table.
        LakeVersionMissing: The version does not exist.
    """
    return storage.file_listing(storage.open_table(table.uri, table.storage_options, version)).height


def is_readable(table: LakeTable, version: int) -> bool:
    """Whether a version's log entry and, in a local table, its data files are still there."""
    try:
        storage.check_files(storage.open_table(table.uri, table.storage_options, version), uri=table.uri)
    except LakeVersionMissing:
        return False
    return True
