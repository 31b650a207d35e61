"""A second look at columns that moved: against the season they are in, and against the days that the model learned from.

Belongs here: which rows explain that a column moved, and the verdict with them. Does not belong here: the comparison itself (`drift`),
reading rows (`pipelines/watch.py`).

The first comparison is with labelled days before the training period, which the model knows and has not learned. Two things look like
drift there and ask for no new model: what the calendar brings about each year, and what a model that was trained on days that had
moved already has learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from platform_assets.declaration.prediction_log import FEATURE_PREFIX
from platform_assets.declaration.sections.serving import Monitoring
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.drift import ColumnVerdict, DriftLimits, DriftResult, drift_report

SEASON_DAYS = 15
"""Days of other years that are this near in the year are of the same season."""
_YEAR_DAYS = 365.25


@dataclass(frozen=True)
class KnownRows:
    """Rows that explain what moved, under the prediction log's column names; None where there are none.

    Attributes:
        learned: the days that the model was trained on; without scores, which would be of rows it knows by heart.
        history: every day before the window that is known, for seasons; without scores.
        unlearned: later rows than those it was trained on, of before it served, with its own scores.
    """

    learned: pl.DataFrame | None = None
    history: pl.DataFrame | None = None
    unlearned: pl.DataFrame | None = None


def second_look(
    result: DriftResult,
    current: pl.DataFrame,
    read: Callable[[], KnownRows],
    use_case: UseCase,
    group: str | None,
) -> DriftResult:
    """The result with the columns that moved judged again where something may explain it.

    Args:
        result: of the first comparison.
        current: rows of the window.
        read: reads what may explain it; called only where a column moved.
        use_case: limits, and which columns follow the calendar.
        group: as for `drift_report`.
    """
    moved = [verdict for verdict in result.columns if _has_moved(verdict, current)]
    if not moved:
        return result
    known = read()
    look = _Look(current, use_case.monitoring, group, len(result.columns))
    seasonal = _seasonal_columns(use_case)
    calendar = seasonal | _columns_of_the_date(use_case, current)
    again: dict[str, ColumnVerdict] = {}
    for verdict in moved:
        if verdict.column in calendar:
            again[verdict.column] = look.against_the_season(
                verdict, known.history, says_the_date=verdict.column not in seasonal
            )
    features = [verdict for verdict in moved if verdict.column.startswith(FEATURE_PREFIX)]
    learned, newest = set(), newest_days(known.learned, use_case.monitoring.window_days)
    for verdict in features:
        if _passed(again.get(verdict.column)):
            continue
        for which, rows in (("days", known.learned), ("newest days", newest)):
            seen = look.verdict(verdict.column, rows)
            if seen is not None and seen.passed:
                learned.add(verdict.column)
                text = f"as in the {which} the model was trained on: {seen.explanation} Before those: {verdict.explanation}"
                again[verdict.column] = replace(seen, explanation=text)
                break
    # A month that changed explains no score: only what a team calls seasonal, or what the model learned.
    explaining = learned | {column for column in seasonal if column in again}
    unjudged = [verdict.column for verdict in features if _is_unjudged(again.get(verdict.column))]
    if explaining and all(_passed(again.get(v.column)) or v.column in unjudged for v in features):
        for verdict in moved:
            if verdict not in features and not _passed(again.get(verdict.column)):
                unlearned = known.unlearned if learned else None
                again[verdict.column] = (
                    _unjudged_with(verdict, unjudged) if unjudged else look.of_an_answer(verdict, unlearned)
                )
    verdicts = tuple(again.get(verdict.column, verdict) for verdict in result.columns)
    return DriftResult.of(verdicts, result.rows_reference, result.rows_current)


def limits_by_column(monitoring: Monitoring) -> dict[str, DriftLimits]:
    """The limits of columns that have their own, under the prediction log's names."""
    limits = DriftLimits.declared(monitoring)
    return {logged_name(name): limits.of_column(column) for name, column in monitoring.columns.items()}


def logged_name(name: str) -> str:
    """The prediction log's column of a feature, or of the score and the decision themselves."""
    return name if name in ("score", "decision") else FEATURE_PREFIX + name


