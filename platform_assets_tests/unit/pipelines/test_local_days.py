"""Files that are cut at a zone's midnight: rows land in the declared day, days of 23 and 25 hours included."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from platform_assets.declaration.time_zones import day_start, zone_of
from platform_assets.orchestration.partitions import event_days
from platform_assets.pipelines.due_now.times import as_of_day, due_moment
from platform_assets.pipelines.jobs import LOAD
from platform_assets_tests.unit.pipelines.file_days import FileDays


def hourly(day: date, zone: str, times: int = 1) -> Iterator[str]:
    """Lines of a day: sales at the start of each hour that it has there, with the offset of the moment."""
    begin, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    for number in range(int((end - begin) / timedelta(hours=1))):
        moment = (begin + timedelta(hours=number)).astimezone(zone_of(zone))
        for again in range(times):
            yield f"{day.toordinal() * 1000 + 30 * again + number},{moment.isoformat()},{1 + number % 3},{number % 2}"


@pytest.mark.parametrize(
    ("zone", "first", "changing", "hours"),
    [
        ("America/Chicago", date(2025, 10, 31), date(2025, 11, 2), 25),
        ("America/Chicago", date(2026, 3, 6), date(2026, 3, 8), 23),
        ("Pacific/Auckland", date(2025, 9, 26), date(2025, 9, 28), 23),
    ],
)
def test_every_row_lands_in_the_day_of_its_file(
    tmp_path: Path, zone: str, first: date, changing: date, hours: int
) -> None:
    shop = FileDays(tmp_path, time_zone=zone)
    for i in range(4):
        day = first + timedelta(days=i)
        shop.write(f"{day}.csv", hourly(day, zone))
    load = shop.load_and_publish(first, first + timedelta(days=3))
    assert load.passed
    assert load.rows_refused == 0
    assert shop.published() == {first + timedelta(days=i): hours if i == 2 else 24 for i in range(4)}
    assert shop.load_and_publish(changing).rows_accepted == hours


def test_a_row_of_another_local_day_is_early_or_late(tmp_path: Path) -> None:
    zone, day = "America/Chicago", date(2025, 11, 2)
    shop = FileDays(tmp_path, time_zone=zone, quality={"max_refused_ratio": 1.0})
    begin, end = day_start(day, zone), day_start(day + timedelta(days=1), zone)
    shop.write(f"{day}.csv", [f"1,{begin - timedelta(seconds=1)},1,0", f"2,{begin},1,0", f"3,{end},1,0"])
    assert dict(shop.load_and_publish(day).rows_by_rule) == {"late": 1, "early": 1}


def test_the_hour_that_clocks_skip_is_not_silent_and_another_one_is(tmp_path: Path) -> None:
    zone, changing = "America/Chicago", date(2026, 3, 8)
    shop = FileDays(tmp_path, time_zone=zone, quality={"volume": {"min_history": 100}})
    first = changing - timedelta(days=9)
    for i in range(11):
        day = first + timedelta(days=i)
        lines = list(hourly(day, zone, times=30))
        shop.write(f"{day}.csv", [line for line in lines if day <= changing or f"{day}T05" not in line])
    load = shop.load_and_publish(first, first + timedelta(days=10))
    assert [(rule.rule, rule.day) for rule in load.failed_rules] == [("silent_hours", changing + timedelta(days=1))]
    assert "from 05:00 to 06:00 America/Chicago" in load.failed_rules[0].explanation


def test_one_file_for_all_days_is_cut_where_the_zone_cuts(tmp_path: Path) -> None:
    zone, first = "America/Chicago", date(2025, 11, 1)
    shop = FileDays(tmp_path, time_zone=zone, connector={"kind": "files", "format": "csv", "path": "all.csv"})
    shop.write("all.csv", [line for i in range(3) for line in hourly(first + timedelta(days=i), zone)])
    assert shop.load_and_publish(first, first + timedelta(days=2)).passed
    assert list(shop.published().values()) == [24, 25, 24]


def test_partitions_and_what_is_due_are_those_of_the_zone(tmp_path: Path) -> None:
    shop = FileDays(tmp_path, time_zone="America/Chicago")
    partitions = event_days(shop.use_case)
    assert partitions.timezone == "America/Chicago"
    end = partitions.time_window_for_partition_key("2024-03-10").end
    assert end == datetime.fromisoformat("2024-03-11T05:00:00+00:00")
    assert due_moment(shop.use_case, LOAD, date(2024, 3, 11)) == datetime.fromisoformat("2024-03-11T05:15:00+00:00")
    assert as_of_day(shop.use_case, LOAD, datetime.fromisoformat("2024-03-11T05:14:00+00:00")) == date(2024, 3, 10)
