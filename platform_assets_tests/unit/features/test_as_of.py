"""The as-of join against an oracle that looks at every pair of rows: nothing lost, nothing merged, nothing from the future."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.as_of import as_of_join

START = datetime(2024, 3, 30, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")
POISON = 1e15
TIMES: dict[str, Any] = {"row_time": "at", "table_time": "since", "known_at": "arrived", "knowledge_time": "known_by"}

hours = st.integers(0, 12).map(lambda hour: START + timedelta(hours=hour))
entities = st.sampled_from(["a", "b", "c", None])
table_rows = st.lists(
    st.tuples(entities, st.none() | hours, st.none() | st.integers(0, 30), st.none() | st.integers(0, 9)), max_size=25
)
label_rows = st.lists(st.tuples(entities, st.none() | hours, st.none() | st.integers(-3, 40)), max_size=25)
ages = st.none() | st.integers(0, 13).map(lambda n: timedelta(hours=n))


def as_table(rows: list[Any]) -> pl.DataFrame:
    schema = {"card": pl.String, "since": TIME, "arrived": TIME, "limit": pl.Int64, "number": pl.Int64}
    found = [
        (card, since, None if late is None or since is None else since + timedelta(hours=late), limit, number)
        for number, (card, since, late, limit) in enumerate(rows)
    ]
    return pl.DataFrame(found, schema=schema, orient="row")


def as_rows(rows: list[Any]) -> pl.DataFrame:
    schema = {"key": pl.Int64, "card": pl.String, "at": TIME, "known_by": TIME}
    found = [
        (key, card, at, None if ahead is None or at is None else at + timedelta(hours=ahead))
        for key, (card, at, ahead) in enumerate(rows)
    ]
    return pl.DataFrame(found, schema=schema, orient="row")


def oracle(
    row: dict[str, Any], table: list[dict[str, Any]], knowledge: datetime | None, late: bool, age: timedelta | None
) -> tuple[Any, Any]:
    """The winner's values, by looking at every row of the table."""
    if row["card"] is None or row["at"] is None or (late and knowledge is None):
        return None, None
    best: tuple[Any, ...] | None = None
    for number, other in enumerate(table):
        if other["card"] != row["card"] or other["since"] is None or other["since"] > row["at"]:
            continue
        if age is not None and row["at"] - other["since"] > age:
            continue
        if late and (other["arrived"] is None or knowledge is None or other["arrived"] > knowledge):
            continue
        place = (other["since"], other["arrived"] if late else START, number)
        if best is None or place > best[0]:
            best = (place, other["limit"], other["number"])
    return (None, None) if best is None else best[1:]


@settings(max_examples=150, deadline=None)
@given(rows=label_rows, table=table_rows, late=st.booleans(), age=ages, knows=st.sampled_from(["own", "column", "all"]))
def test_every_row_gets_what_the_oracle_finds(
    rows: list[Any], table: list[Any], late: bool, age: timedelta | None, knows: str
) -> None:
    asked, held = as_rows(rows), as_table(table)
    moment = START + timedelta(hours=9)
    knowledge = {"own": None, "column": "known_by", "all": moment}[knows] if late else None
    found = as_of_join(
        asked,
        held if late else held.drop("arrived"),
        by="card",
        row_time="at",
        table_time="since",
        known_at="arrived" if late else None,
        knowledge_time=knowledge,
        max_age=age,
    )
    assert found.select(asked.columns).equals(asked), "no row lost, merged, changed or moved"
    for row in found.to_dicts():
        by_when = {"own": row["at"], "column": row["known_by"], "all": moment}[knows]
        assert (row["limit"], row["number"]) == oracle(row, held.to_dicts(), by_when, late, age)


@settings(max_examples=50, deadline=None)
@given(rows=label_rows, table=table_rows)
def test_whole_number_and_double_keys_find_the_same(rows: list[Any], table: list[Any]) -> None:
    asked, held = as_rows(rows), as_table(table)
    expected = as_of_join(asked, held, by="card", **TIMES)
    for places in ({"a": 3, "b": -4, "c": 5}, {"a": -(2**62), "b": 0, "c": 2**62}):
        code = pl.col("card").replace_strict(places, return_dtype=pl.Int64, default=None).alias("card")
        by_number = as_of_join(asked.with_columns(code), held.with_columns(code), by="card", **TIMES)
        assert by_number.drop("card").equals(expected.drop("card"))
    first, second = (pl.col("card").replace_strict(m, return_dtype=pl.Int32, default=None) for m in _HALVES)
    two = {"one": first, "two": second}
    doubled = as_of_join(asked.with_columns(**two), held.with_columns(**two).drop("card"), by=["one", "two"], **TIMES)
    assert doubled.select(expected.columns).equals(expected)


