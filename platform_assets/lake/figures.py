"""How large a table is, read from its log in one go.

Belongs here: counting what the log lists. Does not belong here: reading rows (`table.py`), or what is stored of older versions
(`maintenance.py`).
"""

from dataclasses import dataclass

from platform_assets.lake import storage
from platform_assets.lake.table import LakeTable


@dataclass(frozen=True)
class TableFigures:
    """The latest version of a table.

    Attributes:
        rows: of all its files.
        size_bytes: of all its files.
        files: how many.
    """

    rows: int
    size_bytes: int
    files: int


def table_figures(table: LakeTable) -> TableFigures:
    """Rows, bytes and files; no data file is opened unless an engine that keeps no statistics wrote one.

    Raises:
        LakeTableMissing: the table does not exist.
    """
    listed = storage.file_listing(storage.open_table(table.uri, table.storage_options, None, known=table.known))
    counted = not listed["num_records"].null_count()
    rows = int(listed["num_records"].sum()) if counted else table.row_count()
    return TableFigures(rows, int(listed["size_bytes"].sum()), listed.height)
