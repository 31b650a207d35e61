"""Table rules: whether a partition, as a whole, may be published.

Belongs here: rules about counts of a day, next to other days. Does not belong here: rules about single rows (`row_rules`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from types import MappingProxyType

from platform_assets.declaration.sections.calendar import EVERY_DAY, Calendar
from platform_assets.declaration.sections.quality import Quality, VolumeRule
from platform_assets.validation.accepted_day import DayAcceptance
from platform_assets.validation.results import RuleResult

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def judge_days(
    days: Sequence[date],
    delivered: Mapping[date | None, int],
    refused: Mapping[date | None, int],
    quality: Quality,
    history_counts: Mapping[date, int],
    further: Callable[[date], list[RuleResult]] = lambda _: [],
    passed: Callable[[date], None] = lambda _: None,
    calendar: Calendar = EVERY_DAY,
    accepted: Mapping[date, DayAcceptance] = MappingProxyType({}),
) -> list[RuleResult]:
    """Every table rule on every day, in order of time.

    A day of the load that passes joins the history of the days after it with its good rows, and one that is refused
    leaves there what was published of it before, so that a range loaded at once is judged as it would be day by day.

    Args:
        days: The days to judge.
        delivered: Rows delivered for each day; none where a day is missing.
        refused: Rows of each day that broke a row rule; none where a day is missing.
        quality: The declared limits.
        history_counts: Published rows by day, before this load.
        further: More rules on a day; called in order of time.
        passed: Called with each day that no rule refuses, before the next day is judged.
        calendar: The days that have events.
        accepted: Days that a person accepted although rules refuse them.
    """
    history = dict(history_counts)
    results: list[RuleResult] = []
    for day in sorted(days):
        rows, bad = delivered.get(day, 0), refused.get(day, 0)
        of_day = [
            empty(day, rows, calendar),
            *closed_day(day, rows, calendar),
            refused_ratio(day, rows, bad, quality.max_refused_ratio),
            *([] if not rows and calendar.may_be_empty(day) else [volume(day, rows, quality.volume, history)]),
            *further(day),
        ]
        if day in accepted:
            of_day = [accepted[day].applied_to(result) for result in of_day]
        results += of_day
        if not any(result.refuses for result in of_day):
            if rows:
                history[day] = rows - bad
            passed(day)
    return results


def judge_whole(delivered: int, refused: int, quality: Quality, further: Sequence[RuleResult] = ()) -> list[RuleResult]:
    """The table rules of a reference table, which has no days."""
    return [empty(None, delivered), refused_ratio(None, delivered, refused, quality.max_refused_ratio), *further]


def broken_ratios(
    day: date | None, rows: int, duplicates: int, unknown: Mapping[str, int], quality: Quality
) -> list[RuleResult]:
    """Share of the rows that repeat a key, and for each reference the share that refers to something unknown.

    Args:
        day: The day judged, or None.
        rows: Rows delivered.
        duplicates: Rows that repeat a key of the same day.
        unknown: For each column with a reference, rows whose value does not exist.
        quality: The declared limits.
    """
    measured = duplicates / rows if rows else 0.0
    bound = _or_all(quality.max_duplicate_ratio, quality)
    text = f"{_name(day)}{duplicates} of {rows} rows repeat a key ({measured:.4%}), at most {bound:.4%} allowed"
    results = [RuleResult("duplicate_ratio", None, day, measured <= bound, measured, bound, rows, text)]
    bound = _or_all(quality.max_unknown_ratio, quality)
    for column, count in unknown.items():
        measured = count / rows if rows else 0.0
        text = f"{_name(day)}{column}: {count} of {rows} rows refer to something unknown, at most {bound:.4%} allowed"
        results.append(RuleResult("unknown_ratio", column, day, measured <= bound, measured, bound, rows, text))
    return results


def empty(day: date | None, rows: int, calendar: Calendar = EVERY_DAY) -> RuleResult:
    """A partition without rows is refused, because a delivery that failed looks the same; unless the calendar lets the day be so."""
    text = f"{_name(day)}{rows} rows were delivered" if rows else f"{_name(day)}no rows were delivered"
    if rows or day is None or not calendar.may_be_empty(day):
        return RuleResult("empty", None, day, rows > 0, float(rows), 1.0, rows, text)
    reason = calendar.closed(day)
    text += f", as declared: {reason} has no events" if reason else ", as declared: any day may be without events"
    return RuleResult("empty", None, day, True, float(rows), 0.0, rows, text)


def closed_day(day: date, rows: int, calendar: Calendar) -> list[RuleResult]:
    """Rows on a day that has no events by the calendar: one of the two is wrong. Nothing for a day that may have events."""
    reason = calendar.closed(day)
    if reason is None:
        return []
    text = f"{_name(day)}{rows} rows were delivered for {reason}, on which the calendar has no events"
    return [RuleResult("closed_day", None, day, rows == 0, float(rows), 0.0, rows, text)]


def refused_ratio(day: date | None, rows: int, refused: int, bound: float) -> RuleResult:
    """Share of the delivered rows that broke a row rule, against the declared limit."""
    measured = refused / rows if rows else 0.0
    passed = measured <= bound
    text = f"{_name(day)}{refused} of {rows} rows refused ({measured:.4%}), at most {bound:.4%} allowed"
    return RuleResult("refused_ratio", None, day, passed, measured, bound, rows, text)


def volume(day: date, rows: int, rule: VolumeRule, history: Mapping[date, int]) -> RuleResult:
    """Delivered rows against the median of the same weekday in the last `history_days` days.

    With fewer than `min_history` such days it passes and says so.
    """
    earlier = [day - timedelta(days=back) for back in range(7, rule.history_days + 1, 7)]
    counts = [history[other] for other in earlier if other in history]
    weekday = _WEEKDAYS[day.weekday()]
    if len(counts) < rule.min_history:
        text = f"{_name(day)}{rows} rows; {len(counts)} earlier {weekday}s to compare with, {rule.min_history} needed"
        return RuleResult("volume", None, day, True, float(rows), None, rows, text)
    usual = median(counts)
    low, high = rule.min_ratio * usual, rule.max_ratio * usual
    passed = low <= rows <= high
    bound = high if rows > high else low
    allowed = f"{low:g} to {high:g} allowed"
    text = f"{_name(day)}{rows} rows; the median of {len(counts)} earlier {weekday}s is {usual:g}, {allowed}"
    return RuleResult("volume", None, day, passed, float(rows), bound, rows, text)


def _name(day: date | None) -> str:
    return "" if day is None else f"{day}: "


def _or_all(ratio: float | None, quality: Quality) -> float:
    return quality.max_refused_ratio if ratio is None else ratio
