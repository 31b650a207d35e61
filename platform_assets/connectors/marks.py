"""Rows that say of themselves that they are deleted.

Belongs here: what such a mark means, in one cell and in a column. Does not belong here: which column holds it (each connector's
declaration), and the operation of a change that an envelope names (`debezium/envelope.py`).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from platform_assets.declaration.delivered_columns import CHANGE_OPERATION, DELETE

_NOT_DELETED = ("", "0", "0.0", "f", "false", "n", "no", "none", "null")


def is_deleted(mark: Any) -> bool:
    """Whether a mark says deleted: true, a number that is not 0, a time of deletion; nothing, false, no and 0 do not."""
    return mark is not None and str(mark).strip().lower() not in _NOT_DELETED


def with_deletes(rows: pl.DataFrame, mark: str | None) -> pl.DataFrame:
    """Changes of which those with a mark are deletes; as they are where no row has the column of marks."""
    if mark is None or mark not in rows.columns:
        return rows
    text = pl.lit(rows[mark].cast(pl.String)).str.strip_chars().str.to_lowercase()
    deleted = text.is_not_null() & ~text.is_in(_NOT_DELETED)
    return rows.with_columns(pl.when(deleted).then(pl.lit(DELETE)).otherwise(CHANGE_OPERATION).alias(CHANGE_OPERATION))
