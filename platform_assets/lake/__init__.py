"""Delta tables as the platform uses them: whole-partition writes, merges, ledgers, versions.

Belongs here: where a table lives (`layout`), what may be written (`conform`), how a write becomes exactly one commit
(`commits`), and the table itself (`table`). Does not belong here: what the columns mean (`spec`), which rows are good
(`validation`), and anything of Dagster.
"""

from platform_assets.lake.commits import Commit, HistoryEntry, RetryPolicy
from platform_assets.lake.errors import (
    EmptyWriteError,
    LakeConflictError,
    LakeError,
    LakeIdempotencyError,
    LakeKeyError,
    LakeRangeError,
    LakeSchemaError,
    LakeTableMissing,
    LakeVersionMissing,
    SchemaProblem,
)
from platform_assets.lake.layout import LAYERS, table_uri
from platform_assets.lake.table import LakeTable

__all__ = [
    "LAYERS",
    "Commit",
    "EmptyWriteError",
    "HistoryEntry",
    "LakeConflictError",
    "LakeError",
    "LakeIdempotencyError",
    "LakeKeyError",
    "LakeRangeError",
    "LakeSchemaError",
    "LakeTable",
    "LakeTableMissing",
    "LakeVersionMissing",
    "RetryPolicy",
    "SchemaProblem",
    "table_uri",
]
