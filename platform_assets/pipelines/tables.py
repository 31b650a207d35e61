"""Reading the tables of a use case's data layers.

Belongs here: the one way in which assets read delivered and published rows, and what deletes at the source do to them.
Does not belong here: writing them (each layer's own module), or the state that changes make (`lake/changes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from platform_assets.connectors.delivery import DELIVERED_DAY, EXTRA, SOURCE_LINE, SOURCE_POSITION, UNCAST, positions
from platform_assets.declaration import EVENT_DAY, Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.changes import (
    IS_DELETED,
)
from platform_assets.lake.changes import current_rows, deleted_rows, versions, with_deleted
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import CLEAN, RAW
from platform_assets.lake.schemas import clean_schema as clean_schema
from platform_assets.lake.schemas import history_schema as history_schema
from platform_assets.lake.schemas import keeps_deleted as keeps_deleted
from platform_assets.lake.schemas import raw_schema as raw_schema
from platform_assets.lake.table import LakeTable

_NEVER = pl.lit(None, dtype=pl.Date)


def raw_table(lake: Lake, use_case: UseCase, source: Source) -> LakeTable:
    """The raw table of a source."""
    return lake.table(use_case.name, RAW, source.name, raw_schema(source), migrations=source.migrations)


def delivered_rows(lake: Lake, use_case: UseCase, source: Source, days: DayRange | None) -> pl.DataFrame:
    """Rows to audit: what was delivered for these days, or the whole of a reference table.

    Of an incremental source these are the rows that are there after all changes; a deleted row is not among them.

    Returns:
        The declared columns, `source_position`, `source_line`, `uncast`, `extra` and `delivered_day` (null in a reference table).
    """
    rows = _raw_rows(lake, use_case, source, days)
    if source.is_incremental:
        rows = current_rows(rows, source.primary_key)
    return _as_delivered(rows, source)


def publishable_rows(
    lake: Lake, use_case: UseCase, source: Source, days: DayRange | None, accepted: pl.DataFrame
) -> pl.DataFrame:
    """What to publish of rows that passed the audit: with `deletes: soft`, the deleted rows of the same days as well.

    Args:
        lake: Where the raw table is.
        use_case: The declaration.
        source: The source the rows are of.
        days: The days that were audited; None for a reference table.
        accepted: Good rows of days that passed.

    Returns:
        Rows with the columns of `clean_schema`.
    """
    if not keeps_deleted(source):
        return accepted
    rows = _as_delivered(deleted_rows(_raw_rows(lake, use_case, source, days), source.primary_key), source)
    if source.is_daily:
        rows = rows.rename({DELIVERED_DAY: EVENT_DAY})
    return with_deleted(accepted, rows)


def clean_table(lake: Lake, use_case: UseCase, source: Source) -> LakeTable:
    """The clean table of a source, deleted rows included where it keeps them: read it with `clean_rows`."""
    return lake.table(use_case.name, CLEAN, source.name, clean_schema(source), migrations=source.migrations)


def clean_rows(
    lake: Lake,
    use_case: UseCase,
    source: Source,
    first: date | None = None,
    last: date | None = None,
    columns: Sequence[str] | None = None,
    *,
    version: int | None = None,
) -> pl.DataFrame:
    """Published rows of a source that count: of the days from `first` to `last`, both included, or all.

    Raises:
        LakeTableMissing: The source was never published.
        LakeVersionMissing: The version does not exist, or its files are gone.
    """
    table = clean_table(lake, use_case, source)
    if not keeps_deleted(source):
        return table.read(first, last, version=version, columns=columns)
    wanted = list(columns) if columns is not None else [name for name in table.schema if name != IS_DELETED]
    rows = table.read(first, last, version=version, columns=[*wanted, IS_DELETED])
    return rows.filter(~pl.col(IS_DELETED)).select(wanted)


def clean_counts(lake: Lake, use_case: UseCase, source: Source) -> dict[date, int]:
    """Published rows that count, by day; empty where nothing was published.

    Read from the log where no row is deleted; else the marks are read.
    """
    table = clean_table(lake, use_case, source)
    if not table.exists():
        return {}
    if not keeps_deleted(source):
        return table.count_by_partition()
    there = table.scan(columns=[EVENT_DAY, IS_DELETED], ordered=False).filter(~pl.col(IS_DELETED))
    return dict(there.group_by(EVENT_DAY).len().sort(EVENT_DAY).collect().iter_rows())


def history_rows(lake: Lake, use_case: UseCase, source: Source, days: DayRange) -> pl.DataFrame:
    """Every version of the rows of these days, as delivered, with the columns of `history_schema`."""
    rows = versions(_raw_rows(lake, use_case, source, days), source.primary_key)
    return rows.with_columns(positions(rows)).select(list(history_schema(source)))


def _raw_rows(lake: Lake, use_case: UseCase, source: Source, days: DayRange | None) -> pl.DataFrame:
    table = raw_table(lake, use_case, source)
    if days is None:
        return table.read().with_columns(_NEVER.alias(EVENT_DAY))
    return table.read(days.first, days.last)


def _as_delivered(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    return rows.select(
        *source.column_names, SOURCE_POSITION, SOURCE_LINE, UNCAST, EXTRA, pl.col(EVENT_DAY).alias(DELIVERED_DAY)
    )
