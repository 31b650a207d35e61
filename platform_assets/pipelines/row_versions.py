"""Rows that look-ups and labels are taken from: what was published, of a source of changes every version of it.

Belongs here: reading them, and leaving out versions that break the rules of their table. Does not belong here: what a version is
(`lake/row_versions.py`), which row counts for an event (`features/offline/`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_POSITION
from platform_assets.declaration.sections.changes import CHANGE_SEQUENCE, VERSION_SINCE, VERSION_UNTIL
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.quarantine import released_rows
from platform_assets.validation.released_rows import ROW
from platform_assets.validation.row_rules import find_violations


def known_rows(
    catalog: Catalog, source: Source, days: tuple[date, date] | None, version: int | None = None, raw: int | None = None
) -> pl.DataFrame:
    """Rows of a table that a look-up may find.

    Args:
        catalog: the tables.
        source: the declared table.
        days: event days to read; None for a reference table. Of a source of changes versions up to the last day are given, because a row
            that changed in place may be of any.
        version: Delta version of the published table; None for the latest.
        raw: that of the table of changes, for a source of changes.

    Returns:
        The declared columns and `event_day`; of a source of changes also `change_sequence`, `version_since` and `version_until`.

    Raises:
        LakeTableMissing: nothing was published.
        LakeVersionMissing: a version was removed.
    """
    if not source.is_incremental or days is None:
        return catalog.clean(source.name).read(*(days or (None, None)), version=version)
    return published_versions(catalog, source, days[1], raw)


def published_versions(catalog: Catalog, source: Source, last: date, version: int | None = None) -> pl.DataFrame:
    """Every version that rows of a source of changes ever had, without those that break a rule of their table."""
    found = catalog.raw(source.name).known_versions(last, version)
    references = {
        column.name: catalog.clean(table).read(columns=[name])[name]
        for column in source.columns
        if column.references
        for table, name in [column.references.split(".")]
    }
    releases = released_rows(catalog.releases(source.name), DayRange(catalog.use_case.history.first_day, last))
    broken = find_violations(found, source, references, releases.select(SOURCE_POSITION, "row").unique())
    refused = broken.filter(pl.col("rule") != "unique")[ROW].unique()
    kept = found.with_row_index(ROW).filter(~pl.col(ROW).is_in(refused.implode()))
    names = [*source.column_names, CHANGE_SEQUENCE, VERSION_SINCE, VERSION_UNTIL]
    return kept.select(*names, pl.col(DELIVERED_DAY).alias(EVENT_DAY))
