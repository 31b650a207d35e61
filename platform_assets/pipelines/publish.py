"""Publishing: what was delivered is audited chunk by chunk of days, and what passes goes into the clean table.

Belongs here: cutting a load into chunks, one chunk's way from delivered rows to published ones, and the account of all.
Does not belong here: rules (`validation/`), and what is stored of refused rows and profiles (`quarantine.py`, `profiles.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import partial

import polars as pl

from platform_assets.connectors.base import Totals
from platform_assets.connectors.control_totals import totals_from
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange, consecutive_ranges
from platform_assets.declaration.delivered_columns import SOURCE_POSITION
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.lake.layout import CLEAN, PROFILE, QUARANTINE
from platform_assets.lake.read_ahead import WriteBehind, read_ahead
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.acceptances import accepted_days, decisions_record
from platform_assets.pipelines.keys_of_days import KeysOfLoad, replaced_rows, take_out
from platform_assets.pipelines.profiles import (
    TREND_DAYS,
    RecentProfiles,
    plot_recent_profiles,
    published_rows,
    store_profile,
)
from platform_assets.pipelines.quarantine import released_rows, store_quarantine
from platform_assets.validation.audit import Audit, audit
from platform_assets.validation.plots import plot_volume
from platform_assets.validation.results import RuleResult

CHUNK_ROWS = 2_000_000
"""Delivered rows that are judged at a time: about 1 GB of memory for a table of ten columns."""

PUBLISHED_EMPTY = "published_empty"
"""In the record of a commit: the days passed, and have no rows."""

_COMMITS_SEARCHED = 500
"""How far back the totals of a day are searched for in the raw table's history; for a single day, a tenth of it."""


@dataclass(frozen=True)
class PublishedDay:
    """What became of one day of a load.

    Attributes:
        rows_accepted: rows that were published.
        rows_refused: rows that went to quarantine.
        rows_by_rule_and_column: rows in quarantine by `rule:column`.
        failed_rules: the table rules that refused the day; nothing of it was published then.
    """

    rows_accepted: int
    rows_refused: int
    rows_by_rule_and_column: Mapping[str, int]
    failed_rules: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """Whether the day was published."""
        return not self.failed_rules


