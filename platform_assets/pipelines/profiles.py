"""The profile layer: what each column of each day looked like when it was audited.

Belongs here: storing profiles, the earlier ones that an audit looks back on, and their picture. Does not belong here: computing
profiles and judging them (`validation/`).
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.lake.commits import Commit
from platform_assets.lake.schemas import PROFILE_SCHEMA, PUBLISHED
from platform_assets.lake.table import LakeTable
from platform_assets.validation.audit import Audit
from platform_assets.validation.plots import plot_profile

TREND_DAYS = 28
"""Days that a picture of the trend shows."""


class RecentProfiles:
    """Profiles of published days that the chunks of a load look back on: those stored before it, then those it adds."""

    def __init__(self, table: LakeTable, source: Source, first: date) -> None:
        """Read what the first day looks back on; nothing before the first load."""
        quality = source.quality
        self._lookback = timedelta(days=max(quality.anomalies.history_days, quality.volume.history_days))
        self._profiles = pl.DataFrame(schema=PROFILE_SCHEMA)
        if table.exists():
            stored = table.read(first - self._lookback, first - timedelta(days=1))
            self._profiles = stored.filter(PUBLISHED).select(PROFILE_SCHEMA.names())

    def before(self, day: date) -> pl.DataFrame:
        """What the audit of a day looks back on, in `PROFILE_SCHEMA`."""
        return self._profiles.filter(pl.col(EVENT_DAY).is_between(day - self._lookback, day - timedelta(days=1)))

    def add(self, result: Audit) -> None:
        """Remember the days of a chunk that passed."""
        self._profiles = pl.concat([self._profiles, result.profile.filter(_is_published(result))])


def published_rows(profiles: pl.DataFrame) -> dict[date, int]:
    """Rows of each profiled day."""
    return dict(profiles.group_by(EVENT_DAY).agg(pl.col("rows").first()).iter_rows())


def store_profile(table: LakeTable, result: Audit, days: DayRange | None) -> Commit:
    """Write the profiles of a load, each marked with the verdict on its day."""
    if days is None:
        lines = result.profile.drop(EVENT_DAY).with_columns(pl.lit(result.passed).alias(PUBLISHED))
        return table.replace(lines, allow_empty=True)
    lines = result.profile.with_columns(_is_published(result).alias(PUBLISHED))
    return table.write_partitions(lines, days.first, days.last, allow_empty=True)


def _is_published(result: Audit) -> pl.Expr:
    return ~pl.col(EVENT_DAY).is_in(pl.lit(pl.Series(result.refused_days, dtype=pl.Date)).implode())


def plot_recent_profiles(table: LakeTable, source: Source, days: DayRange | None) -> bytes | None:
    """PNG of the columns over the last weeks up to the load; of a reference table as it is, and none of a long load."""
    columns = [c.name for c in source.columns if not c.unique and not c.references and c.name not in source.primary_key]
    if days is None:
        lines = table.read().with_columns(pl.lit(None, dtype=pl.Date).alias(EVENT_DAY))
        return plot_profile(lines, None, columns)
    if len(days.days) > TREND_DAYS:
        return None
    lines = table.read(days.last - timedelta(days=TREND_DAYS - 1), days.last)
    return plot_profile(lines, days.last, columns)
