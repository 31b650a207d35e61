"""The audit between write and publish: which rows go on, which go to quarantine and why, which days are refused.

Belongs here: applying all rules to a load, and the account of every row. Does not belong here: the rules (`schema`,
`row_rules`, `table_rules`), and writing anything (`lake`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import numpy as np
import polars as pl

from platform_assets.connectors.base import ControlTotals
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_POSITION
from platform_assets.declaration.delivered_columns import row_positions as positions
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.lake.schemas import QUARANTINE_SCHEMA
from platform_assets.validation.accepted_day import DayAcceptance, content_digest
from platform_assets.validation.load_facts import Judging
from platform_assets.validation.other_days import SUPERSEDED, OtherDays
from platform_assets.validation.profile import profile
from platform_assets.validation.released_rows import ROW, row_content
from platform_assets.validation.results import RuleResult
from platform_assets.validation.row_rules import AuditError, find_violations, summarise
from platform_assets.validation.table_rules import judge_days, judge_whole


@dataclass(frozen=True)
class Audit:
    """The account of a load: every delivered row is a candidate or in quarantine."""

    accepted: pl.DataFrame
    """Good rows of the days that passed: declared columns, and `event_day` in a daily table."""
    quarantine: pl.DataFrame
    """Rows that broke a rule, those of refused days included, as in `QUARANTINE_SCHEMA`."""
    profile: pl.DataFrame
    """Profiles of the candidates of every day, refused ones included, as in `PROFILE_SCHEMA`."""
    refused_days: list[date]
    """Days of which nothing may be published, in order; their good rows stay where they came from."""
    rules: list[RuleResult]
    """Every rule: row rules for the load (by rule and column), then table rules for each day."""
    delivered_rows: dict[date | None, int]
    """Rows delivered for each audited day; the day is None for a reference table."""
    refused_rows: dict[date | None, int]
    """Rows in quarantine for each audited day."""
    released: pl.Series
    """Positions of rows in candidates that a person released."""
    passed: bool
    """Whether every day, or the reference table, may be published."""

    @property
    def failed_rules(self) -> list[RuleResult]:
        """The table rules that refuse a day or the table."""
        return [rule for rule in self.rules if rule.refuses]

    @property
    def accepted_rules(self) -> list[RuleResult]:
        """The table rules that fail on a day which a person accepted."""
        return [rule for rule in self.rules if rule.accepted]

    @property
    def days_without_events(self) -> dict[date, str]:
        """Days that pass without a row, each with the reason: by the calendar, or because somebody accepted it."""
        empty = [
            rule for rule in self.rules if rule.rule == "empty" and not rule.rows and rule.day not in self.refused_days
        ]
        return {rule.day: rule.accepted or "by the calendar" for rule in empty if rule.day is not None}

    @property
    def rows_by_rule(self) -> dict[str, int]:
        """How many rows break each row rule, over all columns; rules that nothing breaks are left out."""
        counts: dict[str, int] = {}
        for result in self.rules:
            if not result.is_table_rule and result.rows:
                counts[result.rule] = counts.get(result.rule, 0) + result.rows
        return counts


def audit(
    frame: pl.DataFrame,
    source: Source,
    days: Sequence[date],
    references: Mapping[str, pl.Series | pl.DataFrame],
    history_counts: Mapping[date, int],
    *,
    profiles: pl.DataFrame | None = None,
    totals: Mapping[date | None, ControlTotals] | None = None,
    releases: pl.DataFrame | None = None,
    accepted: Mapping[date, DayAcceptance] = MappingProxyType({}),
    others: OtherDays | None = None,
) -> Audit:
    """Hold a conformed load to every rule of its declaration.

    Args:
        frame: The `frame` of `conform`; that of a reference table may lack `delivered_day`.
        source: The declared source.
        days: Days that were loaded; each is judged, also one without rows. Empty for a reference table.
        references: What `references` of columns point to: `table.column` to the values that exist, or `table` to a
            frame with that column.
        history_counts: Published rows by day, before this load, for the volume rule.
        profiles: Profiles of days published before, for rules about distributions.
        totals: What the source itself counted, for the days it says something about.
        releases: Rows that a person released, as in `RELEASED_SCHEMA`.
        accepted: Days that a person accepted although rules refuse them.
        others: What other days have of the keys; None where keys may come again.

    Raises:
        AuditError: If the frame is not conformed, a reference is missing, or rows were delivered for other days.
    """
    values = _references(source, references)
    if not source.is_daily and DELIVERED_DAY not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Date).alias(DELIVERED_DAY))
    delivered = _delivered_counts(frame, source, days)
    violations = find_violations(frame, source, values, releases, others)
    rows = violations[ROW].unique(maintain_order=True)
    quarantine = _quarantine(frame, source, violations)
    candidates = _candidates(frame, source, rows)
    profiled = profile(candidates, source)
    judging = Judging(source, frame, violations, profiled, profiles, totals or {})
    results = summarise(violations, source, frame.height)
    if source.is_daily:
        these = _of_these_rows(frame, source, accepted)
        results += _daily_rules(source, days, delivered, quarantine, history_counts, judging, these)
    else:
        results += judge_whole(frame.height, len(rows), source.quality, judging.of_counts(None))
    failed = {result.day for result in results if result.refuses}
    audited: Sequence[date | None] = sorted(days) if source.is_daily else [None]
    return Audit(
        accepted=_accepted(candidates, source, failed),
        quarantine=quarantine,
        profile=profiled,
        refused_days=sorted(day for day in failed if day is not None),
        rules=results,
        delivered_rows={day: delivered.get(day, 0) for day in audited},
        refused_rows=dict.fromkeys(audited, 0) | _counts(quarantine[EVENT_DAY]),
        released=_released(frame, rows, source, releases),
        passed=not failed,
    )


def _daily_rules(
    source: Source,
    days: Sequence[date],
    delivered: Mapping[date | None, int],
    quarantine: pl.DataFrame,
    history_counts: Mapping[date, int],
    judging: Judging,
    accepted: Mapping[date, DayAcceptance],
) -> list[RuleResult]:
    """The table rules of each day. A day of changes without rows is one whose rows were deleted or have moved: no delivery failed."""
    # A row that a newer day's replaces is no bad row.
    refused = _counts(quarantine.filter(pl.col("rule") != SUPERSEDED)[EVENT_DAY])
    results = judge_days(
        days,
        delivered,
        refused,
        source.quality,
        history_counts,
        judging.of_day,
        judging.passed,
        calendar=source.event_calendar,
        accepted=accepted,
    )
    return [result for result in results if not (source.is_incremental and result.rule == "empty")]


def _references(source: Source, references: Mapping[str, pl.Series | pl.DataFrame]) -> dict[str, pl.Series]:
    values: dict[str, pl.Series] = {}
    for column in source.columns:
        if column.references is None:
            continue
        table, _, name = column.references.partition(".")
        column_values = references.get(column.references, references.get(table))
        if isinstance(column_values, pl.DataFrame):
            column_values = column_values[name] if name in column_values.columns else None
        if column_values is None:
            raise AuditError(
                f"source '{source.name}', column '{column.name}': its reference {column.references} was not handed in "
                f"(there is {', '.join(references) or 'none'}), so no row can be checked. Load '{table}' first."
            )
        values[column.name] = column_values
    return values


def _delivered_counts(frame: pl.DataFrame, source: Source, days: Sequence[date]) -> dict[date | None, int]:
    """Rows by the day they were delivered for.

    Raises:
        AuditError: Rows were delivered for other days than those audited.
    """
    delivered = _counts(frame[DELIVERED_DAY])
    strange = sorted(str(day) for day in delivered if day not in set(days)) if source.is_daily else []
    if strange:
        raise AuditError(
            f"source '{source.name}': rows were delivered for {', '.join(strange[:8])}, which the load was not "
            f"asked for. Audit the days that were read."
        )
    return delivered


def _of_these_rows(
    frame: pl.DataFrame, source: Source, accepted: Mapping[date, DayAcceptance]
) -> dict[date, DayAcceptance]:
    """The acceptances that were decided for the rows that are there, and not for another delivery of the day."""
    delivered = {day: frame.filter(pl.col(DELIVERED_DAY) == day) for day in accepted}
    return {day: one for day, one in accepted.items() if content_digest(delivered[day], source) == one.content}


def _counts(days: pl.Series) -> dict[date | None, int]:
    return dict(days.alias("day").value_counts().iter_rows())


def _candidates(frame: pl.DataFrame, source: Source, refused: pl.Series) -> pl.DataFrame:
    """Rows that break no rule. NaN, where a value may be lacking, becomes null."""
    columns = [
        pl.col(column.name).fill_nan(None) if column.type == "float64" else pl.col(column.name)
        for column in source.columns
    ]
    if source.is_daily:
        columns.append(pl.col(DELIVERED_DAY).alias(EVENT_DAY))
    if len(refused):
        keep = np.ones(frame.height, dtype=np.bool_)
        keep[refused.to_numpy()] = False
        frame = frame.filter(pl.Series(keep))
    return frame.select(columns)


def _accepted(candidates: pl.DataFrame, source: Source, failed: set[date | None]) -> pl.DataFrame:
    """Candidates of the days that passed."""
    if not failed:
        return candidates
    if not source.is_daily:
        return candidates.clear()
    return candidates.filter(~pl.col(EVENT_DAY).is_in(sorted(day for day in failed if day is not None)))


def _released(frame: pl.DataFrame, refused: pl.Series, source: Source, releases: pl.DataFrame | None) -> pl.Series:
    """Positions in the source of rows that passed although a release speaks of them."""
    if releases is None or releases.is_empty():
        return frame[SOURCE_POSITION].clear()
    is_named = positions(frame).is_in(releases[SOURCE_POSITION].implode())
    named = frame.with_row_index(ROW).filter(is_named)
    named = named.filter(~pl.col(ROW).is_in(refused.implode()))
    known = pl.DataFrame([positions(named), row_content(named, source).alias("row")])
    return known.join(releases, on=[SOURCE_POSITION, "row"], how="semi")[SOURCE_POSITION]


def _quarantine(frame: pl.DataFrame, source: Source, violations: pl.DataFrame) -> pl.DataFrame:
    if violations.is_empty():
        return pl.DataFrame(schema=QUARANTINE_SCHEMA)
    also = pl.format("{}({})", "rule", "column").slice(1).str.join(", ")
    first = violations.group_by(ROW, maintain_order=True).agg(
        pl.first("rule"), pl.first("column"), pl.first("value"), also.alias("also")
    )
    rows = frame[first[ROW]]
    return first.select(
        rows[DELIVERED_DAY].alias(EVENT_DAY),
        positions(rows),
        "rule",
        "column",
        "value",
        pl.when(pl.col("also") != "").then("also").alias("also"),
        row_content(rows, source).alias("row"),
    )
