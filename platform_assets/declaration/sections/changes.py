"""Changes: rows of a source that is asked what is new, and what becomes of a row that its source deletes.

Belongs here: the declaration, and the names of the columns that every change carries. Does not belong here: reading
changes (`connectors/`), or their effect on tables (`lake/changes.py`).
"""

from typing import Literal

from pydantic import Field

from platform_assets.declaration.base import Declaration
from platform_assets.declaration.delivered_columns import CHANGE_OPERATION as CHANGE_OPERATION
from platform_assets.declaration.delivered_columns import CHANGE_SEQUENCE as CHANGE_SEQUENCE
from platform_assets.declaration.delivered_columns import CHANGE_TIME as CHANGE_TIME
from platform_assets.declaration.delivered_columns import DELETE as DELETE
from platform_assets.declaration.delivered_columns import UPSERT as UPSERT

ROW_DAY = "change_row_day"
"""Where the row of the key stands after the change. In another day's partition: the row has moved there."""

ROW_SEQUENCE = "change_row_sequence"
"""Sequence of the change that gave the row the content it has after this one; null where none is known."""

IS_DELETED = "is_deleted"
"""Column of the clean table of a source with `deletes: soft`."""

OPERATION, VALID_FROM, VALID_TO = HISTORY_COLUMNS = ("operation", "valid_from", "valid_to")
"""Columns of the table of all versions: what made the version, its sequence, and that of the change that followed."""

VERSION_SINCE, VERSION_UNTIL = "version_since", "version_until"
"""Columns of versions of rows: from which moment a version counts, and until which; null while nothing takes its place."""

DeletePolicy = Literal["hard", "soft", "history"]


class Changes(Declaration):
    """What the changes of an incremental source do to the published table."""

    deletes: DeletePolicy = Field(
        default="hard",
        description="`hard`: a deleted row leaves the clean table. `soft`: it stays there, marked `is_deleted`, and nothing "
        "that reads the table sees it. `history`: as `hard`, and every version of every row is kept in a table of its own.",
    )