_HALVES = ({"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 2, "c": 1})


@settings(max_examples=50, deadline=None)
@given(rows=label_rows, table=table_rows)
def test_poison_after_the_knowledge_time_is_never_read(rows: list[Any], table: list[Any]) -> None:
    """Everything that is later than a row's knowledge, in time or in arrival, is replaced; no answer may change."""
    held = as_table(table).with_columns(pl.col("limit").cast(pl.Float64))
    for row in as_rows(rows).iter_slices(1):
        at, known_by = row["at"][0], row["known_by"][0]
        future = pl.lit(True) if at is None else (pl.col("since") > at) | (pl.col("arrived") > pl.lit(known_by))
        poisoned = held.with_columns(pl.when(future.fill_null(True)).then(POISON).otherwise("limit").alias("limit"))
        for name in ("limit", "number"):
            clean, found = (as_of_join(row, t, by="card", **TIMES)[name][0] for t in (held, poisoned))
            assert found == clean
            assert found != POISON


def one(since: int, arrived: int, limit: int) -> tuple[Any, ...]:
    return ("a", START + timedelta(hours=since), arrived - since, limit)


def looked_up(table: list[Any], at: int, knowledge: datetime | None = None, age: int | None = None) -> Any:
    rows = pl.DataFrame({"card": ["a"], "at": [START + timedelta(hours=at)]}, schema_overrides={"at": TIME})
    found = as_of_join(
        rows,
        as_table(table),
        by="card",
        row_time="at",
        table_time="since",
        known_at="arrived",
        knowledge_time=knowledge,
        max_age=None if age is None else timedelta(hours=age),
    )
    return found["limit"][0]


def test_a_late_row_counts_from_its_arrival_on_and_a_correction_replaces_what_it_corrects() -> None:
    table = [one(1, 1, 10), one(2, 8, 20), one(1, 5, 11)]
    assert looked_up(table, at=4) == 10
    assert looked_up(table, at=5) == 11
    assert looked_up(table, at=7) == 11
    assert looked_up(table, at=8) == 20
    assert looked_up(table, at=0) is None


def test_a_long_queue_of_late_rows_is_stepped_over() -> None:
    table = [one(0, 0, 7), *(one(hour, 5_000 - hour, -hour) for hour in range(1, 2_000))]
    assert looked_up(table, at=2_500) == 7
    assert looked_up(table, at=2_999, knowledge=START + timedelta(hours=3_001)) == -1_999
    assert looked_up(table, at=1_000, knowledge=START + timedelta(hours=4_100)) == -1_000
    rising = [one(hour, 10_000 + hour, hour) for hour in range(2_000)]
    assert looked_up(rising, at=3_000, knowledge=START + timedelta(hours=10_700)) == 700
    assert looked_up(rising, at=3_000, knowledge=START + timedelta(hours=9_999)) is None


def test_the_edges_of_time_knowledge_and_age_count() -> None:
    table = [one(2, 2, 10)]
    assert looked_up(table, at=2) == 10
    assert looked_up(table, at=5, age=3) == 10
    assert looked_up(table, at=5, age=2) is None


def test_a_training_set_as_known_at_a_day_stays_the_same_whatever_arrives_later() -> None:
    table, moment = [one(1, 1, 10), one(2, 4, 20)], START + timedelta(hours=6)
    rows = as_rows([("a", START + timedelta(hours=h), 0) for h in range(6)])
    later = [*table, one(2, 7, 21), one(3, 30, 30), one(0, 9, 5)]
    first, again = (
        as_of_join(
            rows, as_table(t), by="card", row_time="at", table_time="since", known_at="arrived", knowledge_time=moment
        )
        for t in (table, later)
    )
    assert again.equals(first)
    assert first["limit"].to_list() == [None, 10, 20, 20, 20, 20]


def test_days_stand_for_their_midnight_and_milliseconds_are_times() -> None:
    rows = pl.DataFrame(
        {"card": [1, 1], "at": [START - timedelta(microseconds=1), START]}, schema_overrides={"at": TIME}
    )
    table = pl.DataFrame({"card": [1], "day": [date(2024, 3, 30)], "limit": [9]})
    found = as_of_join(rows, table, by="card", row_time="at", table_time="day")
    assert found["limit"].to_list() == [None, 9]
    coarse = table.with_columns(pl.col("day").cast(pl.Datetime("ms", "UTC")))
    assert as_of_join(rows, coarse, by="card", row_time="at", table_time="day").equals(found)


def test_mistakes_are_named() -> None:
    rows, table = as_rows([("a", START, 0)]), as_table([("a", START, 0, 1)])
    naive = table.with_columns(pl.col("since").dt.replace_time_zone(None))
    fine = table.with_columns(pl.col("since").dt.cast_time_unit("ns"))
    of_number = rows.with_columns(card=pl.lit(1, pl.Int64))
    no_zone = datetime(2024, 1, 1)
    mistakes: list[tuple[str, pl.DataFrame, pl.DataFrame, dict[str, Any]]] = [
        (r"rows of an as-of join lack columns \['shop'\]", rows, table, {"by": "shop"}),
        (r"the table of an as-of join lack columns \['until'\]", rows, table, {"table_time": "until"}),
        (r"would double columns \['key'\]", rows, table.rename({"number": "key"}), {}),
        (r"knowledge_time needs known_at", rows, table, {"knowledge_time": "known_by"}),
        (r"carries no zone", rows, table, {"known_at": "arrived", "knowledge_time": no_zone}),
        (r"'since' of the table is .* but the rows' time has a zone", rows, naive, {}),
        (r"'limit' of the table is Int64; it must be Datetime or Date", rows, table, {"table_time": "limit"}),
        (r"must be in microseconds and in UTC", rows, fine, {}),
        (r"rows have it as Int64, the table as String", of_number, table, {}),
    ]
    for message, asked, held, more in mistakes:
        given_: dict[str, Any] = {"by": "card", "row_time": "at", "table_time": "since", **more}
        with pytest.raises(FeatureError, match=message):
            as_of_join(asked, held, **given_)
