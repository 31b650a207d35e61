"""Rules that hold a day's profile against those of recent days.

Belongs here: nulls, hours without events, repeated days, constant columns, shifts of distributions and of distinct
values. Does not belong here: computing profiles (`profile`), counts of rows (`table_rules`), and slow change (`monitoring`).

A shift is measured as a robust z-score: the distance from the history's median over a scale that is the largest of three:
the history's spread (1.4826 times the median absolute deviation, Rousseeuw and Croux 1993), the sampling error of the day
itself, and a share of the column's usual size. The last two are floors: without them a column that hardly ever moves
would raise an alarm at its first small step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import polars as pl

from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.sources import EVENT_DAY, Source
from platform_assets.declaration.time_zones import UTC_ZONE, hours_of, zone_of
from platform_assets.validation.results import RuleResult, TableRule
from platform_assets.validation.schema import is_nullable

MAD_TO_STD = 1.4826
NEGLIGIBLE = 1e-9
"""Below this probability, chance is no explanation."""

_QUARTILES = ("q25", "q50", "q75")
_MIN_DISTINCT = 10

Line = Mapping[str, Any]


@dataclass
class ProfileHistory:
    """Profiles of published days, by day and column."""

    days: dict[date, dict[str, Line]] = field(default_factory=dict)

    @classmethod
    def of(cls, profiles: pl.DataFrame) -> ProfileHistory:
        """From profiles as in `PROFILE_SCHEMA`."""
        history = cls()
        for line in profiles.iter_rows(named=True):
            history.days.setdefault(line[EVENT_DAY], {})[line["column"]] = line
        return history

    def before(self, day: date, back_days: int) -> list[dict[str, Line]]:
        """The profiles of the days before, the oldest first."""
        days = (day - timedelta(days=back) for back in range(back_days, 0, -1))
        return [self.days[one] for one in days if one in self.days]


def judge_profile(day: date, today: Mapping[str, Line], history: ProfileHistory, source: Source) -> list[RuleResult]:
    """Every rule about a day's profile; a column is named where a rule fails.

    Args:
        day: The day judged.
        today: Its profile by column; empty when no row is a candidate.
        history: Profiles of published days.
        source: The declared source.

    Returns:
        For each rule one passing result, or one failing result for each column that breaks it.
    """
    if not today:
        return []
    rules = source.quality.anomalies
    past = history.before(day, rules.history_days)
    judged = _Judged(day, source, dict(today), past, rows=int(next(iter(today.values()))["rows"]))
    results = [*judged.collect("null_ratio", judged.nulls()), *judged.collect("freshness", judged.freshness())]
    results += judged.collect("silent_hours", judged.silent_hours())
    if not rules.enabled:
        return results
    results += judged.collect("repeated_day", judged.repeated())
    compared = [column for column in source.columns if column.name not in rules.exclude] if judged.comparable else []
    for rule, test in (("constant", judged.constant), ("shift", judged.shift), ("distinct", judged.distinct)):
        problems = [problem for column in compared if (problem := test(column)) is not None]
        results += judged.collect(rule, problems)  # type: ignore[arg-type]
    return results


@dataclass(frozen=True)
class _Problem:
    column: str | None
    measured: float
    bound: float
    text: str


@dataclass(frozen=True)
class _Judged:
    """One day next to the days before it."""

    day: date
    source: Source
    today: dict[str, Line]
    past: Sequence[Mapping[str, Line]]
    rows: int

    @property
    def comparable(self) -> bool:
        """Whether there are enough rows and days for a verdict on distributions."""
        rules = self.source.quality.anomalies
        return len(self.past) >= rules.min_history and self.rows >= rules.min_rows

    def collect(self, rule: TableRule, problems: Sequence[_Problem]) -> list[RuleResult]:
        """Results of one rule."""
        if not problems:
            text = f"{self.day}: nothing found next to {len(self.past)} earlier days"
            return [RuleResult(rule, None, self.day, True, 0.0, None, self.rows, text)]
        return [
            RuleResult(rule, p.column, self.day, False, p.measured, p.bound, self.rows, f"{self.day}: {p.text}")
            for p in problems
        ]

    def of(self, column: str, name: str) -> list[Any]:
        """A number of a column on the days before, without those that have none."""
        lines = (day[column] for day in self.past if column in day)
        return [line[name] for line in lines if line[name] is not None]

    def nulls(self) -> list[_Problem]:
        """Columns with more nulls than declared, or than the days before."""
        rule, problems = self.source.quality.nulls, []
        for column in self.source.columns:
            if not is_nullable(column, self.source):
                continue
            share = self.today[column.name]["nulls"] / max(self.rows, 1)
            past = [day[column.name] for day in self.past if column.name in day]
            shares = [line["nulls"] / line["rows"] for line in past if line["rows"]]
            declared = rule.max_ratio.get(column.name)
            if declared is not None:
                bound = declared
            elif len(shares) < self.source.quality.anomalies.min_history:
                continue
            elif share == 1.0 and max(shares) < 1.0 and max(shares) ** self.rows < NEGLIGIBLE:
                bound = max(shares)
            else:
                bound = max(shares) + rule.max_increase
            if share > bound:
                text = f"{column.name}: {share:.2%} of the values are missing, at most {bound:.2%} allowed"
                problems.append(_Problem(column.name, share, bound, text))
        return problems

    def freshness(self) -> list[_Problem]:
        """The newest event, when it lies before the declared hour, or before hours that always had events."""
        name = str(self.source.event_time)
        rule = self.source.quality.freshness
        hours = _hours(self.today[name])
        newest = max((hour for hour in range(24) if hours[hour]), default=0)
        if rule.newest_hour is not None:
            clock = _clock(str(self.today[name]["maximum"]), self.source.time_zone)
            reached = int(clock[:2]) + int(clock[3:]) / 60
            if reached < rule.newest_hour:
                text = f"{name}: the newest event is of {clock}, at least hour {rule.newest_hour:g} is declared"
                return [_Problem(name, reached, rule.newest_hour, text)]
        return [p for p in self._silence(hours) if p.measured > newest and p.bound == 24]

    def silent_hours(self) -> list[_Problem]:
        """Hours in a row without events, but for those at the end of the day."""
        return [p for p in self._silence(_hours(self.today[str(self.source.event_time)])) if p.bound != 24]

    def _silence(self, hours: Sequence[int]) -> list[_Problem]:
        """Runs of hours without events where the days before had many: first hour as `measured`, hour after as `bound`."""
        name = str(self.source.event_time)
        if len(self.past) < self.source.quality.anomalies.min_history:
            return []
        past = [_hours(day[name]) for day in self.past if name in day]
        # Where clocks are put forward, one hour of the day does not exist.
        there = hours_of(self.day, self.source.time_zone) if self.source.time_zone != UTC_ZONE else range(24)
        problems, first = [], None
        for hour in range(25):
            silent = hour < 24 and not hours[hour] and hour in there
            if silent and first is None:
                first = hour
            if silent or first is None:
                continue
            usual = [sum(one[first:hour]) for one in past]
            if min(usual) > 0 and median(usual) >= self.source.quality.freshness.min_expected_rows:
                silence = f"no event from {first:02d}:00 to {hour:02d}:00 {self.source.time_zone}"
                text = f"{name}: {silence}, where the days before had {median(usual):g}"
                problems.append(_Problem(name, float(first), float(hour), text))
            first = None
        return problems

    def repeated(self) -> list[_Problem]:
        """The day before whose values are all the same as today's."""
        if self.rows < self.source.quality.anomalies.min_rows:
            return []
        names = [c.name for c in self.source.columns if c.is_numeric]
        moving = [name for name in names if self.today[name]["std"]]
        if len(moving) < 2:
            return []
        for earlier in reversed(self.past):
            if all(name in earlier and _same(self.today[name], earlier[name]) for name in names):
                day = earlier[names[0]][EVENT_DAY]
                return [_Problem(None, 1.0, 0.0, f"every number is that of {day}: its rows were delivered again")]
        return []

    def constant(self, column: Column) -> _Problem | None:
        """A column that varied on every day before, and has one value now."""
        today = self.today[column.name]
        present = self.rows - today["nulls"]
        if today["distinct"] != 1 or present < 2 or column.name == self.source.event_time:
            return None
        shares = [_largest_share(day[column.name]) for day in self.past if column.name in day]
        if not shares or max(shares) >= 1.0 or present * math.log(max(max(shares), 1e-300)) > math.log(NEGLIGIBLE):
            return None
        text = f"{column.name}: all {present} values are {today['minimum']}, which they never were before"
        return _Problem(column.name, 1.0, max(shares), text)

    def shift(self, column: Column) -> _Problem | None:
        """A column whose mean, or whose whole middle half, is far from where it used to be."""
        if not column.is_numeric or column.allowed or column.references or column.unique:
            return None
        if column.name in self.source.primary_key or self.today[column.name]["mean"] is None:
            return None
        spreads = self.of(column.name, "std")
        # A column that does not vary within a day is an attribute of the day, such as a holiday: it may take a new value.
        if len(spreads) < self.source.quality.anomalies.min_history or not median(spreads):
            return None
        bound = self.source.quality.anomalies.max_score
        mean = self._score(column.name, "mean", median(spreads))
        quartiles = [self._score(column.name, name, median(spreads)) for name in _QUARTILES]
        together = min((abs(score) for score in quartiles), default=0.0)
        if len({score > 0 for score in quartiles}) > 1:
            together = 0.0
        score = max(abs(mean), together)
        if score <= bound:
            return None
        usual = median(self.of(column.name, "mean"))
        text = f"{column.name}: mean {self.today[column.name]['mean']:.6g}, usually {usual:.6g} (score {score:.1f}, at most {bound:g})"
        return _Problem(column.name, score, bound, text)

    def _score(self, column: str, name: str, usual_std: float) -> float:
        """Signed robust z-score of one number; 0 inside the range of the days before."""
        value, past = self.today[column][name], self.of(column, name)
        if min(past) <= value <= max(past):
            return 0.0
        middle = median(past)
        spread = MAD_TO_STD * median(abs(one - middle) for one in past)
        today_std = self.today[column]["std"] or 0.0
        error = today_std / math.sqrt(max(self.rows - self.today[column]["nulls"], 1))
        floor = self.source.quality.anomalies.floor_ratio * max(abs(middle), usual_std)
        return float((value - middle) / max(spread, error, floor))

    def distinct(self, column: Column) -> _Problem | None:
        """A column with far fewer or far more different values, on the scale of logarithms."""
        past = [n for n in self.of(column.name, "distinct") if n > 0]
        value = self.today[column.name]["distinct"]
        if len(past) < self.source.quality.anomalies.min_history or median(past) < _MIN_DISTINCT or value <= 1:
            return None
        if min(past) <= value <= max(past):
            return None
        logs = [math.log2(n) for n in past]
        middle = median(logs)
        spread = MAD_TO_STD * median(abs(one - middle) for one in logs)
        # A factor of 4 is where the floor alone makes a score of 8.
        rules = self.source.quality.anomalies
        score = abs(math.log2(value) - middle) / max(spread, 2.5 * rules.floor_ratio)
        if score <= rules.max_score:
            return None
        text = f"{column.name}: {value} different values, usually {median(past):g} (score {score:.1f})"
        return _Problem(column.name, score, rules.max_score, text)


def _clock(time: str, zone: str) -> str:
    """What clocks of a zone show at a profile's time, as `17:30`."""
    if zone == UTC_ZONE or len(time) < len("2024-03-01 17:30"):
        return time[11:16] or "00:00"
    return datetime.fromisoformat(time[:16]).replace(tzinfo=UTC).astimezone(zone_of(zone)).strftime("%H:%M")


def _hours(line: Line) -> list[int]:
    """Events of each hour of the day."""
    hours = json.loads(line["histogram"] or "{}").get("hours")
    return hours if hours else [0] * 24


def _largest_share(line: Line) -> float:
    """Share of the most frequent value; of a column in which none repeats, nearly none."""
    present = line["rows"] - line["nulls"]
    top = json.loads(line["top_values"] or "[]")
    if not present:
        return 1.0
    return float(top[0][1] / present) if top else 1.0 / present


def _same(one: Line, other: Line) -> bool:
    names = ("rows", "nulls", "distinct", "mean", "std", "minimum", "maximum", *_QUARTILES)
    return all(one[name] == other[name] for name in names)