@dataclass(frozen=True)
class PublishedLoad:
    """What became of a load, added up over its chunks.

    Attributes:
        rows_accepted: rows that were published.
        rows_refused: rows that went to quarantine.
        rows_released: accepted rows that break a rule and that a person released.
        refused_days: days of which nothing was published, in order.
        failed_rules: the table rules that refused a day or the table.
        accepted_rules: the table rules that fail on a day which a person accepted.
        days_without_events: days that passed without a row, each with the reason.
        superseded_by_day: rows of other days that rows of this load replaced.
        rows_by_rule: rows that break each row rule.
        rows_by_rule_and_column: rows in quarantine by `rule:column`.
        delivered_by_day: rows delivered.
        refused_by_day: rows in quarantine.
        profile_rows_by_day: lines of each day's profile.
        days: each day by itself; empty for a reference table.
        commits: the last commit of each layer that was written.
        versions: of each layer the Delta version that wrote a day.
        volume_plot: PNG of the rows of each day, for a load longer than `TREND_DAYS`.
        trend: rows delivered on each of the last weeks' days up to the load, where it is shorter and passed.
        trend_plot: PNG of the rows of the last weeks up to the load, where it is shorter and passed.
        profile_plot: PNG of the columns, where the load is shorter.
    """

    rows_accepted: int = 0
    rows_refused: int = 0
    rows_released: int = 0
    refused_days: tuple[date, ...] = ()
    failed_rules: tuple[RuleResult, ...] = ()
    accepted_rules: tuple[RuleResult, ...] = ()
    days_without_events: Mapping[date, str] = field(default_factory=dict)
    superseded_by_day: Mapping[date, int] = field(default_factory=dict)
    rows_by_rule: Mapping[str, int] = field(default_factory=dict)
    rows_by_rule_and_column: Mapping[str, int] = field(default_factory=dict)
    delivered_by_day: Mapping[date, int] = field(default_factory=dict)
    refused_by_day: Mapping[date, int] = field(default_factory=dict)
    profile_rows_by_day: Mapping[date, int] = field(default_factory=dict)
    days: Mapping[date, PublishedDay] = field(default_factory=dict)
    commits: Mapping[str, Commit] = field(default_factory=dict)
    versions: Mapping[str, Mapping[date, int]] = field(default_factory=dict)
    volume_plot: bytes | None = None
    trend: Mapping[date, int] = field(default_factory=dict)
    trend_plot: bytes | None = None
    profile_plot: bytes | None = None

    @property
    def passed(self) -> bool:
        """Whether every day, or the reference table, was published."""
        return not self.failed_rules

    def plus(self, result: Audit) -> PublishedLoad:
        """This load and one more chunk."""
        by_column = result.quarantine.group_by("rule", "column").len().sort("rule", "column").iter_rows()
        return replace(
            self,
            rows_accepted=self.rows_accepted + result.accepted.height,
            rows_refused=self.rows_refused + result.quarantine.height,
            rows_released=self.rows_released + len(result.released),
            refused_days=(*self.refused_days, *result.refused_days),
            failed_rules=(*self.failed_rules, *result.failed_rules),
            accepted_rules=(*self.accepted_rules, *result.accepted_rules),
            days_without_events={**self.days_without_events, **result.days_without_events},
            rows_by_rule=_added(self.rows_by_rule, result.rows_by_rule),
            rows_by_rule_and_column=_added(
                self.rows_by_rule_and_column, {f"{rule}:{column}": rows for rule, column, rows in by_column}
            ),
            delivered_by_day={**self.delivered_by_day, **_of_days(result.delivered_rows)},
            refused_by_day={**self.refused_by_day, **_of_days(result.refused_rows)},
            profile_rows_by_day={**self.profile_rows_by_day, **_profile_rows(result)},
            days={**self.days, **_judged_days(result)},
        )


def _added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {**counts, **{name: counts.get(name, 0) + rows for name, rows in more.items()}}


def _profile_rows(result: Audit) -> dict[date, int]:
    lines = result.profile.drop_nulls(EVENT_DAY).group_by(EVENT_DAY).len()
    return dict(lines.iter_rows())


def _judged_days(result: Audit) -> dict[date, PublishedDay]:
    """Each day of a chunk by itself."""
    days = [day for day in result.delivered_rows if day is not None]
    if not days:
        return {}
    accepted = dict(result.accepted.group_by(EVENT_DAY).len().iter_rows())
    rules: dict[date, dict[str, int]] = {}
    counts = result.quarantine.group_by(EVENT_DAY, "rule", "column").len().sort(EVENT_DAY, "rule", "column")
    for day, rule, column, rows in counts.iter_rows():
        rules.setdefault(day, {})[f"{rule}:{column}"] = rows
    failed: dict[date | None, list[RuleResult]] = {}
    for result_of_rule in result.failed_rules:
        failed.setdefault(result_of_rule.day, []).append(result_of_rule)
    return {
        day: PublishedDay(
            rows_accepted=accepted.get(day, 0),
            rows_refused=result.refused_rows[day],
            rows_by_rule_and_column=rules.get(day, {}),
            failed_rules=tuple(failed.get(day, ())),
        )
        for day in days
    }


def _of_days(counts: Mapping[date | None, int]) -> dict[date, int]:
    return {day: rows for day, rows in counts.items() if day is not None}


