"""Values of drivers in columns, none changed."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from platform_assets.connectors.sql.rows import column_of

NOON = datetime(2024, 3, 1, 12)
BERLIN = timezone(timedelta(hours=1))

TYPED: list[tuple[list[Any], pl.DataType, list[Any]]] = [
    ([1, None], pl.Int64(), [1, None]),
    ([None, None], pl.Null(), [None, None]),
    ([True, None], pl.Boolean(), [True, None]),
    ([1.5, 2], pl.Float64(), [1.5, 2.0]),
    (["a", None], pl.String(), ["a", None]),
    ([NOON, None], pl.Datetime("us"), [NOON, None]),
    ([NOON.replace(tzinfo=BERLIN), None], pl.Datetime("us", "UTC"), [datetime(2024, 3, 1, 11, tzinfo=UTC), None]),
    (
        [NOON.replace(tzinfo=BERLIN), NOON],
        pl.Datetime("us", "UTC"),
        [datetime(2024, 3, 1, h, tzinfo=UTC) for h in (11, 12)],
    ),
    ([date(2024, 3, 1)], pl.Date(), [date(2024, 3, 1)]),
    ([time(1)], pl.Time(), [time(1)]),
    ([timedelta(1)], pl.Duration("us"), [timedelta(1)]),
    ([b"a", memoryview(b"b")], pl.Binary(), [b"a", b"b"]),
    ([Decimal("1.50"), Decimal("2"), None], pl.Decimal(38, 2), [Decimal("1.50"), Decimal("2.00"), None]),
    ([2**70, None], pl.Decimal(38, 0), [Decimal(2**70), None]),
    ([Decimal("1E+3"), Decimal("NaN")], pl.Decimal(38, 0), [Decimal(1000), None]),
]


@pytest.mark.parametrize(("values", "dtype", "expected"), TYPED, ids=[str(case[1]) for case in TYPED])
def test_typed(values: list[Any], dtype: pl.DataType, expected: list[Any]) -> None:
    found = column_of("x", values)
    assert found.dtype == dtype
    assert found.to_list() == expected


AS_TEXT: list[tuple[Any, str]] = [
    (Decimal("1.50"), "1.50"),
    (Decimal("1E+3"), "1000"),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    ({"a": [1]}, '{"a": [1]}'),
    (["x", "ä"], '["x", "ä"]'),
    (b"\x00\xff", "\\x00ff"),
    (time(1, 2), "01:02:00"),
    ("a", "a"),
]


@pytest.mark.parametrize(("value", "text"), AS_TEXT, ids=[text for _, text in AS_TEXT])
def test_a_string_column_takes_the_text_of_what_has_no_type_of_its_own(value: Any, text: str) -> None:
    found = column_of("x", [value, None], "string")
    assert (found.dtype, found.to_list()) == (pl.String, [text, None])


@pytest.mark.parametrize("value", [1, 1.5, True, NOON, date(2024, 3, 1)])
def test_a_string_column_does_not_hide_that_a_column_has_another_type(value: Any) -> None:
    assert column_of("x", [value], "string").dtype != pl.String


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, "a"], ["1", "a"]),
        ([2**60 + 1, 1.5], [str(2**60 + 1), "1.5"]),
        ([Decimal(10) ** 40], ["1" + "0" * 40]),
        ([Decimal("Infinity")], ["Infinity"]),
    ],
)
def test_what_no_type_holds_exactly_becomes_text(values: list[Any], texts: list[str]) -> None:
    assert column_of("x", values).to_list() == texts


def test_numbers_of_too_many_digits_are_the_floats_that_are_declared_for_them() -> None:
    values = [Decimal("1E+20"), Decimal("0." + "0" * 40 + "25"), Decimal("NaN"), Decimal("Infinity"), None]
    assert column_of("x", values, "float64").to_list() == [1e20, 2.5e-41, None, float("inf"), None]
    assert column_of("x", [Decimal("1." + "3" * 40)], "float64").dtype == pl.String
