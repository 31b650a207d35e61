"""What a lake table holds after writes, and what it says when asked for something it cannot do."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, Schema
from deltalake.transaction import AddAction, create_table_with_add_actions
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.lake.errors import (
    EmptyWriteError,
    LakeError,
    LakeKeyError,
    LakeRangeError,
    LakeSchemaError,
    LakeTableMissing,
    LakeVersionMissing,
)
from platform_assets.lake.table import LakeTable
from platform_assets.lake.versions import stored_table

Day = Callable[[int], date]
Payments = Callable[..., pl.DataFrame]


def ids(table: LakeTable, **how: object) -> list[int]:
    return table.read(**how)["transaction_id"].to_list()  # type: ignore[arg-type]


def test_every_type_comes_back_as_it_was(tmp_path: Path) -> None:
    schema = {
        "flag": pl.Int8(),
        "event_day": pl.Date(),
        "at": pl.Datetime("us", "UTC"),
        "amount": pl.Float64(),
        "small": pl.Float32(),
        "vector": pl.List(pl.Float32),
        "tags": pl.List(pl.String),
        "name": pl.String(),
        "Upper Case": pl.Int64(),
        "yes": pl.Boolean(),
        "price": pl.Decimal(10, 2),
        "place": pl.Struct({"x": pl.Float64, "y": pl.Float64}),
    }
    before_epoch, last_microsecond = datetime(1969, 7, 20, 1, tzinfo=UTC), datetime(2018, 4, 1, 23, 59, 59, 999999, UTC)
    frame = pl.DataFrame(
        {
            "flag": [-128, 127, None],
            "event_day": [date(2018, 4, 1), date(2018, 4, 2), date(2018, 4, 2)],
            "at": [before_epoch, last_microsecond, None],
            "amount": [float("nan"), float("-inf"), None],
            "small": [0.1, None, float("nan")],
            "vector": [[1.5, None], [], None],
            "tags": [["a", ""], None, []],
            "name": ["", None, "naïve ☂"],
            "Upper Case": [2**63 - 1, -(2**63), None],
            "yes": [True, None, False],
            "price": ["1.10", "-99999999.99", None],
            "place": [{"x": 1.0, "y": None}, None, {"x": 0.0, "y": 2.0}],
        },
        schema={**schema, "price": pl.String()},
    ).with_columns(pl.col("price").cast(pl.Decimal(10, 2)))
    table = LakeTable(str(tmp_path / "t"), schema, partition_by="event_day")
    table.write_partitions(frame, date(2018, 4, 1), date(2018, 4, 2))
    assert table.read().schema == pl.Schema(schema) == pl.Schema(stored_table(table.uri, None).schema)
    assert table.read().equals(frame, null_equal=True)
    assert table.scan().filter(pl.col("amount").is_nan()).collect().height == 1
    assert table.scan().filter(pl.col("amount").is_null()).collect().height == 1


def test_writing_a_partition_twice_leaves_it_once(table: LakeTable, day: Day, payments: Payments) -> None:
    for _ in range(2):
        commit = table.write_partitions(payments(0, [3, 1, 2]), day(0), day(0))
    assert ids(table) == [3, 1, 2]
    assert (commit.version, commit.rows, commit.files_added, commit.files_removed) == (2, 3, 1, 1)
    assert not commit.already_committed


def test_only_the_range_changes_and_a_day_without_rows_becomes_empty(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    whole = pl.concat([payments(0, [1]), payments(1, [2]), payments(2, [3]), payments(3, [4])])
    table.write_partitions(whole, day(0), day(3))
    table.write_partitions(payments(1, [20, 21]), day(1), day(2))
    assert ids(table) == [1, 20, 21, 4]
    assert table.count_by_partition() == {day(0): 1, day(1): 2, day(3): 1}
    assert table.partitions() == [day(0), day(1), day(3)]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)))),
        min_size=1,
        max_size=5,
    )
)
def test_any_sequence_of_writes_equals_a_dictionary_of_days(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, list[tuple[int, int]]]]
) -> None:
    schema = {"value": pl.Int64(), "event_day": pl.Date()}
    table = LakeTable(str(tmp_path_factory.mktemp("lake") / "t"), schema, partition_by="event_day")
    days = [date(2018, 12, 30) + timedelta(days=number) for number in range(6)]
    expected: dict[date, list[int]] = {}
    for begin, end, rows in writes:
        first, last = min(begin, end), max(begin, end)
        kept = [(value, days[number]) for number, value in rows if first <= number <= last]
        frame = pl.DataFrame(kept, schema=schema, orient="row")
        table.write_partitions(frame, days[first], days[last], allow_empty=True)
        expected = {day: values for day, values in expected.items() if not days[first] <= day <= days[last]}
        for value, day in kept:
            expected.setdefault(day, []).append(value)
    assert table.count_by_partition() == {day: len(values) for day, values in sorted(expected.items())}
    assert table.read()["value"].to_list() == [value for day in sorted(expected) for value in expected[day]]


def test_rows_outside_the_range_are_refused_with_counts(table: LakeTable, day: Day, payments: Payments) -> None:
    table.write_partitions(payments(0, [1]), day(0), day(0))
    frame = pl.concat([payments(0, [1]), payments(1, [2, 3]), payments(5, [4])])
    with pytest.raises(LakeRangeError, match=r"3 of 4 rows .*2018-04-02: 2, 2018-04-06: 1"):
        table.write_partitions(frame, day(0), day(0))
    nameless = payments(0, [1, 2]).with_columns(event_day=pl.lit(None, pl.Date))
    with pytest.raises(LakeRangeError, match="2 of 2 rows"):
        table.write_partitions(nameless, day(0), day(0))
    with pytest.raises(LakeRangeError, match="no event_day"):
        table.append(nameless)
    with pytest.raises(ValueError, match="ends before it begins"):
        table.write_partitions(payments(0, [1]), day(1), day(0))
    assert table.version() == 1


def test_empty_frames_delete_only_when_asked_to(table: LakeTable, day: Day, payments: Payments) -> None:
    nothing = payments(0, [])
    with pytest.raises(EmptyWriteError, match="has no rows"):
        table.write_partitions(nothing, day(0), day(0))
    assert not table.exists()
    table.write_partitions(pl.concat([payments(0, [1]), payments(1, [2])]), day(0), day(1))
    for write in (table.append, lambda frame: table.merge_rows(frame, ["transaction_id"])):
        with pytest.raises(EmptyWriteError):
            write(nothing)
    assert ids(table) == [1, 2]
    commit = table.write_partitions(nothing, day(0), day(0), allow_empty=True)
    assert (commit.rows, commit.files_removed) == (0, 1)
    assert table.count_by_partition() == {day(1): 1}


def test_nothing_for_partitions_that_are_empty_makes_no_commit_unless_it_says_something(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    nothing = payments(0, [])
    first = table.write_partitions(payments(0, [1]), day(0), day(0))
    same = table.write_partitions(nothing, day(1), day(2), allow_empty=True)
    assert (same.version, same.rows, table.version()) == (first.version, 0, first.version)
    told = table.write_partitions(nothing, day(1), day(2), allow_empty=True, metadata={"said": "so"})
    keyed = table.write_partitions(nothing, day(1), day(2), allow_empty=True, idempotency_key="load")
    assert [told.version, keyed.version] == [first.version + 1, first.version + 2]
    assert ids(table) == [1]


def test_a_table_can_be_created_empty_and_read(table: LakeTable, ledger: LakeTable, payments: Payments) -> None:
    table.append(payments(0, []), allow_empty=True)
    assert table.read().schema == payments(0, []).schema
    assert (table.row_count(), table.size_bytes(), table.partitions()) == (0, 0, [])
    ledger.replace(pl.DataFrame(schema=ledger.schema), allow_empty=True)
    assert ledger.read().height == 0


def test_reading_names_range_columns_and_version(table: LakeTable, day: Day, payments: Payments) -> None:
    table.write_partitions(pl.concat([payments(number, [number]) for number in range(4)]), day(0), day(3))
    old = table.version()
    table.write_partitions(payments(1, [100]), day(1), day(1))
    assert ids(table, first=day(1), last=day(2)) == [100, 2]
    assert ids(table, first=day(2)) == [2, 3]
    assert ids(table, last=day(1), version=old) == [0, 1]
    assert table.read(columns=["amount", "transaction_id"]).columns == ["amount", "transaction_id"]
    assert table.count_by_partition(version=0) == {}
    assert table.size_bytes(day(0), day(0)) < table.size_bytes()


def test_days_come_back_in_order_however_they_were_written(table: LakeTable, day: Day, payments: Payments) -> None:
    shuffled = pl.concat([payments(number, [number * 10 + 1, number * 10]) for number in (3, 0, 2, 4, 1)])
    table.write_partitions(shuffled, day(0), day(4))
    assert ids(table) == [1, 0, 11, 10, 21, 20, 31, 30, 41, 40]


def test_a_scan_keeps_the_version_it_began_with(table: LakeTable, day: Day, payments: Payments) -> None:
    table.write_partitions(payments(0, [1]), day(0), day(0))
    scan = table.scan()
    table.write_partitions(payments(0, [2]), day(0), day(0))
    assert scan.collect()["transaction_id"].to_list() == [1]


def test_only_the_files_of_the_range_are_opened(table: LakeTable, day: Day, payments: Payments) -> None:
    table.write_partitions(pl.concat([payments(0, [1]), payments(1, [2])]), day(0), day(1))
    for data_file in Path(table.uri, f"event_day={day(0)}").glob("*.parquet"):
        data_file.write_bytes(b"not parquet")
    assert ids(table, first=day(1), last=day(1)) == [2]
    assert table.scan().filter(pl.col("event_day") == day(1)).collect().height == 1


def test_what_is_missing_says_what_exists(table: LakeTable, day: Day, payments: Payments) -> None:
    assert not table.exists()
    assert table.version() is None
    for ask in (table.read, table.history, table.partitions, table.size_bytes):
        with pytest.raises(LakeTableMissing, match="raw/transactions does not exist"):
            ask()
    table.write_partitions(payments(0, [1]), day(0), day(0))
    for version in (-1, 2):
        with pytest.raises(LakeVersionMissing, match=rf"no version {version}: its versions are 0 \.\. 1"):
            table.read(version=version)
    with pytest.raises(LakeSchemaError, match=r"'colour'.*Declared are: transaction_id"):
        table.read(columns=["colour"])


def test_a_version_whose_files_were_vacuumed_is_refused_in_words(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    for amount in (1.0, 2.0):
        table.write_partitions(payments(0, [1], amount), day(0), day(0))
    DeltaTable(table.uri).vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(LakeVersionMissing, match="1 of its 1 data files"):
        table.scan(version=1)
    assert table.read()["amount"].to_list() == [2.0]
    for data_file in Path(table.uri).glob("event_day=*/*.parquet"):
        data_file.unlink()
    with pytest.raises(LakeVersionMissing, match="at version latest are gone"):
        table.read()


def test_log_entries_outlive_checkpoints_and_a_removed_one_is_named(ledger: LakeTable) -> None:
    for entry in range(22):
        ledger.append(pl.DataFrame({"entry": [entry], "who": ["a"]}))
    log = Path(ledger.uri, "_delta_log")
    assert list(log.glob("*.checkpoint.parquet"))
    assert ledger.read(version=3).height == 3
    for version in range(10):
        (log / f"{version:020}.json").unlink()
    assert ledger.read().height == 22
    with pytest.raises(LakeVersionMissing, match=r"version 3 .*latest is 22"):
        ledger.read(version=3)


def test_snapshot_is_replaced_whole_and_in_order(ledger: LakeTable, table: LakeTable, payments: Payments) -> None:
    ledger.replace(pl.DataFrame({"entry": [5, 4], "who": ["a", "b"]}))
    ledger.replace(pl.DataFrame({"entry": [9, 7, 8], "who": ["a", None, "c"]}))
    assert ledger.read()["entry"].to_list() == [9, 7, 8]
    assert ledger.read(version=1)["entry"].to_list() == [5, 4]
    with pytest.raises(ValueError, match="partitioned by event_day: use write_partitions"):
        table.replace(payments(0, [1]))
    with pytest.raises(ValueError, match="not partitioned"):
        ledger.partitions()


def test_merge_inserts_updates_or_keeps(table: LakeTable, day: Day, payments: Payments) -> None:
    table.append(payments(0, [1, 2], amount=1.0))
    kept = table.merge_rows(payments(0, [2, 3], amount=9.0), ["transaction_id"], when_matched="keep")
    assert kept.rows == 1
    updated = table.merge_rows(payments(0, [3, 4], amount=5.0), ["transaction_id"])
    assert updated.rows == 2
    amounts = table.read().sort("transaction_id").select("transaction_id", "amount").rows()
    assert amounts == [(1, 1.0), (2, 1.0), (3, 5.0), (4, 5.0)]


def test_merging_what_is_there_already_writes_nothing(table: LakeTable, payments: Payments) -> None:
    first = table.merge_rows(payments(0, [1, 2]), ["transaction_id"], when_matched="keep")
    again = table.merge_rows(payments(0, [2, 1], amount=7.0), ["transaction_id"], when_matched="keep")
    assert (again.version, again.rows, again.files_added) == (first.version, 0, 0)
    assert table.read()["amount"].to_list() == [1.0, 1.0]


def test_merge_over_many_days_and_without_partitions(table: LakeTable, ledger: LakeTable, payments: Payments) -> None:
    months = pl.concat([payments(number, [number]) for number in range(80)])
    assert table.merge_rows(months, ["transaction_id"], when_matched="keep").rows == 80
    more = pl.concat([months, payments(80, [80])])
    assert table.merge_rows(more, ["transaction_id"], when_matched="keep").rows == 1
    ledger.merge_rows(pl.DataFrame({"entry": [1, 2], "who": ["a", "b"]}), ["entry"])
    ledger.merge_rows(pl.DataFrame({"entry": [2, 3], "who": ["B", "c"]}), ["entry"])
    assert ledger.read().sort("entry")["who"].to_list() == ["a", "B", "c"]


def test_merge_refuses_keys_that_do_not_identify(table: LakeTable, payments: Payments) -> None:
    with pytest.raises(LakeKeyError, match="1 rows repeat"):
        table.merge_rows(payments(0, [1, 1]), ["transaction_id"])
    with pytest.raises(LakeKeyError, match="2 rows have a null key"):
        table.merge_rows(payments(0, [1, 2]).with_columns(transaction_id=pl.lit(None)), ["transaction_id"])
    for keys in ([], ["card"]):
        with pytest.raises(LakeKeyError, match="must name columns"):
            table.merge_rows(payments(0, [1]), keys)
    assert not table.exists()


def test_a_frame_or_declaration_that_does_not_fit_the_table_changes_nothing(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    table.write_partitions(payments(0, [1]), day(0), day(0))
    with pytest.raises(LakeSchemaError, match="'amount': expected Float64, found String"):
        table.write_partitions(payments(0, [1]).with_columns(amount=pl.lit("1")), day(0), day(0))
    wider = LakeTable(table.uri, {**table.schema, "colour": pl.String()}, partition_by="event_day")
    frame = payments(0, [1]).with_columns(colour=pl.lit("red"))
    with pytest.raises(LakeSchemaError, match="'colour': expected String, found absent"):
        wider.write_partitions(frame, day(0), day(0))
    with pytest.raises(LakeSchemaError, match="'colour'"):
        wider.read()
    narrow_schema = {name: dtype for name, dtype in table.schema.items() if name != "amount"}
    narrow = LakeTable(table.uri, narrow_schema, partition_by="event_day")
    assert narrow.read().columns == list(narrow_schema)
    with pytest.raises(LakeSchemaError, match="'amount': expected absent, found Float64"):
        narrow.append(frame.select(*narrow_schema))
    unpartitioned = LakeTable(table.uri, table.schema)
    with pytest.raises(LakeSchemaError, match="partitioned by"):
        unpartitioned.replace(payments(0, [1]))
    assert table.version() == 1


def test_counts_of_files_without_statistics_are_read_from_the_files(
    table: LakeTable, tmp_path: Path, payments: Payments, day: Day
) -> None:
    table.append(payments(0, [1, 2]))
    (written,) = Path(table.uri).glob("event_day=*/*.parquet")
    foreign = LakeTable(str(tmp_path / "foreign"), table.schema, partition_by="event_day")
    path = Path(foreign.uri, written.parent.name, written.name)
    path.parent.mkdir(parents=True)
    path.write_bytes(written.read_bytes())
    action = AddAction(
        str(path.relative_to(foreign.uri)), path.stat().st_size, {"event_day": str(day(0))}, 0, True, "{}"
    )
    create_table_with_add_actions(
        foreign.uri, Schema.from_arrow(pl.Schema(table.schema)), [action], partition_by=["event_day"]
    )
    assert foreign.count_by_partition() == {day(0): 2}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    table = LakeTable(str(tmp_path / "file" / "t"), {"x": pl.Int64()})
    with pytest.raises(LakeError, match=r"cannot create table .*file/t"):
        table.append(pl.DataFrame({"x": [1]}))