@dataclass(frozen=True)
class _Look:
    current: pl.DataFrame
    monitoring: Monitoring
    group: str | None
    columns: int

    def verdict(self, column: str, rows: pl.DataFrame | None, group: str | None = None) -> ColumnVerdict | None:
        """The column against other rows on the window's weekdays; None where there are too few of them."""
        if rows is None or column not in rows.columns:
            return None
        same = same_weekdays(rows, self.current)
        if same.height < self.monitoring.min_rows:
            return None
        limits = DriftLimits.declared(self.monitoring)
        shared = replace(limits, error_rate=limits.error_rate / max(1, self.columns))
        by_column = {
            name: replace(own, error_rate=shared.error_rate) for name, own in limits_by_column(self.monitoring).items()
        }
        [verdict] = drift_report(same, self.current, [column], shared, group or self.group, by_column).columns
        return verdict

    def against_the_season(
        self, verdict: ColumnVerdict, history: pl.DataFrame | None, *, says_the_date: bool
    ) -> ColumnVerdict:
        """Against the same days of the year in other years; where none is known nobody can say, which is no success.

        The rows of one day share its weather: each day is one observation. A column that says nothing but the date cannot lie elsewhere
        than its date does.
        """
        season = None if history is None else same_season(history, self.current)
        seen = self.verdict(verdict.column, season, EVENT_DAY)
        if seen is None and says_the_date:
            return replace(
                verdict, status="ok", explanation=f"follows the calendar, as its date says: {verdict.explanation}"
            )
        if seen is None:
            text = f"follows the calendar, and no rows of this season are known to compare with: {verdict.explanation}"
            return replace(verdict, status="too_few_rows", explanation=text)
        return replace(seen, explanation=f"against the same season of other years: {seen.explanation}")

    def of_an_answer(self, verdict: ColumnVerdict, unlearned: pl.DataFrame | None) -> ColumnVerdict:
        """The score of a model of which every feature that moved is explained: rows from before they moved say nothing about it."""
        seen = self.verdict(verdict.column, unlearned)
        if seen is None:
            text = f"follows features whose moves are explained, and no other rows are known to compare with: {verdict.explanation}"
            return replace(verdict, status="ok", explanation=text)
        return replace(seen, explanation=f"against rows between training and service: {seen.explanation}")


def same_weekdays(reference: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """The reference's rows on weekdays that the current window has as well.

    A window of two days at the weekend differs from a whole week in everything that follows the calendar; that is no
    drift.

    Args:
        reference: rows with `event_day`.
        current: rows with `event_day`.
    """
    weekdays = current[EVENT_DAY].drop_nulls().dt.weekday().unique().to_list()
    return reference.filter(pl.col(EVENT_DAY).dt.weekday().is_in(weekdays))


def newest_days(rows: pl.DataFrame | None, days: int) -> pl.DataFrame | None:
    """The last so many days of rows: what a model learned last, although most of what it learned was otherwise.

    Args:
        rows: with `event_day`; None where there are none.
        days: how many.
    """
    if rows is None or rows.is_empty():
        return rows
    return rows.filter(pl.col(EVENT_DAY) > pl.col(EVENT_DAY).max() - pl.duration(days=days))


def same_season(history: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Rows of other years within so many days of the year as the window's.

    Args:
        history: rows with `event_day`.
        current: rows with `event_day`.
    """
    days = current[EVENT_DAY].drop_nulls().unique().to_list()
    if not days:
        return history.clear()
    first, last = min(days), max(days)
    middle, half = first + (last - first) / 2, (last - first).days / 2
    away = (pl.lit(middle) - pl.col(EVENT_DAY)).dt.total_days().cast(pl.Float64)
    years = (away / _YEAR_DAYS).round()
    near = (away - years * _YEAR_DAYS).abs() <= half + SEASON_DAYS
    return history.filter((years >= 1) & near)


def _has_moved(verdict: ColumnVerdict, current: pl.DataFrame) -> bool:
    """Whether a column lies elsewhere, or stands still where it did not before; one that carries nothing is broken."""
    if verdict.status == "degenerate":
        return verdict.psi is not None and current[verdict.column].null_count() == 0
    return verdict.status == "drift"


def _is_unjudged(verdict: ColumnVerdict | None) -> bool:
    """Whether it moved with the season, as far as anybody knows."""
    return verdict is not None and verdict.status == "too_few_rows"


def _unjudged_with(verdict: ColumnVerdict, features: Sequence[str]) -> ColumnVerdict:
    """The score of features that nobody can judge: it can be judged no better."""
    names = ", ".join(name.removeprefix(FEATURE_PREFIX) for name in features)
    text = f"follows {names}, which nothing is known to compare with: {verdict.explanation}"
    return replace(verdict, status="too_few_rows", explanation=text)


def _passed(verdict: ColumnVerdict | None) -> bool:
    return verdict is not None and verdict.passed


def _seasonal_columns(use_case: UseCase) -> set[str]:
    """Columns that are declared to follow the calendar."""
    return {logged_name(name) for name, column in use_case.monitoring.columns.items() if column.seasonal}


def _columns_of_the_date(use_case: UseCase, current: pl.DataFrame) -> set[str]:
    """Features of the event time alone that have one value a day: the month, the day of the week."""
    known: Sequence[str] = [
        FEATURE_PREFIX + name for name in _features_of_time(use_case) if FEATURE_PREFIX + name in current.columns
    ]
    if not known or not current.height:
        return set()
    counts: Mapping[str, int] = (
        current.group_by(EVENT_DAY).agg(pl.col(known).n_unique()).select(pl.col(known).max()).row(0, named=True)
    )
    return {name for name, values in counts.items() if values == 1}


def _features_of_time(use_case: UseCase) -> list[str]:
    """Row features whose expression reads the event time and nothing else."""
    found = []
    for view in use_case.features:
        for row in view.rows:
            try:
                roots = pl.sql_expr(row.expression).meta.root_names()
            except pl.exceptions.PolarsError:
                continue
            if roots and set(roots) == {use_case.event_time}:
                found.append(row.name)
    return found
