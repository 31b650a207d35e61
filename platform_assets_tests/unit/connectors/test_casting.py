"""Text and typed values in declared types, without loss."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.connectors.casting import cast_text, cast_typed, event_days, text_to_times
from platform_assets.declaration import Column

NAN, INFINITY = float("nan"), float("inf")


def column(type_: str) -> Column:
    return Column.model_validate({"name": "x", "type": type_, "description": "x"})


def noon(hour: int = 12, second: int = 0, microsecond: int = 0) -> datetime:
    return datetime(2024, 3, 1, hour, 0, second, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("int64", "12", 12),
        ("int64", " -3 ", -3),
        ("int64", "12.0", 12),
        ("int64", "12.5", None),
        ("int64", "1e3", None),
        ("int64", "12 EUR", None),
        ("int64", "9223372036854775808", None),
        ("int8", "127", 127),
        ("int8", "128", None),
        ("float64", "1.5", 1.5),
        ("float64", " 1e-3 ", 0.001),
        ("float64", "12,5", None),
        ("float64", "", None),
        ("float64", "inf", INFINITY),
        ("bool", "True", True),
        ("bool", "0", False),
        ("bool", "yes", True),
        ("bool", "maybe", None),
        ("string", " x ", " x "),
        ("date", "2024-03-01", date(2024, 3, 1)),
        ("date", "01.03.2024", None),
        ("date", "2024-02-30", None),
        ("datetime", "2024-03-01T12:00:00", noon()),
        ("datetime", "2024-03-01 12:00:00", noon()),
        ("datetime", "2024-03-01T12:00:00Z", noon()),
        ("datetime", "2024-03-01T12:00", noon()),
        ("datetime", "2024-03-01 12:00Z", noon()),
        ("datetime", "2024-03-01T14:00:00+02:00", noon()),
        ("datetime", "2024-03-01 08:30:00-0330", noon()),
        ("datetime", "2024-03-01T12:00:01.5", noon(second=1, microsecond=500_000)),
        ("datetime", "2024-03-01T12:00:00.123456789Z", noon(microsecond=123_456)),
        ("datetime", "2024-03-01", noon(0)),
        ("datetime", "2024-02-30T12:00:00", None),
        ("datetime", "-2024-03-01T12:00:00", None),
        ("datetime", "1709294400", None),
        ("datetime", "yesterday", None),
    ],
)
def test_text(type_: str, text: str, value: Any) -> None:
    result = cast_text(pl.Series([text]), column(type_))
    assert result.dtype == column(type_).polars_type
    assert result.to_list() == [value]


def test_formats_of_time_may_be_mixed_in_one_column() -> None:
    text = [None, "2024-03-01", "x", "2024-03-01T12:00:00", "2024-03-01T14:00:00+02:00", "2024-03-01 12:00"]
    assert text_to_times(pl.Series(text)).to_list() == [None, noon(0), None, noon(), noon(), noon()]
    assert text_to_times(pl.Series([None, None], dtype=pl.String)).to_list() == [None, None]
    assert text_to_times(pl.Series([], dtype=pl.String)).dtype == pl.Datetime("us", "UTC")


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.none() | ZONES)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(TIMES, st.sampled_from("T ")), max_size=6))
def test_every_iso_time_is_understood(times: list[tuple[datetime, str]]) -> None:
    text = pl.Series([time.isoformat(separator) for time, separator in times], dtype=pl.String)
    expected = [time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC) for time, _ in times]
    assert text_to_times(text).to_list() == expected


NAIVE = [datetime(2024, 3, 1, 12)]


@pytest.mark.parametrize(
    ("type_", "found", "value"),
    [
        ("int8", pl.Series([7], dtype=pl.Int64), 7),
        ("int64", pl.Series([7], dtype=pl.UInt8), 7),
        ("int64", pl.Series([7.0]), 7),
        ("int64", pl.Series([NAN]), None),
        ("int8", pl.Series([True]), 1),
        ("bool", pl.Series([1]), True),
        ("float64", pl.Series([7]), 7.0),
        ("float64", pl.Series([0.5], dtype=pl.Float32), 0.5),
        ("float64", pl.Series([Decimal("0.10")]), 0.1),
        ("float64", pl.Series([None]), None),
        ("string", pl.Series(["a"], dtype=pl.Categorical), "a"),
        ("datetime", pl.Series(NAIVE), noon()),
        ("datetime", pl.Series(NAIVE, dtype=pl.Datetime("ns", "UTC")), noon()),
        ("datetime", pl.Series(NAIVE).dt.replace_time_zone("Europe/Berlin"), noon(11)),
        ("datetime", pl.Series([date(2024, 3, 1)]), noon(0)),
        ("date", pl.Series([datetime(2024, 3, 1)]), date(2024, 3, 1)),
    ],
)
def test_typed_values_that_fit(type_: str, found: pl.Series, value: Any) -> None:
    result, failed = cast_typed(found, column(type_))
    assert result.dtype == column(type_).polars_type
    assert (result.to_list(), failed.to_list()) == ([value], [False])


@pytest.mark.parametrize(
    ("type_", "found"),
    [
        ("int8", pl.Series([128])),
        ("int64", pl.Series([7.5])),
        ("int64", pl.Series([INFINITY])),
        ("int64", pl.Series(["7"])),
        ("float64", pl.Series([2**53 + 1])),
        ("float64", pl.Series(["12.5 EUR"])),
        ("string", pl.Series([7])),
        ("bool", pl.Series([2])),
        ("datetime", pl.Series([1_709_294_400])),
        ("datetime", pl.Series(["2024-03-01T12:00:00"])),
        ("datetime", pl.Series([1_709_294_400_000_000_001]).cast(pl.Datetime("ns", "UTC"))),
        ("date", pl.Series(NAIVE)),
        ("string", pl.Series([["a"]])),
    ],
)
def test_typed_values_that_do_not_fit(type_: str, found: pl.Series) -> None:
    result, failed = cast_typed(found, column(type_))
    assert (result.to_list(), failed.to_list()) == ([None], [True])


def test_days_of_event_times_are_those_of_utc() -> None:
    late = pl.Series([datetime(2024, 3, 1, 0, 30)]).dt.replace_time_zone("Europe/Berlin")
    assert event_days(late).to_list() == [date(2024, 2, 29)]
    assert event_days(pl.Series(["2024-03-01T00:30:00+01:00", "x"])).to_list() == [date(2024, 2, 29), None]
    assert event_days(pl.Series([date(2024, 3, 1)])).to_list() == [date(2024, 3, 1)]
    assert event_days(pl.Series([5])).to_list() == [None]


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e15, 1e15).map(lambda x: Decimal(repr(round(x, 4)))), min_size=1, max_size=5),
    st.integers(4, 18),
)
def test_exact_numbers_that_floats_are_written_as_become_them(numbers: list[Decimal], scale: int) -> None:
    values = pl.Series([*numbers, None], dtype=pl.Decimal(38, scale))
    result, failed = cast_typed(values, column("float64"))
    assert result.to_list() == [*map(float, numbers), None]
    assert not failed.any()


def test_exact_numbers_of_more_digits_than_a_float_has_do_not_fit() -> None:
    texts = ["1999.990000000000000001", "0.333333333333333333", "9007199254740993.0", "1999.99"]
    result, failed = cast_typed(
        pl.Series([Decimal(text) for text in texts], dtype=pl.Decimal(38, 18)), column("float64")
    )
    assert failed.to_list() == [True, True, True, False]
    assert result.to_list() == [None, None, None, 1999.99]
