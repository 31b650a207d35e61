"""From rows as found to declared columns: bad cells kept, changed columns refused."""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors.conforming import conform
from platform_assets.connectors.delivery import first_uncast
from platform_assets.connectors.errors import SchemaMismatch, SourceError
from platform_assets.declaration import Source
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    DELIVERED_DAY,
    EXTRA,
    SOURCE_LINE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UNCAST,
)


def found(**columns: Any) -> pl.DataFrame:
    rows = max(len(values) for values in columns.values())
    standard = {
        "ride_id": [str(i) for i in range(rows)],
        "started_at": ["2024-03-01T12:00:00"] * rows,
        "price": ["1.5"] * rows,
        "remark": [None] * rows,
    }
    frame = pl.DataFrame({**standard, **columns}, schema_overrides={"remark": pl.String})
    return frame.with_columns(
        (pl.lit("rides.csv:") + pl.int_range(2, pl.len() + 2).cast(pl.String)).alias(SOURCE_POSITION),
        pl.lit(date(2024, 3, 1)).alias(DELIVERED_DAY),
        pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM),
    )


def test_bad_cells_of_text_become_null_and_are_named_and_no_row_is_lost(make_source: Callable[..., Source]) -> None:
    rows = found(price=["1.5", "12,5", "3", "it's"], ride_id=["0", "1", "2", "x"])
    conformed = conform(rows, make_source())
    assert conformed.frame["price"].to_list() == [1.5, None, 3.0, None]
    assert conformed.frame["ride_id"].to_list() == [0, 1, 2, None]
    assert conformed.frame[UNCAST].to_list() == [None, "price='12,5'", None, "ride_id='x'; price='it''s'"]
    assert conformed.uncast_rows == 2
    assert conformed.frame.schema == {
        **{name: dtype for name, dtype in make_source().polars_schema().items() if name != "event_day"},
        SOURCE_POSITION: pl.String,
        SOURCE_LINE: pl.Int64,
        DELIVERED_DAY: pl.Date,
        UNCAST: pl.String,
        EXTRA: pl.String,
    }


def test_a_row_that_could_not_be_taken_apart_is_named(make_source: Callable[..., Source]) -> None:
    rows = found(price=["1", None]).with_columns(pl.Series(SOURCE_PROBLEM, [None, "2 cells instead of 4: 5,it's"]))
    conformed = conform(rows, make_source())
    assert conformed.frame[UNCAST].to_list() == [None, "*='2 cells instead of 4: 5,it''s'"]


@pytest.mark.parametrize("text", ["12,5", "it's", "a'; b='c", "'", "''", "x\ny"])
def test_the_first_bad_cell_can_be_read_back(make_source: Callable[..., Source], text: str) -> None:
    frame = conform(found(price=["1", "2", text], ride_id=["1", "2", "3"]), make_source()).frame
    column, value = first_uncast(pl.col(UNCAST))
    assert frame.select(column.alias("column"), value.alias("value")).row(2) == ("price", text)


def test_extra_columns_are_reported_and_kept_aside(make_source: Callable[..., Source]) -> None:
    conformed = conform(found(price=["1", "2"], tip=["2", None], note=['x"y', None]), make_source())
    assert conformed.extra_columns == ("tip", "note")
    assert "tip" not in conformed.frame.columns
    kept, nothing = conformed.frame[EXTRA]
    assert json.loads(kept) == {"tip": "2", "note": 'x"y'}
    assert nothing is None


def test_extra_columns_of_any_type_are_kept_aside(make_source: Callable[..., Source]) -> None:
    rows = found(
        price=[1.5],
        ride_id=pl.Series([1]),
        started_at=pl.Series([datetime(2024, 3, 1)]),
        when=pl.Series([datetime(2024, 3, 1, 12)]),
        cost=pl.Series([Decimal("1.10")]),
        tags=pl.Series([["a", "b"]]),
        data=pl.Series([b"\x00"]),
        at=pl.Series([time(1, 2)]),
        took=pl.Series([timedelta(seconds=5)]),
        parts=pl.Series([[{"data": b"a"}]]),
        deep=pl.Series([{"cost": Decimal("1.10"), "at": [datetime(2024, 3, 1)]}]),
    )
    kept = json.loads(conform(rows, make_source(format="parquet")).frame[EXTRA][0])
    assert kept["tags"] == ["a", "b"]
    assert (kept["cost"], kept["data"]) == ("1.10", "AA==")
    assert (kept["took"], kept["parts"]) == ("0:00:05", "[{'data': b'a'}]")
    assert kept["deep"] == {"cost": "1.10", "at": ["2024-03-01 00:00:00"]}
    assert kept["when"].startswith("2024-03-01 12:00")


