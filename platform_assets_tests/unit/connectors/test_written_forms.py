"""Values as they are written in the world: times of a format and a zone, words, numbers, signs for nothing, several columns in one."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors.casting import cast_text
from platform_assets.connectors.conforming import conform
from platform_assets.connectors.written_forms import as_declared
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_POSITION, SOURCE_PROBLEM, UNCAST
from platform_assets.declaration.sections.columns import Column
from platform_assets.testing.declare import declare


def read(values: Any, **fields: Any) -> list[Any]:
    """Cells of one column as its declaration reads them."""
    column = Column.model_validate({"name": "cell", "description": "cell", **fields})
    frame = values if isinstance(values, pl.DataFrame) else pl.DataFrame({"cell": values})
    case = declare(events={"visit": "int64", "at": "datetime", "cell": {**fields}}, label="unpaid", features=["visit"])
    declared = as_declared(frame, case.event_source)["cell"]
    return cast_text(declared, column).to_list()


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


TIMES = [
    (["31.12.2025 23:59"], {"format": "%d.%m.%Y %H:%M"}, [moment(2025, 12, 31, 23, 59)]),
    (["1/2/2026 3:04 PM"], {"format": "%m/%d/%Y %I:%M %p"}, [moment(2026, 1, 2, 15, 4)]),
    (["20260102", "2026-01-03"], {"format": ["%Y%m%d", "%Y-%m-%d"]}, [moment(2026, 1, 2), moment(2026, 1, 3)]),
    ([2019, None], {"format": "%Y"}, [moment(2019, 1, 1), None]),
    ([2019.0], {"format": "%Y"}, [moment(2019, 1, 1)]),
    (["2026-01-02 05"], {"format": "%Y-%m-%d %H"}, [moment(2026, 1, 2, 5)]),
    (["2026-01-02T05:00:00+0200"], {"format": "%Y-%m-%dT%H:%M:%S%z"}, [moment(2026, 1, 2, 3)]),
    ([1_700_000_000], {"format": "epoch_seconds"}, [moment(2023, 11, 14, 22, 13, 20)]),
    (["1700000000.25"], {"format": "epoch_seconds"}, [datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC)]),
    ([1_700_000_000_001], {"format": "epoch_milliseconds"}, [datetime(2023, 11, 14, 22, 13, 20, 1_000, UTC)]),
    (["2026-07-01 12:00:00"], {"time_zone": "Europe/Berlin"}, [moment(2026, 7, 1, 10)]),
    (["2026-07-01T12:00:00+05:30"], {"time_zone": "Europe/Berlin"}, [moment(2026, 7, 1, 6, 30)]),
    (["2026-07-01T12:00Z", "2026-07-01"], {"time_zone": "Europe/Berlin"}, [moment(2026, 7, 1, 12), moment(2026, 6, 30, 22)]),
    ([datetime(2026, 1, 1, 12)], {"time_zone": "America/Chicago"}, [moment(2026, 1, 1, 18)]),
    (["02.11.2025 01:30"], {"format": "%d.%m.%Y %H:%M", "time_zone": "America/Chicago", "twice": "earlier"}, [moment(2025, 11, 2, 6, 30)]),
    (["02.11.2025 01:30"], {"format": "%d.%m.%Y %H:%M", "time_zone": "America/Chicago", "twice": "later"}, [moment(2025, 11, 2, 7, 30)]),
    (["2025-03-09 02:30"], {"time_zone": "America/Chicago", "skipped": "later"}, [moment(2025, 3, 9, 8, 30)]),
    (["2025-10-05 02:10"], {"time_zone": "Australia/Lord_Howe", "skipped": "later"}, [moment(2025, 10, 4, 15, 40)]),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "fields", "expected"), TIMES)
def test_times_are_read_as_declared(cells: list[Any], fields: dict[str, Any], expected: list[Any]) -> None:
    assert read(cells, type="datetime", **fields) == expected


def test_days_are_read_as_declared() -> None:
    assert read(["3.4.2026", "x"], type="date", format="%d.%m.%Y") == [date(2026, 4, 3), None]
    assert read(["2026-04-03 00:00:00"], type="date", format="%Y-%m-%d %H:%M:%S") == [date(2026, 4, 3)]


FROM = ["day", "hour"]


@pytest.mark.parametrize(
    ("day", "hour"), [(["2011-01-01"], ["5"]), ([date(2011, 1, 1)], [5]), ([" 2011-01-01 "], ["05"]), (["2011-01-01"], [5.0])]
)  # fmt: skip
def test_a_time_is_put_together_from_a_day_and_an_hour(day: list[Any], hour: list[Any]) -> None:
    frame = pl.DataFrame({"day": day, "hour": hour})
    assert read(frame, type="datetime", format="%Y-%m-%d %H", **{"from": FROM}) == [moment(2011, 1, 1, 5)]
    both = pl.DataFrame({"day": day * 2, "hour": pl.Series([hour[0], None], dtype=pl.Series(hour).dtype)})
    assert read(both, type="datetime", format="%Y-%m-%d %H", **{"from": FROM})[1] is None


OTHERS = [
    (["Y", "n", " yes ", "NO", "t", "F", "1", "0", "True", "FALSE", "on", "Off", "ja"], {"type": "bool"}, [True, False] * 6 + [None]),
    (["ja", "Nein", "x"], {"type": "bool", "true_values": ["ja"], "false_values": ["nein"]}, [True, False, None]),
    ([1, 2, None], {"type": "bool", "true_values": [1], "false_values": [2]}, [True, False, None]),
    ([">50K", "<=50K", "<=50K."], {"type": "int8", "true_values": [">50K", ">50K."], "false_values": ["<=50K", "<=50K."]}, [1, 0, 0]),
    (["1.234,56", "-7", "1.23", ",5", "1.234.567", "1234,5"], {"type": "float64", "decimal_mark": ",", "thousands": "."},
     [1234.56, -7.0, None, 0.5, 1234567.0, 1234.5]),
    (["1,234", "12,34", "1,234.5"], {"type": "int64", "thousands": ","}, [1234, None, None]),
    (["1 234", "1\u00a0234,5", "12"], {"type": "float64", "decimal_mark": ",", "thousands": " "}, [1234.0, 1234.5, 12.0]),
    (["?", " NA ", "3", "-999"], {"type": "int64", "missing": ["?", "NA", -999]}, [None, None, 3, None]),
    ([-999.0, 2.5], {"type": "float64", "missing": -999}, [None, 2.5]),
    (["x", "y"], {"type": "string", "value": "EUR"}, ["EUR", "EUR"]),
    (["x"], {"type": "bool", "value": True}, [True]),
    (["x"], {"type": "int8", "value": 1}, [1]),
]  # fmt: skip


@pytest.mark.parametrize(("cells", "fields", "expected"), OTHERS)
def test_words_numbers_and_signs_are_read_as_declared(
    cells: list[Any], fields: dict[str, Any], expected: list[Any]
) -> None:
    assert read(cells, **fields) == expected


def delivered(frame: pl.DataFrame) -> pl.DataFrame:
    """A delivery with what travels beside its columns."""
    return frame.with_columns(
        pl.lit("file.csv").alias(SOURCE_POSITION),
        pl.lit(None, dtype=pl.Date).alias(DELIVERED_DAY),
        pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM),
    )


def test_what_cannot_be_read_is_named_with_its_reason() -> None:
    columns = {
        "visit": "int64",
        "at": {"type": "datetime", "from": "When", "format": "%d.%m.%Y %H:%M", "time_zone": "America/Chicago"},
        "paid": {"type": "bool", "true_values": "ja", "false_values": "nein"},
        "amount": {"type": "float64", "decimal_mark": ","},
    }
    case = declare(events=columns, label="unpaid", features=["amount"])
    rows = pl.DataFrame(
        {
            "visit": ["1", "2", "3", "4"],
            "When": ["02.11.2025 01:30", "09.03.2025 02:30", "2025-01-01 00:00", "01.01.2025 00:00"],
            "paid": ["ja", "nein", "ja", "oui"],
            "amount": ["1,5", "1.5", "2", "3"],
        }
    )
    good = pl.DataFrame({"visit": ["5"], "When": ["01.01.2025 00:00"], "paid": ["ja"], "amount": ["3"]})
    rows = pl.concat([rows, *[good] * 4])
    found = conform(delivered(as_declared(rows, case.event_source)), case.event_source).frame
    assert found[UNCAST].to_list()[:4] == [
        "at='02.11.2025 01:30 (occurs twice in America/Chicago: declare `twice`)'",
        "at='09.03.2025 02:30 (does not occur in America/Chicago: declare `skipped`)'; "
        "amount='1.5 (no number with '','' before its decimals)'",
        "at='2025-01-01 00:00 (not written as %d.%m.%Y %H:%M)'",
        "paid='oui (none of ja, nein)'",
    ]  # fmt: skip
    assert found["at"][3] == moment(2025, 1, 1, 6)


def test_columns_are_computed_from_others_and_from_where_the_row_came_from() -> None:
    columns = {
        "visit": {"type": "string", "expression": "CONCAT(source_position, ':', source_line)"},
        "at": "datetime",
        "net": "float64",
        "rate": "int8",
        "gross": {"type": "float64", "expression": "net * (1 + rate / 100)"},
        "kind": {"type": "int8", "expression": "CASE WHEN net > 1.5 THEN 300 ELSE 1 END"},
    }
    case = declare(events=columns, label="unpaid", features=["gross"])
    rows = delivered(pl.DataFrame({"at": ["2025-01-01", "2025-01-02"], "net": ["1", "2"], "rate": ["19", "7"]}))
    found = conform(rows.with_columns(pl.Series("source_line", [2, 3], dtype=pl.Int64)), case.event_source).frame
    assert found["visit"].to_list() == ["file.csv:2", "file.csv:3"]
    assert found["gross"].to_list() == [1.19, 2.14]
    assert found["kind"].to_list() == [1, None]
    assert found[UNCAST].to_list() == [None, "kind='300'"]
    assert found.columns[:6] == list(columns)


MISTAKES = [
    ({"type": "float64", "format": "%Y"}, "is for times and days"),
    ({"type": "datetime", "format": "%H:%M"}, "tells no year"),
    ({"type": "datetime", "format": "epoch_days"}, "is none of epoch_seconds"),
    ({"type": "datetime", "time_zone": "Europe/Nowhere"}, "IANA"),
    ({"type": "datetime", "time_zone": "../../etc/passwd"}, "IANA"),
    ({"type": "datetime", "twice": "later"}, "hours of a zone"),
    ({"type": "date", "time_zone": "UTC"}, "is for times"),
    ({"type": "datetime", "from": ["a", "b"]}, "needs the `format`"),
    ({"type": "int64", "from": ["a", "b"]}, "puts texts together"),
    ({"type": "bool", "true_values": ["ja"]}, "both"),
    ({"type": "bool", "true_values": ["J"], "false_values": ["j"]}, "stand for true and for false"),
    ({"type": "string", "true_values": ["a"], "false_values": ["b"]}, "Booleans"),
    ({"type": "float64", "decimal_mark": ",", "thousands": ","}, "in two ways"),
    ({"type": "string", "decimal_mark": ","}, "are for numbers"),
    ({"type": "int8", "value": 300}, "does not fit"),
    ({"type": "int8", "value": 1, "from": "x"}, "one of the three"),
    ({"type": "int8", "value": 1, "missing": ["?"]}, "not written in any form"),
    ({"type": "int8", "expression": "nobody + 1"}, "uses nobody"),
    ({"type": "int8", "expression": "NOW()"}, "clock"),
]


@pytest.mark.parametrize(("fields", "says"), MISTAKES)
def test_a_column_that_contradicts_itself_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        declare(events={"visit": "int64", "at": "datetime", "cell": fields}, label="unpaid", features=["visit"])
