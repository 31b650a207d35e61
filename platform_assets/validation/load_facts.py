"""The facts of a load that table rules ask for, day by day.

Belongs here: counting broken rules and looking up profiles and totals for each day. Does not belong here: the rules
(`table_rules`, `anomalies`, `reconcile`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from platform_assets.connectors.base import ControlTotals, Totals
from platform_assets.connectors.control_totals import frame_totals, summed_columns
from platform_assets.declaration.delivered_columns import DELIVERED_DAY
from platform_assets.declaration.sections.sources import Source
from platform_assets.validation.anomalies import ProfileHistory, judge_profile
from platform_assets.validation.reconcile import reconcile
from platform_assets.validation.released_rows import ROW
from platform_assets.validation.results import RuleResult
from platform_assets.validation.table_rules import broken_ratios


class Judging:
    """One load, judged day by day in order of time: a day that passes is history for the next."""

    def __init__(
        self,
        source: Source,
        frame: pl.DataFrame,
        violations: pl.DataFrame,
        profiled: pl.DataFrame,
        profiles: pl.DataFrame | None,
        totals: Mapping[date | None, ControlTotals],
    ) -> None:
        """Count once, for all days.

        Args:
            source: The declared source.
            frame: The conformed load.
            violations: Row rules that rows break.
            profiled: Profiles of the load's candidates.
            profiles: Profiles of days published before.
            totals: What the source itself counted.
        """
        self._source = source
        self._totals = totals
        day_column = DELIVERED_DAY if source.is_daily else None
        sums = sorted({name for one in totals.values() for name in one.sums} & set(summed_columns(source)))
        self._delivered = frame_totals(frame, day_column, sums) if sums else _counted(frame, day_column)
        numbers = violations.select(ROW, "rule", "column").filter(pl.col("rule").is_in(["unique", "reference"]))
        days = frame[DELIVERED_DAY][numbers[ROW]] if numbers.height else frame[DELIVERED_DAY].clear()
        numbers = numbers.with_columns(days.alias("#day"))
        unknown = numbers.filter(pl.col("rule") == "reference").group_by("#day", "column").agg(pl.col(ROW).n_unique())
        # A row that repeats two keys is one row.
        repeated = numbers.filter(pl.col("rule") == "unique").group_by("#day").agg(pl.col(ROW).n_unique())
        self._unknown: dict[tuple[Any, str], int] = {(day, column): rows for day, column, rows in unknown.iter_rows()}
        self._repeated: dict[Any, int] = dict(repeated.iter_rows())
        self._history = ProfileHistory() if profiles is None else ProfileHistory.of(profiles)
        self._today = ProfileHistory.of(profiled).days if source.is_daily else {}

    def of_day(self, day: date) -> list[RuleResult]:
        """Every rule on a day beyond its counts of rows."""
        return [*self.of_counts(day), *judge_profile(day, self._today.get(day, {}), self._history, self._source)]

    def of_counts(self, day: date | None) -> list[RuleResult]:
        """Repeated keys, unknown references and the source's totals, of a day or of a reference table."""
        source, delivered = self._source, self._delivered.get(day, ControlTotals(0))
        duplicates = self._repeated.get(day, 0)
        unknown = {c.name: self._unknown.get((day, c.name), 0) for c in source.columns if c.references}
        results = broken_ratios(day, delivered.rows or 0, duplicates, unknown, source.quality)
        return [*results, *reconcile(day, delivered, self._totals.get(day), source.quality.reconciliation, duplicates)]

    def passed(self, day: date) -> None:
        """Let a day that passed be history for those after it."""
        if day in self._today:
            self._history.days[day] = self._today[day]


def _counted(frame: pl.DataFrame, day_column: str | None) -> Totals:
    """Rows of each day."""
    if day_column is None:
        return {None: ControlTotals(frame.height)}
    runs = frame[day_column].rle().struct.unnest()
    return {day: ControlTotals(rows) for day, rows in runs.group_by("value").agg(pl.col("len").sum()).iter_rows()}