def changes(**columns: Any) -> pl.DataFrame:
    frame = found(**columns)
    return frame.with_columns(pl.lit("upsert").alias(CHANGE_OPERATION), pl.int_range(pl.len()).alias(CHANGE_SEQUENCE))


def test_changes_keep_their_operation_and_sequence(make_source: Callable[..., Source]) -> None:
    frame = conform(changes(price=["1", "2"]), make_source()).frame
    assert frame.select(CHANGE_OPERATION, CHANGE_SEQUENCE).rows() == [("upsert", 0), ("upsert", 1)]


def test_a_delete_may_carry_its_key_alone_and_an_upsert_may_not(make_source: Callable[..., Source]) -> None:
    rows = changes(price=["1", "2"]).drop("price", "started_at")
    deletes = rows.with_columns(pl.lit("delete").alias(CHANGE_OPERATION))
    frame = conform(deletes, make_source()).frame
    assert frame["ride_id"].to_list() == [0, 1]
    assert frame["price"].to_list() == [None, None]
    with pytest.raises(SchemaMismatch, match=r"'price': .*no such column \(2 rows\)"):
        conform(rows, make_source())


def test_a_single_change_with_a_bad_cell_does_not_stop_the_feed(make_source: Callable[..., Source]) -> None:
    conformed = conform(changes(price=["dear"]), make_source())
    assert conformed.frame[UNCAST].to_list() == ["price='dear'"]
    with pytest.raises(SchemaMismatch):
        conform(changes(price=["dear"] * 30), make_source())


def test_a_missing_column_stops_the_load(make_source: Callable[..., Source]) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        conform(found(price=["1", "2", "3"]).drop("price").rename({"remark": "Remark"}), make_source())
    assert [(problem.column, problem.rows) for problem in caught.value.problems] == [("price", 3), ("remark", 3)]
    text = str(caught.value)
    for part in ("'rides'", "'price': expected float64, found no such column", "'Remark'", "defs.yaml"):
        assert part in text
    assert isinstance(caught.value, SourceError)


def test_text_of_another_type_stops_the_load(make_source: Callable[..., Source]) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        conform(found(price=["1 EUR", "2 EUR", "3", None]), make_source())
    [problem] = caught.value.problems
    assert (problem.column, problem.rows, problem.examples) == ("price", 2, ("1 EUR", "2 EUR"))


def test_half_of_a_text_column_may_be_bad(make_source: Callable[..., Source]) -> None:
    assert conform(found(price=["1 EUR", "2", None]), make_source()).uncast_rows == 1


def test_typed_columns_have_to_fit_altogether(make_source: Callable[..., Source]) -> None:
    source = make_source(format="parquet")
    good = found(price=[1, 2]).with_columns(
        pl.col("ride_id").cast(pl.Int32), pl.col("started_at").str.to_datetime().dt.cast_time_unit("ns")
    )
    frame = conform(good, source).frame
    assert frame.select("ride_id", "price").rows() == [(0, 1.0), (1, 2.0)]
    with pytest.raises(SchemaMismatch, match="'ride_id': expected int64, found Float64") as caught:
        conform(good.with_columns(ride_id=pl.Series([1.0, 1.5])), source)
    assert caught.value.problems[0].rows == 1
    with pytest.raises(SchemaMismatch, match="text that does not fit"):
        conform(good.with_columns(ride_id=pl.Series(["1", "2"])), source)
    with pytest.raises(SchemaMismatch, match="'remark': expected string, found Int64"):
        conform(good.with_columns(remark=pl.Series([1, 2])), source)


def test_no_rows_conform(make_source: Callable[..., Source]) -> None:
    conformed = conform(found(price=["1"]).clear(), make_source())
    assert (conformed.frame.height, conformed.uncast_rows) == (0, 0)
