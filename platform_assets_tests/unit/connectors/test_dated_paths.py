"""Files of a month, a year, a week or an hour: which days they hold, and what of them is delivered for which day."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.connectors import DELIVERED_DAY
from platform_assets.connectors.errors import NothingDelivered, SourceError
from platform_assets.connectors.reading import read_source
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.connectors.dated_path import DatedPath
from platform_assets.declaration.time_zones import day_start
from platform_assets_tests.unit.pipelines.file_days import FileDays

DAY = date(2024, 2, 28)


def connector(path: str, **more: Any) -> dict[str, Any]:
    return {"kind": "files", "format": "csv", "path": path, **more}


@pytest.mark.parametrize(
    ("path", "name", "first", "last"),
    [
        ("{event_day}.csv", "2024-02-28.csv", DAY, DAY),
        ("{event_day:%Y/%m/%d}.csv", "2024/02/28.csv", DAY, DAY),
        ("{event_day:%Y%j}.csv", "2024059.csv", DAY, DAY),
        ("{event_month}.csv", "2024-02.csv", date(2024, 2, 1), date(2024, 2, 29)),
        ("{event_year}/{event_month:%m}.csv", "2024/02.csv", date(2024, 2, 1), date(2024, 2, 29)),
        ("y{event_year}.csv", "y2024.csv", date(2024, 1, 1), date(2024, 12, 31)),
        ("{event_day:%G-W%V}.csv", "2024-W09.csv", date(2024, 2, 26), date(2024, 3, 3)),
    ],
)
def test_a_name_stands_for_the_days_that_have_it(path: str, name: str, first: date, last: date) -> None:
    dated = DatedPath(path)
    assert dated.of(DAY) == name
    assert dated.period(DAY) == DayRange(first, last)
    assert list(dated.problems()) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{event_day:%d}.csv", "name the year"),
        ("{event_day:%m-%d}.csv", "name the year"),
        ("{event_month:%m}.csv", "name the year"),
        ("{event_day:x}.csv", "every day would have the same file"),
        ("{event_week}.csv", "no placeholder"),
        ("{eventday}.csv", "no placeholder"),
        ("{event_month}/{event_hour}.csv", "needs the day"),
    ],
)
def test_a_path_that_leaves_days_open_is_refused(path: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileDays(Path("none"), connector=connector(path))


def lines(first: date, days: int) -> list[str]:
    return [
        f"{1000 * first.month + 10 * i + k},{first + timedelta(days=i)}T0{k}:30:00Z,1,0"
        for i in range(days)
        for k in range(3)
    ]


@pytest.mark.parametrize(("path", "name"), [("{event_year}.csv", "2024.csv"), ("{event_month}-*.csv", "2024-02-a.csv")])
def test_a_file_with_many_days_is_loaded_day_by_day_or_at_once(tmp_path: Path, path: str, name: str) -> None:
    shop, first = FileDays(tmp_path, connector=connector(path)), date(2024, 2, 5)
    shop.write(name, lines(first, 10))
    assert shop.load_and_publish(first, first + timedelta(days=9)).passed
    assert set(shop.published().values()) == {3}
    assert shop.load_and_publish(first + timedelta(days=4)).rows_accepted == 3
    assert shop.load_and_publish(first + timedelta(days=10)).failed_rules[0].rule == "empty"
    with pytest.raises(NothingDelivered, match="no csv file at '2025"):
        read_source(shop.source, tmp_path, date(2025, 2, 1), date(2025, 2, 1))


def test_a_row_outside_of_its_file_is_met_once_and_refused(tmp_path: Path) -> None:
    shop = FileDays(tmp_path, connector=connector("{event_month}.csv"), quality={"max_refused_ratio": 1.0})
    shop.write(
        "2024-02.csv", ["1,2024-01-31T23:00:00Z,1,0", *lines(date(2024, 2, 1), 29), "2,2024-03-02T01:00:00Z,1,0"]
    )
    shop.write("2024-03.csv", lines(date(2024, 3, 1), 2))
    load = shop.load_and_publish(date(2024, 2, 1), date(2024, 3, 2))
    assert dict(load.rows_by_rule) == {"late": 1, "early": 1}
    assert load.rows_accepted == 3 * 31
    assert load.refused_by_day[date(2024, 2, 1)] == load.refused_by_day[date(2024, 2, 29)] == 1


@pytest.mark.parametrize(
    ("zone", "day", "hours"), [("UTC", date(2024, 3, 5), 24), ("Europe/Berlin", date(2024, 3, 31), 23)]
)
def test_a_file_for_each_hour(tmp_path: Path, zone: str, day: date, hours: int) -> None:
    shop = FileDays(tmp_path, time_zone=zone, connector=connector("{event_day}/{event_hour}.csv"))
    for number in range(hours):
        moment = day_start(day, zone) + timedelta(hours=number)
        local = [hour for hour in range(24) if hours == 24 or hour != 2][number]
        shop.write(f"{day}/{local:02d}.csv", [f"{number},{moment.isoformat()},1,0"])
    assert shop.load_and_publish(day).rows_accepted == hours
    (tmp_path / f"{day}/05.csv").unlink()
    (tmp_path / f"{day}/06.csv").unlink()
    with pytest.raises(SourceError, match=rf"2 of the {hours} hours of {day} have no file: {day}/05.csv, {day}/06.csv"):
        shop.load(day)
    lenient = FileDays(
        tmp_path, time_zone=zone, connector=connector("{event_day}/{event_hour}.csv", missing_hours="allow")
    )
    rows = read_source(lenient.source, tmp_path, day, day)
    assert rows.height == hours - 2
    assert rows[DELIVERED_DAY].unique().to_list() == [day]
