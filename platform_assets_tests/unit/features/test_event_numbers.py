"""What windows aggregate of a single event is what they aggregate of it in a table."""

import struct
from datetime import UTC, date, datetime

import polars as pl
import pytest

from platform_assets.declaration.expressions.scalars import Unfit
from platform_assets.features.aggregation.event_numbers import EventNumbers
from platform_assets.features.aggregation.event_values import EventValue, compute_values

NAN = float("nan")
EVENTS = pl.DataFrame(
    {
        "amount": [1.5, None, NAN, -0.0, float("inf")],
        "shop": pl.Series([3, 2**53 + 1, None, -(2**62), 7]),
        "small": pl.Series([1, 2, None, -128, 127], dtype=pl.Int8),
        "gift": [True, None, False, True, False],
        "country": ["DE", None, "", "Zürich", "日本"],
        "at": pl.Series([datetime(2026, 3, 29, 1, 30, tzinfo=UTC), None, *[datetime(1969, 1, 1, tzinfo=UTC)] * 3]),
        "day": [date(2026, 3, 29), None, date(1969, 1, 1), date(2, 1, 1), date(9999, 12, 31)],
    }
).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
VALUES = [
    *(EventValue("number", name) for name in EVENTS.columns),
    *(EventValue("code", name) for name in EVENTS.columns),
    EventValue("event", where="amount > 1"),
    EventValue("event", where="small"),
    EventValue("number", "amount", where="country = 'DE' OR shop > 5"),
    EventValue("number", "country", where="NOT gift"),
    EventValue("code", "country", where="EXTRACT(HOUR FROM at) < 2"),
    EventValue("condition", condition="amount > 1 AND gift"),
    EventValue("condition", condition="amount", where="shop IS NOT NULL"),
]


def test_one_event_has_the_values_of_its_row_to_the_bit() -> None:
    numbers = EventNumbers(VALUES, EVENTS.schema)
    assert numbers.reason == ""
    table = compute_values([value for value in VALUES if not value.is_plain], EVENTS)
    plain = compute_values([value for value in VALUES if value.is_plain], EVENTS)
    for event, others, own in zip(EVENTS.to_dicts(), table.rows(), plain.rows(), strict=True):
        found = numbers.numbers(event)
        assert [struct.pack("<d", v) for v in found] == [struct.pack("<d", v) for v in [*own, *others]]


def test_what_needs_a_table_says_so() -> None:
    assert "REGEXP" in EventNumbers([EventValue("event", where="REGEXP_LIKE(country, 'D')")], EVENTS.schema).reason
    with pytest.raises(Unfit):
        EventNumbers([EventValue("event", where="shop > 1")], {"shop": pl.Int64()}).numbers({"shop": "3"})
