"""Auditing a load piece by piece: a long history is judged and published in chunks of days.

Belongs here: cutting a load into chunks, one chunk's way from delivered rows to published ones, and the account of all.
Does not belong here: Dagster's side of it (`clean.py`), rules (`validation/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Any

import polars as pl

from platform_assets.connectors.control_totals import Totals, totals_from
from platform_assets.connectors.delivery import SOURCE_POSITION
from platform_assets.declaration import EVENT_DAY, Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.lake import Lake
from platform_assets.lake.read_ahead import OneBehind, read_ahead
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.profiles import RecentProfiles, profile_table, published_rows, store_profile
from platform_assets.pipelines.quarantine import (
    quarantine_table,
    released_rows,
    releases_table,
    store_quarantine,
)
from platform_assets.pipelines.tables import (
    clean_rows,
    clean_table,
    delivered_rows,
    publishable_rows,
    raw_table,
)
from platform_assets.validation.audit import Audit, audit
from platform_assets.validation.results import RuleResult

CHUNK_ROWS = 2_000_000
"""Delivered rows that are judged at a time: about 1 GB of memory for a table of ten columns."""

_COMMITS_LOOKED_AT = 500
"""How far back the totals of a day are looked for in the raw table's history."""


@dataclass
class Account:
    """What became of a load, summed up over its chunks."""

    rows_accepted: int = 0
    rows_refused: int = 0
    rows_released: int = 0
    refused_days: list[date] = field(default_factory=list)
    failed_rules: list[RuleResult] = field(default_factory=list)
    rows_by_rule: dict[str, int] = field(default_factory=dict)
    rows_by_rule_and_column: dict[str, int] = field(default_factory=dict)
    delivered_by_day: dict[date, int] = field(default_factory=dict)
    refused_by_day: dict[date, int] = field(default_factory=dict)
    commits: dict[str, Any] = field(default_factory=dict)
    """The last commit of each layer."""

    @property
    def passed(self) -> bool:
        """Whether every day, or the reference table, was published."""
        return not self.failed_rules

    def add(self, result: Audit, released: int) -> None:
        """Count one chunk."""
        self.rows_accepted += result.accepted.height
        self.rows_refused += result.quarantine.height
        self.rows_released += released
        self.refused_days += result.refused_days
        self.failed_rules += result.failed_rules
        for rule, rows in result.rows_by_rule.items():
            self.rows_by_rule[rule] = self.rows_by_rule.get(rule, 0) + rows
        for rule, column, rows in result.quarantine.group_by("rule", "column").len().sort("rule", "column").iter_rows():
            name = f"{rule}:{column}"
            self.rows_by_rule_and_column[name] = self.rows_by_rule_and_column.get(name, 0) + rows
        self.delivered_by_day |= {day: rows for day, rows in result.delivered_rows.items() if day is not None}
        self.refused_by_day |= {day: rows for day, rows in result.refused_rows.items() if day is not None}


@dataclass(frozen=True)
class Tables:
    """Everything that a load writes to."""

    clean: LakeTable
    quarantine: LakeTable
    profile: LakeTable
    releases: LakeTable

    @classmethod
    def of(cls, lake: Lake, use_case: UseCase, source: Source) -> Tables:
        """The tables of a source."""
        return cls(
            clean_table(lake, use_case, source),
            quarantine_table(lake, use_case, source),
            profile_table(lake, use_case, source),
            releases_table(lake, use_case, source),
        )


