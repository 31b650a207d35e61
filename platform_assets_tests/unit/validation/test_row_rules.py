"""Row rules against a slow, obvious oracle, and one by one."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.declaration import Source
from platform_assets.validation.results import ROW_RULES
from platform_assets.validation.row_rules import VIOLATIONS_SCHEMA, AuditError, find_violations, summarise

DAY = date(2024, 3, 1)
NAN, INFINITY = float("nan"), float("inf")
BIKES = [1, 2, 3]
Rides = Callable[..., pl.DataFrame]


def violations(frame: pl.DataFrame, source: Source, bikes: list[int] | None = None) -> list[tuple[int, str, str, str]]:
    found = find_violations(frame, source, {"bike": pl.Series(BIKES if bikes is None else bikes, dtype=pl.Int64)})
    assert found.schema == VIOLATIONS_SCHEMA
    return found.rows()


def moment(days: int = 0, seconds: int = 0) -> datetime:
    return datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=days, seconds=seconds)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"price": [1.0, None, NAN]}, [(1, "not_null", "price", None), (2, "not_null", "price", "NaN")]),
        ({"price": [-0.5, 10.5, 10.0]}, [(0, "minimum", "price", "-0.5"), (1, "maximum", "price", "10.5")]),
        ({"price": [INFINITY, -INFINITY, 0.0]}, [(0, "maximum", "price", "inf"), (1, "minimum", "price", "-inf")]),
        ({"tip": [INFINITY, -INFINITY, NAN]}, [(0, "maximum", "tip", "inf"), (1, "minimum", "tip", "-inf")]),
        ({"kind": ["day", "Day", None]}, [(1, "allowed", "kind", "Day"), (2, "not_null", "kind", None)]),
        ({"bike": [4, 3, None]}, [(0, "reference", "bike", "4"), (2, "not_null", "bike", None)]),
        ({"ride_id": [7, 7, None]}, [(1, "unique", "ride_id", "7")]),
        ({"ride_id": [None, None, None]}, []),
        (
            {"started_at": [moment(), moment(), moment(seconds=1)]},
            [(1, "unique", "bike, started_at", "1, 2024-03-01 00:00:00.000000UTC")],
        ),
        (
            {"started_at": [moment(-1), moment(1), None]},
            [
                (0, "late", "started_at", "2024-02-29 00:00:00 UTC"),
                (1, "early", "started_at", "2024-03-02 00:00:00 UTC"),
                (2, "not_null", "started_at", None),
            ],
        ),
        (
            {"price": [None, 1.0, 1.0], "uncast": ["price='12,5'", "*='1 cells instead of 6: x'", None]},
            [(0, "type", "price", "12,5"), (1, "type", "*", "1 cells instead of 6: x")],
        ),
        ({"price": [-1.0, 1.0, 1.0], "bike": [9, 1, 1]}, [(0, "minimum", "price", "-1.0"), (0, "reference", "bike", "9")]),
    ],
    ids=[
        "not null", "range", "infinities", "infinities without limits", "allowed", "reference", "unique", "no key",
        "primary key", "day", "type", "several",
    ],
)  # fmt: skip
def test_each_rule(rides: Source, make_rides: Rides, columns: dict[str, Any], expected: list[Any]) -> None:
    found = violations(make_rides(3, **columns), rides)
    # How a time is written is polars' business: only that it names the value.
    dates = {"started_at", "bike, started_at"}
    assert [line[:3] for line in found] == [line[:3] for line in expected]
    for line, wanted in zip(found, expected, strict=True):
        same = line[3] == wanted[3]
        assert same or (line[2] in dates and line[3] is not None and wanted[3][:10] in line[3])


def test_the_first_good_row_of_a_key_stays(rides: Source, make_rides: Rides) -> None:
    frame = make_rides(4, ride_id=[7, 7, 7, 8], price=[-1.0, 1.0, 1.0, 1.0])
    assert violations(frame, rides) == [(0, "minimum", "price", "-1.0"), (2, "unique", "ride_id", "7")]


def test_keys_may_return_on_another_day(rides: Source, make_rides: Rides) -> None:
    days = [DAY, DAY + timedelta(days=1)]
    frame = make_rides(2, ride_id=[7, 7], started_at=[moment(), moment(1)], delivered_day=days)
    assert violations(frame, rides) == []


def test_no_reference_values_refuse_every_row(rides: Source, make_rides: Rides) -> None:
    assert [line[1] for line in violations(make_rides(2), rides, bikes=[])] == ["reference", "reference"]
    huge = violations(make_rides(1), rides, bikes=[2**40, 1])
    assert huge == [], "a value that the column's type cannot hold is nobody's value"


def test_no_rows_break_no_rule(rides: Source, make_rides: Rides) -> None:
    assert violations(make_rides(0), rides) == []


def test_a_frame_that_is_not_conformed_is_no_pass(rides: Source, make_rides: Rides) -> None:
    with pytest.raises(AuditError, match="'price'"):
        violations(make_rides(2).with_columns(pl.col("price").cast(pl.String)), rides)
    with pytest.raises(AuditError, match="'rides'"):
        violations(make_rides(2).drop("price", "uncast"), rides)


def test_checks_cannot_be_switched_off_from_outside(
    rides: Source, make_rides: Rides, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pandera.config import CONFIG, ValidationDepth

    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    monkeypatch.setattr(CONFIG, "validation_depth", ValidationDepth.SCHEMA_ONLY)
    assert len(violations(make_rides(1, price=[-1.0]), rides)) == 1


def test_a_summary_names_every_rule_asked_for_and_what_breaks_it(rides: Source, make_rides: Rides) -> None:
    frame = make_rides(4, price=[-1.0, -2.0, None, 1.0])
    found = find_violations(frame, rides, {"bike": pl.Series(BIKES)})
    results = summarise(found, rides, frame.height)
    by_name = {(result.rule, result.column): result for result in results}
    minimum = by_name["minimum", "price"]
    assert (minimum.passed, minimum.rows, minimum.measured) == (False, 2, 0.5)
    assert minimum.explanation == "price: 2 of 4 rows lie below 0, for example '-1.0', '-2.0'"
    assert by_name["not_null", "price"].rows == 1
    assert by_name["allowed", "kind"].passed
    assert ("not_null", "tip") not in by_name
    assert {"late", "early", "reference", "unique", "type"} <= {result.rule for result in results}
    assert [ROW_RULES.index(result.rule) for result in results] == sorted(ROW_RULES.index(r.rule) for r in results)


# The oracle: a loop over rows that says for each what it breaks.

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "ride_id": st.none() | st.integers(0, 3),
            "started_at": st.none() | st.builds(moment, st.integers(-1, 1), st.integers(0, 1)),
            "bike": st.none() | st.integers(1, 4),
            "price": st.none() | st.sampled_from([-0.1, 0.0, 5.0, 10.0, 10.1, NAN, INFINITY, -INFINITY]),
            "tip": st.none() | st.sampled_from([-5.0, NAN, INFINITY]),
            "kind": st.none() | st.sampled_from(["day", "night", "noon"]),
            "delivered_day": st.sampled_from([DAY, DAY + timedelta(days=1)]),
            "uncast": st.none() | st.just("tip='x'"),
        }
    ),
    max_size=8,
)


def oracle(rows: list[dict[str, Any]]) -> set[tuple[int, str, str]]:
    broken: set[tuple[int, str, str]] = set()
    seen: set[tuple[Any, ...]] = set()
    for i, row in enumerate(rows):
        own: set[tuple[str, str]] = set()
        for name in ("started_at", "bike", "price", "kind"):
            value = row[name]
            if value is None or (isinstance(value, float) and math.isnan(value)):
                own.add(("not_null", name))
        for name, low, high in (("price", 0.0, 10.0), ("tip", None, None)):
            value = row[name]
            if value is None or math.isnan(value):
                continue
            if value == -INFINITY or (low is not None and value < low):
                own.add(("minimum", name))
            if value == INFINITY or (high is not None and value > high):
                own.add(("maximum", name))
        if row["kind"] == "noon":
            own.add(("allowed", "kind"))
        if row["bike"] == 4:
            own.add(("reference", "bike"))
        if row["started_at"] is not None and row["started_at"].date() < row["delivered_day"]:
            own.add(("late", "started_at"))
        if row["started_at"] is not None and row["started_at"].date() > row["delivered_day"]:
            own.add(("early", "started_at"))
        if row["uncast"] is not None:
            own = {pair for pair in own if pair[0] != "not_null"} | {("type", "tip")}
        if not own:
            for key in (("bike", "started_at"), ("ride_id",)):
                values = tuple(row[name] for name in key)
                if None in values:
                    continue
                if (key, row["delivered_day"], values) in seen:
                    own.add(("unique", ", ".join(key)))
                seen.add((key, row["delivered_day"], values))
        broken |= {(i, *pair) for pair in own}
    return broken


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ROWS)
def test_rules_agree_with_a_loop_over_rows(rides: Source, make_rides: Rides, rows: list[dict[str, Any]]) -> None:
    frame = make_rides(len(rows), **({key: [row[key] for row in rows] for key in rows[0]} if rows else {}))
    found = violations(frame, rides)
    assert {line[:3] for line in found} == oracle(rows)
    assert len(found) == len(oracle(rows))