def publish(catalog: Catalog, source: Source, days: DayRange | None, chunk_rows: int = CHUNK_ROWS) -> PublishedLoad:
    """Audit what was delivered and publish what passes; refused days stay as they were.

    Each chunk's quarantine and profile are written before its clean rows are. The next chunk is read, and the one before is
    written, while a chunk is audited.

    Args:
        catalog: The tables of the use case.
        source: The declared source.
        days: The days to publish; None for a reference table.
        chunk_rows: Delivered rows to audit at a time, about.

    Raises:
        LakeTableMissing: Nothing was delivered, or a table that the source refers to was never published.
    """
    raw, profiles = catalog.raw(source.name), catalog.profile(source.name)
    releases, references = catalog.releases(source.name), _reference_values(catalog, source)
    totals = _totals(raw.stored, days)
    recent = RecentProfiles(profiles, source, days.first) if days else None
    load, written = PublishedLoad(), Written()
    keys, replaced = KeysOfLoad(catalog, source), list[pl.DataFrame]()
    with WriteBehind() as write_behind:
        for chunk, delivered in read_ahead(day_chunks(raw.stored, days, chunk_rows), raw.delivered_rows):
            earlier = recent.before(chunk.first) if recent and chunk else None
            others = keys.other_days(chunk, delivered)
            result = audit(
                delivered,
                source,
                chunk.days if chunk else [],
                references,
                _published_before(catalog.clean(source.name).stored, earlier, chunk),
                profiles=earlier,
                totals=totals,
                releases=released_rows(releases, chunk).select(SOURCE_POSITION, "row").unique(),
                accepted=accepted_days(catalog, source.name, chunk),
                others=others,
            )
            del delivered  # else it lives while the next chunk is audited
            load = load.plus(result)
            if recent:
                recent.add(result)
            keys.add(result.accepted)
            replaced.append(replaced_rows(others, result.accepted))
            write_behind(partial(_write, catalog, source, chunk, result, written))
    taken = take_out(catalog, source, replaced)
    load = replace(load, commits=written.commits, versions=written.versions, superseded_by_day=taken)
    return _with_plots(catalog, source, days, load)


def judged_day(catalog: Catalog, source: Source, day: date) -> tuple[Audit, pl.DataFrame]:
    """The audit of a day as it stands, decisions of people left out, and its delivered rows. Nothing is written.

    Raises:
        LakeTableMissing: Nothing was ever delivered, or a table that the source refers to was never published.
    """
    chunk, raw = DayRange(day, day), catalog.raw(source.name)
    earlier = RecentProfiles(catalog.profile(source.name), source, day).before(day)
    delivered = raw.delivered_rows(chunk)
    keys = KeysOfLoad(catalog, source)
    result = audit(
        delivered,
        source,
        [day],
        _reference_values(catalog, source),
        _published_before(catalog.clean(source.name).stored, earlier, chunk),
        profiles=earlier,
        totals=_totals(raw.stored, chunk),
        releases=released_rows(catalog.releases(source.name), chunk).select(SOURCE_POSITION, "row").unique(),
        others=keys.other_days(chunk, delivered),
    )
    return result, delivered


class Written:
    """The commits of a load: the last of each layer, and of each layer the version that wrote a day."""

    def __init__(self) -> None:
        self.commits: dict[str, Commit] = {}
        self.versions: dict[str, dict[date, int]] = {}

    def add(self, layer: str, commit: Commit, days: DayRange | None) -> None:
        """Remember a commit."""
        self.commits[layer] = commit
        if days is not None:
            self.versions.setdefault(layer, {}).update(dict.fromkeys(days.days, commit.version))


def _write(catalog: Catalog, source: Source, chunk: DayRange | None, result: Audit, written: Written) -> None:
    """Write what became of a chunk, clean rows last, and remember the commits."""
    written.add(QUARANTINE, store_quarantine(catalog.quarantine(source.name), result, chunk), chunk)
    written.add(PROFILE, store_profile(catalog.profile(source.name), result, chunk), chunk)
    rows = catalog.raw(source.name).with_kept_deletions(chunk, result.accepted)
    for days, commit in _publish(catalog.clean(source.name).stored, result, rows, chunk):
        written.add(CLEAN, commit, days)


