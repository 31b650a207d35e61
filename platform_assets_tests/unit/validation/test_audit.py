"""The account of a load: nothing is lost, nothing bad goes on."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_assets.declaration import Source
from platform_assets.lake.schemas import QUARANTINE_SCHEMA
from platform_assets.validation.audit import Audit, audit
from platform_assets.validation.profile import profile
from platform_assets.validation.row_rules import AuditError

DAY = date(2024, 3, 1)
NEXT = DAY + timedelta(days=1)
BIKES = {"bikes.bike": pl.Series([1, 2, 3])}
Rides = Callable[..., pl.DataFrame]


def judge(frame: pl.DataFrame, source: Source, days: list[date] | None = None, **changes: Any) -> Audit:
    return audit(frame, source, [DAY] if days is None else days, changes.get("references", BIKES), {})


def strict(source: Source, **quality: Any) -> Source:
    return source.model_copy(
        update={"quality": source.quality.model_copy(update={"max_refused_ratio": 0.0, **quality})}
    )


def test_a_refused_row_is_kept_whole_with_its_reason(rides: Source, make_rides: Rides) -> None:
    frame = make_rides(3, price=[1.0, -1.0, None], bike=[1, 9, 2], uncast=[None, None, "price='12,5'"])
    result = judge(frame, rides)
    assert result.quarantine.schema == QUARANTINE_SCHEMA
    first, second = result.quarantine.to_dicts()
    assert {name: first[name] for name in ("event_day", "source_position", "rule", "column", "value", "also")} == {
        "event_day": DAY,
        "source_position": "rides.csv:3",
        "rule": "minimum",
        "column": "price",
        "value": "-1.0",
        "also": "reference(bike)",
    }
    assert json.loads(first["row"])["bike"] == 9
    assert json.loads(first["row"])["started_at"].startswith("2024-03-01T00:00:01")
    assert (second["rule"], second["value"], second["also"]) == ("type", "12,5", None)
    assert json.loads(second["row"])["uncast"] == "price='12,5'"
    assert result.accepted["ride_id"].to_list() == [0]
    assert result.passed
    assert result.rows_by_rule == {"type": 1, "minimum": 1, "reference": 1}


def test_an_accepted_frame_has_the_stored_schema(rides: Source, make_rides: Rides) -> None:
    result = judge(make_rides(2, tip=[float("nan"), 1.0]), rides)
    assert result.accepted.schema == rides.polars_schema()
    assert result.accepted["tip"].to_list() == [None, 1.0], "NaN counts as null"
    assert result.accepted["event_day"].to_list() == [DAY, DAY]


def test_only_days_that_pass_go_on(rides: Source, make_rides: Rides) -> None:
    times = [datetime(2024, 3, day, tzinfo=UTC) + timedelta(hours=i) for i, day in enumerate((1, 1, 2, 2))]
    days = [DAY, DAY, NEXT, NEXT]
    frame = make_rides(4, started_at=times, delivered_day=days, price=[1.0, -1.0, 1.0, 1.0])
    result = judge(frame, strict(rides), [DAY, NEXT, NEXT + timedelta(days=1)])
    assert result.refused_days == [DAY, NEXT + timedelta(days=1)]
    assert result.accepted["ride_id"].to_list() == [2, 3]
    assert not result.passed
    assert [(rule.rule, rule.day) for rule in result.failed_rules] == [
        ("refused_ratio", DAY),
        ("empty", NEXT + timedelta(days=1)),
    ]
    assert result.delivered_rows == {DAY: 2, NEXT: 2, NEXT + timedelta(days=1): 0}
    assert result.refused_rows == {DAY: 1, NEXT: 0, NEXT + timedelta(days=1): 0}


def test_a_reference_table_passes_or_is_refused_whole(rides: Source, make_rides: Rides) -> None:
    table = rides.model_copy(update={"event_time": None})
    frame = make_rides(3, price=[1.0, -1.0, 2.0]).drop("delivered_day")
    lenient = judge(frame, table, [])
    assert lenient.passed
    assert lenient.accepted["ride_id"].to_list() == [0, 2]
    assert "event_day" not in lenient.accepted.columns
    assert lenient.delivered_rows == {None: 3}
    refused = judge(frame, strict(table), [])
    assert not refused.passed
    assert refused.refused_days == []
    assert refused.accepted.is_empty()
    assert refused.accepted.schema == lenient.accepted.schema
    assert refused.quarantine["event_day"].to_list() == [None]
    assert not judge(frame.clear(), table, []).passed, "an empty reference table is a failed delivery"


def test_a_reference_may_be_a_whole_table(rides: Source, make_rides: Rides) -> None:
    bikes = pl.DataFrame({"bike": [2], "name": ["x"]})
    result = judge(make_rides(2, bike=[1, 2]), rides, references={"bikes": bikes})
    assert result.quarantine["rule"].to_list() == ["reference"]


@pytest.mark.parametrize("references", [{}, {"bikes": pl.DataFrame({"id": [1]})}, {"terminals.bike": pl.Series([1])}])
def test_a_reference_that_is_not_there_is_no_pass(
    rides: Source, make_rides: Rides, references: dict[str, pl.Series]
) -> None:
    with pytest.raises(AuditError, match=r"bikes\.bike was not handed in"):
        judge(make_rides(1), rides, references=references)


def test_rows_of_days_that_were_not_asked_for_are_no_pass(rides: Source, make_rides: Rides) -> None:
    with pytest.raises(AuditError, match="2024-03-01"):
        judge(make_rides(1), rides, [NEXT])


def test_columns_may_have_any_name() -> None:
    names = ("rule", "column", "type", "value", "rows", "row", "row_number", "also", "place", "line", "index", "check")
    declared = {
        "name": "odd",
        "description": "Odd names.",
        "connector": {"kind": "files", "format": "csv", "path": "odd.csv"},
        "primary_key": ["rule"],
        "quality": {"max_refused_ratio": 1.0},
        "columns": [{"name": name, "type": "int64", "description": name, "minimum": 0} for name in names],
    }
    source = Source.model_validate(declared)
    frame = pl.DataFrame({name: [i, -1 if name == "row" else 2] for i, name in enumerate(names)}).with_columns(
        pl.lit("odd.csv").alias("source_position"), pl.lit(None, dtype=pl.String).alias("uncast")
    )
    result = audit(frame, source, [], {}, {})
    assert result.quarantine.select("rule", "column", "value").rows() == [("minimum", "row", "-1")]
    assert profile(result.accepted, source)["column"].to_list() == list(names)


MOMENTS = st.sampled_from([None, *(datetime(2024, 3, day, tzinfo=UTC) for day in (1, 2, 3))])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 5),
            MOMENTS,
            st.sampled_from([1.0, -1.0, None]),
            st.sampled_from([DAY, NEXT]),
            st.sampled_from([1, 2, 9]),
        ),
        max_size=12,
    ),
    bound=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
)
def test_every_row_is_accounted_for(
    rides: Source, make_rides: Rides, rows: list[tuple[Any, ...]], bound: float
) -> None:
    names = ("ride_id", "started_at", "price", "delivered_day", "bike")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    source = strict(rides, max_refused_ratio=bound)
    result = judge(make_rides(len(rows), **columns), source, [DAY, NEXT])
    bad = {day: result.quarantine.filter(pl.col("event_day") == day).height for day in (DAY, NEXT)}
    for day in (DAY, NEXT):
        delivered = sum(row[3] == day for row in rows)
        accepted = result.accepted.filter(pl.col("event_day") == day).height
        assert result.delivered_rows[day] == delivered
        assert result.refused_rows[day] == bad[day]
        refused = delivered == 0 or bad[day] / delivered > bound
        assert (day in result.refused_days) == refused
        assert accepted == (0 if refused else delivered - bad[day])
    assert result.quarantine["source_position"].is_unique().all(), "one line for each refused row"
    assert result.passed == (not result.refused_days)
    again = judge(result.accepted.with_columns(*_as_delivered(result.accepted)), rides, [DAY, NEXT])
    assert again.quarantine.is_empty(), "what went on keeps every rule"


def test_a_row_that_repeats_two_keys_is_one_repeated_row(rides: Source, make_rides: Rides) -> None:
    both = rides.model_copy(update={"primary_key": ("ride_id", "bike")})
    frame = make_rides(2, ride_id=[1, 1], bike=[1, 1])
    result = judge(frame, strict(both, max_refused_ratio=0.5))
    assert result.quarantine.height == 1
    assert result.refused_days == []


def _as_delivered(accepted: pl.DataFrame) -> list[pl.Series]:
    return [
        accepted["event_day"].alias("delivered_day"),
        pl.repeat("again", accepted.height, dtype=pl.String, eager=True).alias("source_position"),
        pl.repeat(None, accepted.height, dtype=pl.String, eager=True).alias("uncast"),
    ]
