"""Reading the tables of a use case's data layers.

Belongs here: the one way in which assets read delivered and published rows. Does not belong here: writing them (each
layer's own module).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from platform_assets.assets.partitions import DayRange
from platform_assets.lake.layout import CLEAN, RAW
from platform_assets.lake.table import LakeTable
from platform_assets.resources.lake import LakeResource
from platform_assets.sources.delivery import DELIVERED_DAY, SOURCE_POSITION, UNCAST
from platform_assets.spec import EVENT_DAY, Source, UseCase

_NEVER = pl.lit(None, dtype=pl.Date)


def raw_schema(source: Source) -> dict[str, pl.DataType]:
    """Declared columns, where each row came from, and cells whose text could not be read as the declared type.

    In the raw layer `event_day` is the day a row was delivered for; whether that is the day of its event is judged
    when it is cleaned.
    """
    schema = {column.name: column.polars_type for column in source.columns}
    schema.update({SOURCE_POSITION: pl.String(), UNCAST: pl.String()})
    if source.is_daily:
        schema[EVENT_DAY] = pl.Date()
    return schema


def raw_table(lake: LakeResource, use_case: UseCase, source: Source) -> LakeTable:
    """The raw table of a source."""
    return lake.table(use_case.name, RAW, source.name, raw_schema(source))


def delivered_rows(lake: LakeResource, use_case: UseCase, source: Source, days: DayRange | None) -> pl.DataFrame:
    """Rows to audit: what was delivered for these days, or the whole of a reference table.

    Returns:
        The declared columns, `source_position`, `uncast` and `delivered_day` (null in a reference table).
    """
    table = raw_table(lake, use_case, source)
    if days is None:
        return table.read().with_columns(_NEVER.alias(DELIVERED_DAY))
    return table.read(days.first, days.last).rename({EVENT_DAY: DELIVERED_DAY})


def clean_table(lake: LakeResource, use_case: UseCase, source: Source) -> LakeTable:
    """The clean table of a source."""
    return lake.table(use_case.name, CLEAN, source.name, source.polars_schema())


def clean_rows(
    lake: LakeResource,
    use_case: UseCase,
    source: Source,
    first: date | None = None,
    last: date | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Published rows of a source that count: of the days from `first` to `last`, both included, or all.

    Raises:
        LakeTableMissing: The source was never published.
    """
    return clean_table(lake, use_case, source).read(first, last, columns=columns)