def _publish(
    table: LakeTable, result: Audit, rows: pl.DataFrame, days: DayRange | None
) -> Iterator[tuple[DayRange | None, Commit]]:
    """Write what is to be published, leaving refused days as they were.

    A day that passed without rows is written as well, with a commit of its own where it had none before: by it others see that the
    day was published and is empty, and not forgotten.

    What a person accepted, and which days have no events, stands in the commit.
    """
    if days is None:
        if result.passed:
            yield None, table.replace(rows)
        return
    refused = set(result.refused_days)
    for good in consecutive_ranges(day for day in days.days if day not in refused):
        of_days = rows.filter(pl.col(EVENT_DAY).is_between(good.first, good.last))
        record = decisions_record(result, good)
        if of_days.is_empty():
            record = {**(record or {}), PUBLISHED_EMPTY: "yes"}
        yield good, table.write_partitions(of_days, good.first, good.last, allow_empty=True, metadata=record)


def day_chunks(raw: LakeTable, days: DayRange | None, chunk_rows: int) -> Iterator[DayRange | None]:
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


def referenced_columns(source: Source) -> list[tuple[str, str]]:
    """The (table, column) pairs that the source refers to."""
    pairs = [column.references.split(".") for column in source.columns if column.references]
    return [(table, column) for table, column in pairs]


def _reference_values(catalog: Catalog, source: Source) -> dict[str, pl.Series]:
    """The values that exist, for each column that is referred to."""
    return {
        f"{table}.{column}": catalog.clean(table).read(columns=[column])[column]
        for table, column in dict.fromkeys(referenced_columns(source))
    }


def _published_before(clean: LakeTable, profiles: pl.DataFrame | None, chunk: DayRange | None) -> dict[date, int]:
    """Published rows of the days before: from the profiles, which cost the same however long the history is."""
    if chunk is None or profiles is None:
        return {}
    if profiles.height:
        return published_rows(profiles)
    return clean.count_by_partition() if clean.exists() else {}


def _totals(raw: LakeTable, days: DayRange | None) -> Totals:
    limit = _COMMITS_SEARCHED if days and days.first != days.last else _COMMITS_SEARCHED // 10
    return totals_from((entry.metadata for entry in raw.history(limit)), days.days if days else [None])


def _with_plots(catalog: Catalog, source: Source, days: DayRange | None, load: PublishedLoad) -> PublishedLoad:
    """A short load is drawn with the weeks before it; a long one by itself, because metadata is stored for every day."""
    volume = (
        plot_volume(load.delivered_by_day, load.refused_by_day) if len(load.delivered_by_day) > TREND_DAYS else None
    )
    trend, refused = dict[date, int](), dict[date, int]()
    if days is not None and len(days.days) <= TREND_DAYS and load.passed:
        trend, refused = _trend(catalog, source, days)
    return replace(
        load,
        volume_plot=volume,
        profile_plot=plot_recent_profiles(catalog.profile(source.name), source, days),
        trend=trend,
        trend_plot=plot_volume({day: rows for day, rows in trend.items() if _is_recent(day, days)}, refused)
        if trend
        else None,
    )


def _trend(catalog: Catalog, source: Source, days: DayRange) -> tuple[dict[date, int], dict[date, int]]:
    """Rows delivered, and refused, on each day of the last weeks up to every day of a load."""
    refused = catalog.quarantine(source.name).count_by_partition()
    published = catalog.clean(source.name).stored.count_by_partition()
    delivered = {day: rows + refused.get(day, 0) for day, rows in published.items()}
    first = days.first - timedelta(days=TREND_DAYS - 1)
    return {day: rows for day, rows in delivered.items() if first <= day <= days.last}, refused


def _is_recent(day: date, days: DayRange | None) -> bool:
    return days is None or (days.last - day).days < TREND_DAYS
