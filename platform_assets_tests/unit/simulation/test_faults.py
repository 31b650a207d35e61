"""Planted faults: each kind does what it says, to the rows in its range and to no other, the same way every time."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from platform_assets.simulation.faults import FAULT_KINDS, Fault, FaultError, FaultKind, plant, plant_all
from platform_assets_tests.unit.simulation.planted_tables import (
    FIRST,
    ROWS_PER_DAY,
    changed_rows,
    fault,
    on,
    planted,
    table,
)


def test_nulls() -> None:
    before = table()
    after, rows = planted(before, fault("nulls", ratio=0.25, first_day="2018-04-02", last_day="2018-04-02"))
    assert rows == 10 == after["amount"].null_count()
    assert on(after, 1)["amount"].null_count() == 10
    assert after.drop("amount").equals(before.drop("amount"))


def test_swapped_columns_change_places() -> None:
    before = table()
    after, rows = planted(before, fault("swapped_columns"))
    assert rows == before.height
    assert after["amount"].to_list() == before["fee"].to_list()
    assert after["fee"].to_list() == before["amount"].to_list()


def test_units_and_signs() -> None:
    before = table()
    assert planted(before, fault("unit_change"))[0]["amount"].to_list() == (before["amount"] * 100).to_list()
    assert planted(before, fault("sign_flip"))[0]["amount"].to_list() == (-before["amount"]).to_list()


def test_a_constant_column_holds_the_first_value_of_each_day() -> None:
    after, _ = planted(table(), fault("constant_column"))
    days = after.group_by(after["transaction_time"].dt.date(), maintain_order=True).agg(pl.col("amount").unique())
    assert days["amount"].list.len().to_list() == [1, 1, 1]
    assert days["amount"].list.first().to_list() == [table()["amount"][i * ROWS_PER_DAY] for i in range(3)]


def test_text_is_emptied_damaged_or_unknown() -> None:
    before = table()
    assert planted(before, fault("empty_strings", ratio=0.1))[0]["note"].eq("").sum() == 12
    damaged = planted(before, fault("encoding_damage"))[0]["note"]
    assert damaged.str.contains("\u00c3\u00a9|\ufffd").all()
    unknown = planted(before, fault("unknown_references", column="note"))[0]["note"]
    assert not set(unknown) & set(before["note"])


def test_the_end_of_a_day_is_cut_off() -> None:
    after, rows = planted(table(), fault("truncated_day", factor=12.0, first_day="2018-04-02", last_day="2018-04-02"))
    assert rows == 120 - after.height > 0
    assert on(after, 1)["transaction_time"].dt.hour().max() == 11
    assert on(after, 0).equals(on(table(), 0))


def test_clocks_run_ahead() -> None:
    before = table(1)
    ahead = planted(before, fault("clock_ahead", ratio=0.5))[0]
    days = (ahead["transaction_time"] - before["transaction_time"]).dt.total_days()
    assert set(days.to_list()) == {0, 1, 2, 3}
    shifted = planted(before, fault("shifted_time_zone", factor=3.0))[0]
    assert (shifted["transaction_time"] - before["transaction_time"]).unique().to_list() == [timedelta(hours=3)]


def test_a_repeated_day_is_the_day_before_with_a_later_date() -> None:
    before = table()
    after, rows = planted(before, fault("repeated_day", first_day="2018-04-02", last_day="2018-04-02"))
    assert rows == ROWS_PER_DAY
    moved = on(before, 0).with_columns(pl.col("transaction_time") + timedelta(days=1))
    assert on(after, 1).equals(moved)
    assert on(after, 0).equals(on(before, 0))
    assert on(after, 2).equals(on(before, 2))


def test_nulls_of_a_text_column_leave_its_type() -> None:
    after, rows = planted(table(), fault("nulls", column="note", ratio=0.5))
    assert rows == 60 == after["note"].null_count()
    assert after.schema == table().schema


def test_duplicates() -> None:
    before = table()
    after, rows = planted(before, fault("duplicates", ratio=0.1))
    assert rows == 12 == after.height - before.height
    assert after.unique(maintain_order=True).equals(before)
    assert after["transaction_id"].is_sorted()


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Float32, pl.Int64, pl.Int8])
def test_out_of_range_leaves_any_range_of_signed_numbers(dtype: pl.DataType) -> None:
    before = table().with_columns((pl.col("amount") * 3).cast(dtype))
    after, rows = planted(before, fault("out_of_range", ratio=0.25))
    changed = changed_rows(before, after, "amount")
    assert rows == 30 == changed.height
    assert (after["amount"] < 0).sum() == 30
    assert after.schema == before.schema
    smallest = before["amount"].min()
    assert after["amount"].max() > 0
    assert after.filter(pl.col("amount") < 0)["amount"].max() < -smallest


def test_out_of_range_of_small_and_unsigned_integers_stops_at_the_types_bounds() -> None:
    small = table().with_columns(pl.lit(120, pl.Int8).alias("amount"))
    assert planted(small, fault("out_of_range"))[0]["amount"].unique().to_list() == [-128]
    unsigned = table().with_columns(pl.lit(7, pl.UInt16).alias("amount"))
    assert planted(unsigned, fault("out_of_range"))[0]["amount"].unique().to_list() == [65_535]


def test_out_of_range_scales_with_its_factor() -> None:
    after, _ = planted(table(), fault("out_of_range", factor=100.0))
    assert after["amount"].equals(-table()["amount"] * 100.0 - 1.0)


def test_missing_column_takes_it_from_every_frame_that_reaches_into_the_range() -> None:
    gone = fault("missing_column", first_day="2018-04-02", last_day="2018-04-02")
    after, rows = planted(table(), gone)
    assert "amount" not in after.columns
    assert rows == 120
    untouched, none = planted(on(table(), 0), gone)
    assert none == 0
    assert untouched.equals(on(table(), 0))


def test_changed_type() -> None:
    after, rows = planted(table(), fault("changed_type", first_day="2018-04-03"))
    assert after.schema["amount"] == pl.String
    assert after["amount"][0] == "1.5 EUR"
    assert rows == 120
    assert planted(table(), fault("changed_type", column="note"))[0].schema["note"] == pl.Int64
    assert planted(table(), fault("changed_type", column="transaction_time"))[0].schema["transaction_time"] == pl.String


def test_late_rows_move_back_one_to_three_days() -> None:
    before = table()
    after, rows = planted(before, fault("late_rows", ratio=0.5, first_day="2018-04-03"))
    moved = (before["transaction_time"] - after["transaction_time"]).dt.total_seconds()
    assert rows == 20 == (moved > 0).sum()
    assert set(moved.filter(moved > 0)) == {86_400, 2 * 86_400, 3 * 86_400}
    assert moved[: 2 * ROWS_PER_DAY].sum() == 0
    assert after.schema == before.schema


def test_volume_drop() -> None:
    before = table()
    after, rows = planted(before, fault("volume_drop", ratio=0.6, last_day="2018-04-01"))
    assert rows == 24 == before.height - after.height
    assert on(after, 0).height == 16
    assert before.join(after, on=before.columns, how="semi").equals(after)


def test_covariate_drift() -> None:
    before = table()
    after, rows = planted(before, fault("covariate_drift", first_day="2018-04-02"))
    assert rows == 80
    assert after["amount"][:40].equals(before["amount"][:40])
    assert after["amount"][40:].equals(before["amount"][40:] * 1.5)
    whole = before.with_columns(pl.col("transaction_id").alias("amount"))
    assert planted(whole, fault("covariate_drift", factor=3))[0]["amount"].equals(whole["transaction_id"] * 3)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Boolean, pl.Float64])
def test_label_drift_flips_one_way(dtype: pl.DataType) -> None:
    before = table().with_columns(pl.col("is_fraud").cast(dtype))
    more, rows = planted(before, fault("label_drift", ratio=0.5))
    assert rows == 54 == more["is_fraud"].sum() - before["is_fraud"].sum()
    assert not changed_rows(before, more, "is_fraud")["is_fraud"].cast(bool).any()
    fewer, gone = planted(before, fault("label_drift", ratio=0.5, factor=0.5))
    assert gone == 6 == before["is_fraud"].sum() - fewer["is_fraud"].sum()
    assert more.schema == fewer.schema == before.schema


def test_concept_drift_keeps_the_base_rate_and_drops_the_dependence() -> None:
    before = table(60).with_columns((pl.col("amount") > 6).cast(pl.Int8).alias("is_fraud"))
    after, rows = planted(before, fault("concept_drift", first_day="2018-04-03"))
    by_day = pl.col("transaction_time").dt.date()
    rate = pl.col("is_fraud").mean()
    assert (
        before.group_by(by_day)
        .agg(rate)
        .sort(by_day.meta.output_name())
        .equals(after.group_by(by_day).agg(rate).sort(by_day.meta.output_name()))
    )
    assert rows == changed_rows(before, after, "is_fraud").height > 0
    assert after[: 2 * ROWS_PER_DAY].equals(before[: 2 * ROWS_PER_DAY])
    assert before.select(pl.corr("amount", "is_fraud")).item() > 0.7
    assert abs(after[2 * ROWS_PER_DAY :].select(pl.corr("amount", "is_fraud")).item()) < 0.1


ANY_FAULT = st.builds(
    fault,
    kind=st.sampled_from(FAULT_KINDS),
    seed=st.integers(0, 5),
    first_day=st.sampled_from([None, FIRST, FIRST + timedelta(days=1)]),
    last_day=st.sampled_from([None, FIRST + timedelta(days=1), FIRST + timedelta(days=3)]),
)
VALUE_KINDS = [kind for kind in FAULT_KINDS if kind not in ("missing_column", "changed_type")]


@given(one=ANY_FAULT)
@settings(max_examples=80, deadline=None)
def test_the_same_fault_spoils_the_same_way_and_leaves_its_input_alone(one: Fault) -> None:
    before = table(5)
    first, second = planted(before, one), planted(table(5), one)
    assert before.equals(table(5))
    assert first[0].equals(second[0])
    assert first[1] == second[1] > 0


@given(
    kind=st.sampled_from([kind for kind in VALUE_KINDS if kind != "repeated_day"]),
    ratio=st.sampled_from([0.01, 0.3, 1.0]),
    last=st.integers(0, 4),
    seed=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=80, deadline=None)
def test_a_day_alone_carries_the_fault_it_carries_in_a_range_whatever_the_order_of_rows(
    kind: FaultKind, ratio: float, last: int, seed: int, order: Any
) -> None:
    before = table(5)
    share = {} if kind == "all_null" else {"ratio": ratio}
    one = fault(kind, **share, seed=seed, last_day=FIRST + timedelta(days=last))
    whole, rows = planted(before, one)
    parts = [planted(on(before, index), one) for index in range(5)]
    assert pl.concat([part for part, _ in parts]).equals(whole)
    assert sum(count for _, count in parts) == rows
    positions = list(range(before.height))
    order.shuffle(positions)
    shuffled, shuffled_rows = planted(before[positions], one)
    by = ["transaction_id", "transaction_time"]
    assert shuffled_rows == rows
    assert shuffled.sort(by).equals(whole.sort(by))
    for index in range(last + 1, 5):
        ids = on(before, index)["transaction_id"].implode()
        assert whole.filter(pl.col("transaction_id").is_in(ids)).equals(on(before, index))


def test_a_larger_ratio_spoils_the_same_rows_and_more() -> None:
    small, _ = planted(table(), fault("nulls", ratio=0.1))
    large, _ = planted(table(), fault("nulls", ratio=0.4))
    assert large.filter(small["amount"].is_null())["amount"].null_count() == small["amount"].null_count() == 12


def test_another_seed_spoils_other_rows() -> None:
    one, _ = planted(table(), fault("nulls", ratio=0.3))
    other, _ = planted(table(), fault("nulls", ratio=0.3, seed=1))
    assert not one.equals(other)


def test_a_small_ratio_still_spoils_a_row_a_day() -> None:
    assert planted(table(3), fault("nulls", ratio=0.001))[1] == 3


def test_rows_without_a_time_stay_as_they_are() -> None:
    before = table().with_columns(
        pl.when(pl.col("transaction_id") < 5).then(None).otherwise(pl.col("transaction_time")).alias("transaction_time")
    )
    after, rows = planted(before, fault("nulls"))
    assert rows == 115
    assert after[:5].equals(before[:5])


def test_a_table_without_event_time_is_taken_whole() -> None:
    static = table().select("transaction_id", "amount")
    after, rows = plant(static, fault("nulls", ratio=0.5), event_time=None)
    assert rows == 60 == after["amount"].null_count()
    with pytest.raises(FaultError, match="no event time"):
        plant(static, fault("nulls", first_day="2018-04-01"), event_time=None)
    with pytest.raises(FaultError, match="no event time"):
        plant(static, fault("late_rows"), event_time=None)


def test_an_empty_frame_stays_empty() -> None:
    for kind in FAULT_KINDS:
        after, rows = planted(table(0), fault(kind))
        assert rows == 0
        assert after.equals(table(0))


def test_days_are_those_of_utc() -> None:
    local = table().with_columns(pl.col("transaction_time").dt.convert_time_zone("America/New_York"))
    one = fault("nulls", ratio=0.5, first_day="2018-04-02", last_day="2018-04-02")
    assert planted(local, one)[0]["amount"].equals(planted(table(), one)[0]["amount"])


def test_several_faults_meet_in_an_order_that_lets_each_find_its_column() -> None:
    faults = [
        fault("missing_column"),
        fault("late_rows", ratio=0.2),
        fault("nulls", ratio=0.5),
        Fault(kind="nulls", table="labels", column="is_fraud"),
        fault("covariate_drift", factor=2.0),
    ]
    after, done = plant_all(
        table(), faults, table="transactions", event_time="transaction_time", keys=["transaction_id"]
    )
    assert [(item.fault.kind, item.rows) for item in done] == [
        ("covariate_drift", 120),
        ("nulls", 60),
        ("late_rows", 24),
        ("missing_column", 120),
    ]
    assert after.columns == ["transaction_id", "transaction_time", "fee", "is_fraud", "note"]


def test_without_a_fault_of_its_own_a_table_stays() -> None:
    after, done = plant_all(table(), [fault("nulls")], table="labels", event_time="transaction_time")
    assert after.equals(table())
    assert done == ()


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (fault("nulls", column="amonut"), "table 'transactions', column 'amonut': there is no column 'amonut'"),
        (fault("out_of_range", column="note"), "it is String, and this kind needs numbers"),
        (fault("covariate_drift", column="note"), "it is String, and this kind needs numbers"),
        (fault("label_drift", column="note"), "it is String, and this kind needs 0 and 1"),
        (fault("label_drift", column="amount"), "120 of 120 rows are neither 0 nor 1"),
    ],
)
def test_a_fault_that_does_not_fit_the_frame_is_refused(one: Fault, message: str) -> None:
    with pytest.raises(FaultError, match=message):
        planted(table(), one)


def test_an_event_time_that_is_no_time_is_refused() -> None:
    with pytest.raises(FaultError, match="event time 'note' is String, not a Date or Datetime"):
        plant(table(), fault("nulls"), event_time="note")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "nulls"}, "needs a column"),
        ({"kind": "duplicates", "column": "amount"}, "leave column out"),
        ({"kind": "nulls", "column": "amount", "factor": 2}, "has no factor"),
        ({"kind": "missing_column", "column": "amount", "ratio": 0.5}, "takes the whole column"),
        ({"kind": "volume_drop", "ratio": 0}, "greater than 0"),
        ({"kind": "volume_drop", "ratio": 1.1}, "less than or equal to 1"),
        ({"kind": "volume_drop", "first_day": "2018-04-02", "last_day": "2018-04-01"}, "lies before first_day"),
        ({"kind": "gremlins"}, "Input should be"),
        ({"kind": "volume_drop", "share": 0.1}, "Extra inputs"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Fault(table="transactions", **fields)