def audit_and_publish(
    lake: Lake,
    use_case: UseCase,
    source: Source,
    days: DayRange | None,
    references: dict[str, pl.Series],
    chunk_rows: int = CHUNK_ROWS,
) -> Account:
    """Judge what was delivered and publish what passes; refused days stay as they were.

    Each chunk's quarantine and profile are written before its clean rows are. The next chunk is read, and the one before is
    written, while a chunk is judged.
    """
    tables, account = Tables.of(lake, use_case, source), Account()
    raw = raw_table(lake, use_case, source)
    totals = _totals(raw, days)
    recent = RecentProfiles(tables.profile, source, days.first) if days else None

    def read(chunk: DayRange | None) -> pl.DataFrame:
        return delivered_rows(lake, use_case, source, chunk)

    with OneBehind() as writing:
        for chunk, delivered in read_ahead(chunks(raw, days, chunk_rows), read):
            profiles = recent.before(chunk.first) if recent and chunk else None
            releases = released_rows(tables.releases, chunk)
            result = audit(
                delivered,
                source,
                chunk.days if chunk else [],
                references,
                _history(tables, profiles, chunk),
                profiles=profiles,
                totals=totals,
                releases=releases.select(SOURCE_POSITION, "row").unique(),
            )
            del delivered  # else it lives while the next chunk is judged
            account.add(result, len(result.released))
            if recent:
                recent.add(result)
            writing(partial(_write, lake, use_case, source, tables, chunk, result, account.commits))
    return account


def _write(
    lake: Lake,
    use_case: UseCase,
    source: Source,
    tables: Tables,
    chunk: DayRange | None,
    result: Audit,
    commits: dict[str, Any],
) -> None:
    """Write what became of a chunk, clean rows last, and remember the commits."""
    commits["quarantine"] = store_quarantine(tables.quarantine, result, chunk)
    commits["profile"] = store_profile(tables.profile, result, chunk)
    rows = publishable_rows(lake, use_case, source, chunk, result.accepted)
    for commit in _publish(tables.clean, result, rows, chunk, allow_empty=source.is_incremental):
        commits["clean"] = commit


def chunks(raw: LakeTable, days: DayRange | None, chunk_rows: int) -> Iterator[DayRange | None]:
    """Ranges of days with about `chunk_rows` delivered rows each; one day is never cut, a reference table neither."""
    if days is None or days.first == days.last:
        yield days
        return
    counts = raw.count_by_partition()
    first, rows = days.first, 0
    for day in days.days:
        if rows and rows + counts.get(day, 0) > chunk_rows:
            yield DayRange(first, day - timedelta(days=1))
            first, rows = day, 0
        rows += counts.get(day, 0)
    yield DayRange(first, days.last)


def consecutive(days: list[date]) -> list[tuple[date, date]]:
    """Runs of consecutive days as (first, last) pairs."""
    runs = []
    for _, run in groupby(enumerate(sorted(days)), key=lambda item: item[1] - timedelta(days=item[0])):
        members = [day for _, day in run]
        runs.append((members[0], members[-1]))
    return runs


def referenced_columns(source: Source) -> list[tuple[str, str]]:
    """The (table, column) pairs that the source refers to."""
    found = [column.references.split(".") for column in source.columns if column.references]
    return [(table, column) for table, column in found]


def reference_values(lake: Lake, use_case: UseCase, source: Source) -> dict[str, pl.Series]:
    """The values that exist, for each column that is referred to."""
    return {
        f"{name}.{column}": clean_rows(lake, use_case, use_case.source(name), columns=[column])[column]
        for name, column in dict.fromkeys(referenced_columns(source))
    }


def _history(tables: Tables, profiles: pl.DataFrame | None, chunk: DayRange | None) -> dict[date, int]:
    """Published rows of the days before: out of the profiles, which cost the same however long the history is."""
    if chunk is None or profiles is None:
        return {}
    if profiles.height:
        return published_rows(profiles)
    return tables.clean.count_by_partition() if tables.clean.exists() else {}


def _totals(raw: LakeTable, days: DayRange | None) -> Totals:
    limit = _COMMITS_LOOKED_AT if days and days.first != days.last else 50
    return totals_from((entry.metadata for entry in raw.history(limit)), days.days if days else [None])


def _publish(
    table: LakeTable, result: Audit, rows: pl.DataFrame, days: DayRange | None, *, allow_empty: bool
) -> list[Any]:
    """Write what is to be published, leaving refused days as they were. Changes may leave a day without rows."""
    if days is None:
        return [table.replace(rows)] if result.passed else []
    good = [day for day in days.days if day not in set(result.refused_days)]
    return [
        table.write_partitions(
            rows.filter(pl.col(EVENT_DAY).is_between(first, last)), first, last, allow_empty=allow_empty
        )
        for first, last in consecutive(good)
    ]
