"""The profile layer: what each column of each day looked like when it was audited.

Belongs here: the profile table, its history for the audit, and its materialization with a plot. Does not belong here:
computing profiles and judging them (`validation/`).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import PROFILE
from platform_assets.lake.schemas import PUBLISHED as PUBLISHED
from platform_assets.lake.schemas import profile_schema as profile_schema
from platform_assets.lake.table import LakeTable
from platform_assets.orchestration.metadata import commit_metadata, data_version, picture
from platform_assets.validation.audit import Audit
from platform_assets.validation.profile import PROFILE_SCHEMA, plot_profile

TREND_DAYS = 28


def profile_table(lake: Lake, use_case: UseCase, source: Source) -> LakeTable:
    """The profile table of a source."""
    return lake.table(use_case.name, PROFILE, source.name, profile_schema(source))


class RecentProfiles:
    """Profiles of published days that the chunks of a load look back on: what was there before it, then what it adds."""

    def __init__(self, table: LakeTable, source: Source, first: date) -> None:
        """Read what the first day looks back on; nothing before the first load."""
        quality = source.quality
        self._back = timedelta(days=max(quality.anomalies.history_days, quality.volume.history_days))
        self._found = pl.DataFrame(schema=PROFILE_SCHEMA)
        if table.exists():
            found = table.read(first - self._back, first - timedelta(days=1))
            self._found = found.filter(PUBLISHED).select(PROFILE_SCHEMA.names())

    def before(self, day: date) -> pl.DataFrame:
        """What the audit of a day looks back on, in `PROFILE_SCHEMA`."""
        return self._found.filter(pl.col(EVENT_DAY).is_between(day - self._back, day - timedelta(days=1)))

    def add(self, result: Audit) -> None:
        """Remember the days of a chunk that passed."""
        self._found = pl.concat([self._found, result.profile.filter(_is_published(result))])


def published_rows(profiles: pl.DataFrame) -> dict[Any, int]:
    """Rows of each day that a profile speaks of."""
    return dict(profiles.group_by(EVENT_DAY).agg(pl.col("rows").first()).iter_rows())


def store_profile(table: LakeTable, result: Audit, days: DayRange | None) -> Any:
    """Write the profiles of a load, each marked with the verdict on its day."""
    if days is None:
        lines = result.profile.drop(EVENT_DAY).with_columns(pl.lit(result.passed).alias(PUBLISHED))
        return table.replace(lines, allow_empty=True)
    lines = result.profile.with_columns(_is_published(result).alias(PUBLISHED))
    return table.write_partitions(lines, days.first, days.last, allow_empty=True)


def _is_published(result: Audit) -> pl.Expr:
    return ~pl.col(EVENT_DAY).is_in(pl.lit(pl.Series(result.refused_days, dtype=pl.Date)).implode())


def profile_metadata(table: LakeTable, source: Source, commit: Any, days: DayRange | None) -> dict[str, Any]:
    """Arguments of the profile's materialization. A long load has no plot: metadata is stored for every day."""
    metadata = commit_metadata(commit, table.uri)
    columns = [c.name for c in source.columns if not c.unique and not c.references and c.name not in source.primary_key]
    if days is None:
        lines = table.read().with_columns(pl.lit(None, dtype=pl.Date).alias(EVENT_DAY))
        metadata["columns"] = picture(plot_profile(lines, None, columns))
    elif len(days.days) <= TREND_DAYS:
        lines = table.read(days.last - timedelta(days=TREND_DAYS - 1), days.last)
        metadata["columns"] = picture(plot_profile(lines, days.last, columns))
    return {"metadata": metadata, "data_version": data_version(commit)}
