"""How tables on disk follow their declaration, and which changes are refused."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.declaration.sections.migrations import Default, Migration, Rename, Retire, Widen
from platform_assets.lake.errors import LakeSchemaError
from platform_assets.lake.evolution import EVOLVE, MIGRATIONS, Evolution
from platform_assets.lake.maintenance import maintain
from platform_assets.lake.table import LakeTable
from platform_assets.lake.versions import stored_table

Day = Callable[[int], date]
Payments = Callable[..., pl.DataFrame]
AUTOMATIC = Evolution(automatic=True)


def redeclared(table: LakeTable, *migrations: Migration, automatic: bool = False, **columns: Any) -> LakeTable:
    """The table with other columns: a type declares one, None takes one out."""
    schema = {**table.schema, **columns}
    schema = {name: dtype for name, dtype in schema.items() if dtype is not None}
    return replace(table, schema=schema, evolution=Evolution(automatic, migrations))


def test_an_added_column_is_null_in_old_rows_and_rewrites_nothing(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    table.write_partitions(payments(0, [1, 2]), day(0), day(0))
    before = set(Path(table.uri).rglob("*.parquet"))
    wider = redeclared(table, automatic=True, colour=pl.String())
    assert wider.read()["colour"].to_list() == [None, None]
    wider.write_partitions(payments(1, [3]).with_columns(colour=pl.lit("red")), day(1), day(1))
    assert wider.read().select("transaction_id", "colour").rows() == [(1, None), (2, None), (3, "red")]
    assert before < set(Path(table.uri).rglob("*.parquet"))
    assert len(set(Path(table.uri).rglob("*.parquet")) - before) == 1
    assert wider.history(2)[1].operation == EVOLVE
    assert wider.read(version=1)["colour"].to_list() == [None, None]


def test_a_column_no_longer_declared_stays_and_new_rows_lack_it(table: LakeTable, day: Day, payments: Payments) -> None:
    table.append(payments(0, [1], amount=5.0))
    narrow = redeclared(table, automatic=True, amount=None)
    narrow.write_partitions(payments(1, [2]).drop("amount"), day(1), day(1))
    narrow.merge_rows(payments(1, [3]).drop("amount"), ["transaction_id"])
    assert narrow.read().columns == ["transaction_id", "transaction_time", "event_day"]
    assert table.read().sort("transaction_id")["amount"].to_list() == [5.0, None, None]


@pytest.mark.parametrize(
    ("stored", "declared", "values", "expected"),
    [
        (pl.Int8(), pl.Int32(), [1, None], [1, None]),
        (pl.Int32(), pl.Int64(), [1, -7], [1, -7]),
        (pl.Int8(), pl.Float64(), [1, None], [1.0, None]),
        (pl.Int64(), pl.Float64(), [2**53, None], [float(2**53), None]),
        (pl.Date(), pl.Datetime("us", "UTC"), [date(2020, 1, 2), None], [datetime(2020, 1, 2, tzinfo=UTC), None]),
    ],
)
def test_a_wider_type_is_one_commit_that_keeps_values_and_order(
    tmp_path: Path, stored: pl.DataType, declared: pl.DataType, values: list[Any], expected: list[Any]
) -> None:
    schema: dict[str, pl.DataType] = {"value": stored, "event_day": pl.Date()}
    table = LakeTable(str(tmp_path / "t"), schema, "event_day", evolution=AUTOMATIC)
    days = [date(2020, 1, 1)] * 2
    table.append(pl.DataFrame({"value": values, "event_day": days}, schema=schema))
    wider = redeclared(table, automatic=True, value=declared)
    assert wider.read()["value"].to_list() == expected
    wider.write_partitions(pl.DataFrame(schema=wider.schema), date(2020, 2, 1), date(2020, 2, 1), allow_empty=True)
    assert stored_table(wider.uri, None).schema == wider.schema
    assert wider.read()["value"].to_list() == expected
    assert [entry.operation for entry in wider.history()[:2]] == [EVOLVE, "append"]
    assert wider.read(version=1)["value"].to_list() == expected


def test_a_value_that_does_not_survive_stops_the_change(tmp_path: Path) -> None:
    table = LakeTable(str(tmp_path / "t"), {"value": pl.Int64()})
    table.append(pl.DataFrame({"value": [2**53 + 1]}))
    wider = redeclared(table, automatic=True, value=pl.Float64())
    with pytest.raises(LakeSchemaError, match="expected Float64, found Int64 with 1 values that do not fit"):
        wider.append(pl.DataFrame({"value": [1.5]}))
    assert table.version() == 1


@pytest.mark.parametrize(
    ("stored", "declared"), [(pl.Int64(), pl.Int32()), (pl.String(), pl.Int64()), (pl.Float64(), pl.Int64())]
)
def test_any_other_change_is_refused_with_expected_and_found(
    tmp_path: Path, stored: pl.DataType, declared: pl.DataType
) -> None:
    table = LakeTable(str(tmp_path / "t"), {"value": stored})
    table.append(pl.DataFrame({"value": [None]}, schema={"value": stored}))
    other = redeclared(table, automatic=True, value=declared)
    with pytest.raises(LakeSchemaError, match=f"'value': expected {declared}, found {stored}.*migrations"):
        other.append(pl.DataFrame({"value": [None]}, schema={"value": declared}))
    with pytest.raises(LakeSchemaError, match="'value'"):
        other.read()


def test_declared_migrations_change_a_stored_table_once_and_are_recorded(
    table: LakeTable, day: Day, payments: Payments
) -> None:
    table.write_partitions(pl.concat([payments(0, [2, 1], 5.0), payments(1, [3], 7.0)]), day(0), day(1))
    migrations = (
        Rename(kind="rename", column="price", was="amount", why="the source says price now"),
        Default(kind="default", column="currency", value="EUR", why="there was one before"),
    )
    new = redeclared(table, *migrations, amount=None, price=pl.Float64(), currency=pl.String())
    expected = [(2, 5.0, "EUR"), (1, 5.0, "EUR"), (3, 7.0, "EUR")]
    columns = ["transaction_id", "price", "currency"]
    assert new.read(columns=columns).rows() == expected  # before the table has changed
    frame = payments(2, [4], 9.0).rename({"amount": "price"}).with_columns(currency=pl.lit("USD"))
    new.write_partitions(frame, day(2), day(2))
    new.write_partitions(frame, day(2), day(2))
    assert new.read(columns=columns).rows() == [*expected, (4, 9.0, "USD")]
    assert stored_table(new.uri, None).schema == new.schema
    evolved = [entry for entry in new.history() if entry.operation == EVOLVE]
    assert len(evolved) == 1
    assert json.loads(evolved[0].metadata[MIGRATIONS]) == [str(migration) for migration in migrations]
    assert new.read(version=1, columns=columns).rows() == expected


def test_what_is_not_declared_is_not_migrated(table: LakeTable, payments: Payments) -> None:
    table.append(payments(0, [1]))
    for columns in ({"colour": pl.String()}, {"amount": None}, {"transaction_id": pl.Float64()}):
        changed = redeclared(table, **columns)
        frame = pl.DataFrame(schema=changed.schema)
        with pytest.raises(LakeSchemaError, match=next(iter(columns))):
            changed.append(frame, allow_empty=True)
    retired = redeclared(table, Retire(kind="retire", column="amount", why="empty for a year"), amount=None)
    retired.append(payments(0, [2]).drop("amount"))
    assert table.row_count() == 2


def test_renames_and_widenings_follow_each_other(table: LakeTable, payments: Payments) -> None:
    counted = redeclared(table, amount=None, n=pl.Int8())
    counted.append(payments(0, [1]).drop("amount").with_columns(n=pl.lit(3, pl.Int8)))
    migrations = (
        Widen(kind="widen", column="number", was="int8", why="grows"),
        Rename(kind="rename", column="number", was="n", why="in full"),
        Rename(kind="rename", column="items", was="number", why="clearer"),
        Widen(kind="widen", column="items", was="int8", why="grows"),
    )
    new = redeclared(table, *migrations, amount=None, items=pl.Int64())
    new.append(payments(0, [2]).drop("amount").with_columns(items=pl.lit(2**40)))
    assert sorted(new.read()["items"]) == [3, 2**40]


def test_upkeep_of_a_table_with_old_and_new_columns(table: LakeTable, day: Day, payments: Payments) -> None:
    table.append(payments(0, [2]))
    wider = redeclared(table, automatic=True, colour=pl.String())
    wider.append(payments(0, [1]).with_columns(colour=pl.lit("red")))
    maintain(table.uri, None, cluster_by=["transaction_id"], keep_versions=[], keep_days=0, dry_run=False)
    assert wider.read().select("transaction_id", "colour").rows() == [(1, "red"), (2, None)]


def test_writers_of_the_old_and_of_the_new_declaration_at_once(table: LakeTable, day: Day, payments: Payments) -> None:
    old = replace(table, evolution=AUTOMATIC)
    old.append(payments(0, [0]))
    counted = redeclared(old, automatic=True, transaction_id=pl.Float64(), colour=pl.String())

    def write_old(number: int) -> int:
        done = 0
        for position in range(4):
            try:
                old.append(payments(number, [position]))
            except LakeSchemaError:  # it runs the old declaration: refused, and told so
                break
            done += 1
        return done

    def write_new(number: int) -> int:
        for position in range(4):
            frame = payments(number, [position]).with_columns(pl.lit("red").alias("colour"))
            counted.append(frame.with_columns(pl.col("transaction_id").cast(pl.Float64)))
        return 4

    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(write_old, 1),
            pool.submit(write_old, 2),
            pool.submit(write_new, 3),
            pool.submit(write_new, 4),
        ]
        acknowledged = {number: future.result() for number, future in enumerate(running, start=1)}
    found = counted.read()
    expected = {day(0): 1, **{day(number): rows for number, rows in acknowledged.items() if rows}}
    assert counted.count_by_partition() == expected
    assert found.height == sum(expected.values())
    assert found.schema == pl.Schema(counted.schema)
    assert sum(entry.operation == EVOLVE for entry in counted.history(None)) == 1
