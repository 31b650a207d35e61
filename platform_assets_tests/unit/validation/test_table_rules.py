"""Rules for whole days."""

from datetime import date, timedelta

import pytest

from platform_assets.declaration.sections.quality import Quality, VolumeRule
from platform_assets.validation.table_rules import empty, judge_days, judge_whole, refused_ratio, volume

DAY = date(2024, 3, 29)


def back(weeks: int) -> date:
    return DAY - timedelta(weeks=weeks)


@pytest.mark.parametrize(
    ("refused", "bound", "passed"), [(0, 0.0, True), (1, 0.0, False), (1, 0.001, True), (2, 0.001, False)]
)
def test_refused_ratio(refused: int, bound: float, passed: bool) -> None:
    result = refused_ratio(DAY, 1000, refused, bound)
    assert (result.passed, result.measured, result.bound, result.rows) == (passed, refused / 1000, bound, 1000)
    assert f"{refused} of 1000 rows" in result.explanation


def test_no_rows_are_refused() -> None:
    assert not empty(DAY, 0).passed
    assert empty(DAY, 1).passed


@pytest.mark.parametrize(("rows", "passed"), [(49, False), (50, True), (100, True), (200, True), (201, False)])
def test_volume_is_held_to_the_median_of_the_same_weekday(rows: int, passed: bool) -> None:
    history = {back(1): 100, back(2): 10_000, back(3): 90, back(4): 100, DAY - timedelta(days=1): 3}
    result = volume(DAY, rows, VolumeRule(), history)
    assert (result.passed, result.measured) == (passed, rows)
    assert result.bound == (200 if rows > 200 else 50)
    assert "4 earlier Fridays is 100" in result.explanation


def test_volume_only_reports_without_enough_history() -> None:
    result = volume(DAY, 1, VolumeRule(), {back(1): 100, DAY - timedelta(days=1): 100})
    assert (result.passed, result.bound) == (True, None)
    assert "1 earlier Fridays" in result.explanation
    assert not volume(DAY, 1, VolumeRule(min_history=1), {back(1): 100}).passed


def test_history_reaches_no_further_than_declared() -> None:
    history = {back(weeks): 100 for weeks in (1, 2)} | {back(weeks): 1 for weeks in (3, 4, 5)}
    assert not volume(DAY, 1, VolumeRule(history_days=14), history).passed
    assert volume(DAY, 1, VolumeRule(history_days=35), history).passed


def weeks(*rows: int) -> tuple[list[date], dict[date | None, int]]:
    days = [DAY + timedelta(weeks=i) for i in range(len(rows))]
    return days, dict(zip(days, rows, strict=True))


def test_earlier_days_of_a_load_are_history_and_refused_ones_are_not() -> None:
    days, delivered = weeks(100, 100, 10, 10, 100)
    results = judge_days(days, delivered, {}, Quality(), {})
    assert [result.day for result in results if not result.passed] == [days[2], days[3]]
    by_day: list[date | None] = []
    history: dict[date, int] = {}
    for day in days:
        alone = judge_days([day], delivered, {}, Quality(), history)
        by_day += [result.day for result in alone if not result.passed]
        if all(result.passed for result in alone):
            history[day] = delivered[day]
    assert by_day == [days[2], days[3]], "a range is judged as day by day"


def test_a_refused_day_leaves_what_was_published_of_it() -> None:
    days, delivered = weeks(100, 0, 100)
    published = {days[0]: 100, days[1]: 30}
    results = judge_days(days, delivered, {}, Quality(), published)
    volumes = {result.day: result.explanation for result in results if result.rule == "volume"}
    assert "the median of 2 earlier Fridays is 65" in volumes[days[2]]


def test_a_day_without_a_delivery_is_empty() -> None:
    failed = [result for result in judge_days([DAY], {}, {}, Quality(), {}) if not result.passed]
    assert [(result.rule, result.day) for result in failed] == [("empty", DAY)]


def test_a_reference_table_is_judged_whole() -> None:
    assert all(result.passed and result.day is None for result in judge_whole(10, 0, Quality()))
    assert [result.rule for result in judge_whole(10, 1, Quality()) if not result.passed] == ["refused_ratio"]
    assert [result.rule for result in judge_whole(0, 0, Quality()) if not result.passed] == ["empty"]
