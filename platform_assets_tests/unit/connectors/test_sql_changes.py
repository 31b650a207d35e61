"""Databases with a cursor: every change once, in pieces of any size, late commits and ties included."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from platform_assets.connectors import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    SOURCE_POSITION,
    ChangeBatch,
    SourceError,
    conform,
    read_changes,
)
from platform_assets.connectors.sql import changes as sql_changes
from platform_assets.connectors.sql import days as sql_days
from platform_assets.declaration import Source
from platform_assets.testing.servers import PostgreSQL
from platform_assets_tests.unit.connectors.databases import Database, Schema, SQLite, access

ANYWHERE = Path()
TABLE = """
CREATE TABLE orders (
  order_id INTEGER PRIMARY KEY, ordered_at TIMESTAMP, amount DOUBLE PRECISION, version BIGINT, changed_at TIMESTAMP, gone BOOLEAN
);
"""


def insert(database: Database, *rows: tuple[int, int], changed_at: str = "2024-03-02 10:00:00") -> None:
    """Rows from (key, version)."""
    values = ", ".join(
        f"({key}, '2024-03-01 12:00:00', {key}.5, {version}, '{changed_at}', false)" for key, version in rows
    )
    database.execute(f"INSERT INTO orders VALUES {values};")


def update(database: Database, key: int, version: int) -> None:
    database.execute(f"UPDATE orders SET version = {version}, amount = {version} WHERE order_id = {key};")


def changes(source: Source, database: Database, cursor: str | None, max_rows: int = 100) -> ChangeBatch:
    return read_changes(source, ANYWHERE, cursor, max_rows=max_rows, access=access(database))


def keys(batch: ChangeBatch) -> list[int]:
    return batch.frame["order_id"].to_list()


def drained(source: Source, database: Database, cursor: str | None, max_rows: int) -> tuple[list[tuple[int, int]], str]:
    """All (key, sequence) until there is nothing more."""
    found: list[tuple[int, int]] = []
    for _ in range(1000):
        batch = changes(source, database, cursor, max_rows)
        found += batch.frame.select("order_id", CHANGE_SEQUENCE).rows() if batch.frame.height else []
        cursor = batch.cursor
        if not batch.more:
            return found, cursor
    raise AssertionError("never comes to an end")


def test_what_is_new_is_read_once(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(TABLE)
    source = make_orders(cursor="version")
    empty = changes(source, database, None)
    assert (empty.frame.height, empty.more) == (0, False)
    assert conform(empty.frame, source).frame.height == 0
    insert(database, (1, 10), (2, 11))
    first = changes(source, database, empty.cursor)
    kind = "sqlite" if isinstance(database, SQLite) else "postgresql"
    assert first.frame.select("order_id", SOURCE_POSITION, CHANGE_OPERATION, CHANGE_SEQUENCE).rows() == [
        (1, f"{kind}:orders:1", "upsert", 10),
        (2, f"{kind}:orders:2", "upsert", 11),
    ]
    again = changes(source, database, first.cursor)
    assert (keys(again), again.cursor, again.more) == ([], first.cursor, False)
    update(database, 1, 12)
    second = changes(source, database, again.cursor)
    assert second.frame.select("order_id", "amount", CHANGE_SEQUENCE).rows() == [(1, 12.0, 12)]
    assert conform(second.frame, source).extra_columns == ("changed_at", "gone")


@pytest.mark.parametrize("max_rows", [1, 2, 3, 7, 100])
def test_pieces_of_any_size_and_ties_between_them(
    make_orders: Callable[..., Source], database: Database, max_rows: int
) -> None:
    database.execute(TABLE)
    rows = [(key, 10 + key // 5) for key in range(1, 18)]
    insert(database, *rows)
    found, cursor = drained(make_orders(cursor="version"), database, None, max_rows)
    assert found == sorted(rows, key=lambda row: row[::-1])
    assert changes(make_orders(cursor="version"), database, cursor).frame.height == 0


def test_a_row_that_shares_the_last_cursor_value_is_found_when_it_comes_later(
    make_orders: Callable[..., Source], database: Database
) -> None:
    database.execute(TABLE)
    source = make_orders(cursor="changed_at")
    insert(database, (5, 1), (7, 1))
    first = changes(source, database, None)
    insert(database, (3, 1), (6, 1), (9, 1))
    second = changes(source, database, first.cursor)
    assert sorted(keys(second)) == [3, 6, 9]
    assert keys(changes(source, database, second.cursor)) == []


def test_late_commits_within_the_overlap_are_found_and_those_beyond_are_not(
    make_orders: Callable[..., Source], database: Database
) -> None:
    database.execute(TABLE)
    source = make_orders(cursor="version", overlap=10)
    insert(database, (1, 100), (2, 105))
    first = changes(source, database, None)
    insert(database, (3, 96), (4, 90), (5, 103))
    late = changes(source, database, first.cursor)
    assert sorted(keys(late)) == [3, 5]
    assert not late.more
    assert changes(source, database, late.cursor).cursor == late.cursor
    insert(database, (6, 99), (7, 110))
    assert sorted(keys(changes(source, database, late.cursor))) == [6, 7]


def test_an_overlap_of_seconds(make_orders: Callable[..., Source], postgresql_server: Any) -> None:
    database = Schema(postgresql_server)
    database.execute(TABLE.replace("TIMESTAMP", "TIMESTAMPTZ"))
    source = make_orders(cursor="changed_at", overlap=60)
    insert(database, (1, 1), changed_at="2024-03-02 10:00:00.5+01")
    first = changes(source, database, None)
    assert first.frame[CHANGE_SEQUENCE].to_list() == [1_709_370_000_500_000]
    insert(database, (2, 1), changed_at="2024-03-02 09:59:30+01")
    insert(database, (3, 1), changed_at="2024-03-02 09:58:00+01")
    assert keys(changes(source, database, first.cursor)) == [2]


def test_many_late_rows_come_in_pieces(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(TABLE)
    source = make_orders(cursor="version", overlap=1000)
    insert(database, *[(key, 100 + key) for key in range(5)])
    _, cursor = drained(source, database, None, 2)
    insert(database, *[(key, key) for key in range(50, 60)])
    found, cursor = drained(source, database, cursor, 3)
    assert sorted(key for key, _ in found) == list(range(50, 60))
    assert drained(source, database, cursor, 3)[0] == []


@pytest.mark.parametrize("seed", range(10))
def test_whatever_is_written_between_reads_every_change_within_the_overlap_arrives_once(
    make_orders: Callable[..., Source], tmp_path: Path, seed: int
) -> None:
    """A table that inserts, updates and late commits shake, read in pieces of random size."""
    chance = random.Random(seed)
    overlap = chance.choice([0, 5, 30])
    database = SQLite(tmp_path / "shop.db")
    database.execute(TABLE)
    source = make_orders(cursor="version", overlap=overlap)
    committed: list[tuple[int, int]] = []
    cursor, version, key = None, 0, 0
    for _ in range(40):
        statements = []
        for _ in range(chance.randrange(6)):
            version += chance.randrange(3)
            key += 1
            late = max(version - chance.randrange(overlap // 4 + 1), 0)
            statements.append(f"INSERT INTO orders VALUES ({key}, '2024-03-01', 1, {late}, NULL, false);")
        if key and chance.random() < 0.3:
            version += 1
            statements.append(f"UPDATE orders SET version = {version} WHERE order_id = {chance.randint(1, key)};")
        database.execute("".join(statements))
        batch = changes(source, database, cursor, chance.choice([1, 2, 5, 50]))
        if chance.random() < 0.8:  # else the load was not committed, and the next read starts at the same cursor
            cursor = batch.cursor
            committed += batch.frame.select("order_id", CHANGE_SEQUENCE).rows()
    committed += drained(source, database, cursor, 3)[0]
    with sqlite3.connect(database.path) as connection:
        rows = set(connection.execute("SELECT order_id, version FROM orders"))
    assert len(committed) == len(set(committed)), "a change arrived twice"
    assert rows <= set(committed), "a change did not arrive"
    latest = dict(sorted(committed, key=lambda change: change[1]))
    assert latest == dict(rows)


OPERATIONS = """
CREATE TABLE orders (change BIGINT PRIMARY KEY, what TEXT, order_id BIGINT, ordered_at TIMESTAMP, amount DOUBLE PRECISION);
INSERT INTO orders VALUES
  (1, 'insert', 7, '2024-03-01', 1), (2, 'U', 7, '2024-03-01', 2), (3, 'delete', 7, NULL, NULL), (4, 'merge', 8, '2024-03-01', 1);
"""


def test_a_column_says_what_happened(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(OPERATIONS)
    source = make_orders(cursor="change", operation="what")
    conformed = conform(changes(source, database, None).frame, source)
    assert conformed.frame.select("order_id", CHANGE_OPERATION, CHANGE_SEQUENCE).rows() == [
        (7, "upsert", 1), (7, "upsert", 2), (7, "delete", 3), (8, "upsert", 4),
    ]  # fmt: skip
    assert conformed.frame["uncast"].to_list()[:3] == [None] * 3
    assert "is none of insert, update and delete" in conformed.frame["uncast"][3]
    assert conformed.extra_columns == (), "columns that the connector reads are no surprise"


@pytest.mark.parametrize(
    ("column", "marks", "deleted"),
    [
        ("BOOLEAN", ["true", "false", "NULL"], [True, False, False]),
        ("TIMESTAMP", ["'2024-03-01 00:00:00'", "NULL"], [True, False]),
        ("INTEGER", ["1", "0", "NULL"], [True, False, False]),
        ("TEXT", ["'Y'", "'N'", "''"], [True, False, False]),
    ],
)
def test_soft_deletes(
    make_orders: Callable[..., Source], database: Database, column: str, marks: list[str], deleted: list[bool]
) -> None:
    rows = ", ".join(f"({i}, '2024-03-01', 1, {i}, {mark})" for i, mark in enumerate(marks))
    database.execute(
        f"CREATE TABLE orders (order_id BIGINT, ordered_at TIMESTAMP, amount FLOAT, version BIGINT, gone {column});"
        f"INSERT INTO orders VALUES {rows};"
    )
    found = changes(make_orders(cursor="version", deleted="gone"), database, None).frame
    assert [operation == "delete" for operation in found[CHANGE_OPERATION]] == deleted


MIXED = """
CREATE TABLE orders (order_id BIGINT PRIMARY KEY, ordered_at TIMESTAMPTZ, amount FLOAT, version BIGSERIAL, gone BOOLEAN DEFAULT false);
INSERT INTO orders (order_id, ordered_at, amount)
  SELECT i, '2024-03-01'::timestamptz + i * interval '1 minute', i FROM generate_series(1, 5000) i;
"""
BUMP = "version = nextval('orders_version_seq')"


def test_ten_thousand_mixed_changes_with_the_connection_cut_twice(
    make_orders: Callable[..., Source], postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Schema(postgresql_server)
    database.execute(MIXED)
    source = make_orders(cursor="version", deleted="gone", overlap=100)
    copy: dict[int, tuple[int, str, float]] = {}
    reads = 0
    honest = sql_changes.stream

    def cut_twice(connection: Any, query: Any) -> Iterator[list[Any]]:
        nonlocal reads
        reads += 1
        for batch in honest(connection, query):
            if reads in (3, 6):
                postgresql_server.cut()
            yield batch

    monkeypatch.setattr(sql_changes, "stream", cut_twice)

    def follow(cursor: str | None) -> str:
        while True:
            batch = changes(source, database, cursor, 1500)
            for row in conform(batch.frame, source).frame.iter_rows(named=True):
                change = (row[CHANGE_SEQUENCE], row[CHANGE_OPERATION], row["amount"])
                copy[row["order_id"]] = max(copy.get(row["order_id"], change), change)
            cursor = batch.cursor
            if not batch.more:
                return cursor

    cursor = follow(None)
    for step in range(5):
        database.execute(
            f"INSERT INTO orders (order_id, ordered_at, amount) SELECT i, now(), i FROM generate_series({6000 + step * 1000},"
            f" {6999 + step * 1000}) i;"
            f"UPDATE orders SET amount = amount + 1, {BUMP} WHERE order_id % 10 = {step} AND NOT gone;"
            f"UPDATE orders SET gone = true, {BUMP} WHERE order_id % 7 = {step} AND order_id < 3500;"
        )
        cursor = follow(cursor)
    assert reads > 6, "the connection was cut"
    there = {
        int(key): float(amount)
        for key, amount in database.server.execute("SELECT order_id, amount FROM orders WHERE NOT gone")
    }
    assert {key: amount for key, (_, operation, amount) in copy.items() if operation == "upsert"} == there


def test_a_transaction_that_commits_late(make_orders: Callable[..., Source], postgresql_server: PostgreSQL) -> None:
    """Its change number is older than one that was read before it committed."""
    database = Schema(postgresql_server)
    database.execute(MIXED + "DELETE FROM orders;")
    statement = "INSERT INTO orders (order_id, ordered_at, amount) VALUES (%s, now(), 1)"
    source = make_orders(cursor="version", overlap=10)
    with psycopg.connect(database.url) as slow, psycopg.connect(database.url) as quick:
        slow.execute(statement, [1])
        quick.execute(statement, [2])
        quick.commit()
        first = changes(source, database, None)
        assert keys(first) == [2]
        slow.commit()
    second = changes(source, database, first.cursor)
    assert keys(second) == [1]
    assert changes(source, database, second.cursor).cursor == second.cursor


def test_a_server_that_restarts_while_it_is_asked(
    make_orders: Callable[..., Source], postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Schema(postgresql_server)
    database.execute(MIXED)
    honest, restarts = sql_days.stream, 0

    def restarting(connection: Any, query: Any) -> Iterator[list[Any]]:
        nonlocal restarts
        restarts += 1
        if restarts == 1:
            postgresql_server.stop()
            postgresql_server.start()
        yield from honest(connection, query)

    monkeypatch.setattr(sql_days, "stream", restarting)
    batch = changes(make_orders(cursor="version"), database, None, 10_000)
    assert sorted(keys(batch)) == list(range(1, 5001))
    assert restarts == 2


def problem(source: Source, database: Database, cursor: str | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        changes(source, database, cursor)
    return str(caught.value)


def test_nulls_in_the_cursor_column_stop_the_load(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(TABLE)
    insert(database, (1, 1))
    database.execute("INSERT INTO orders VALUES (2, '2024-03-01', 1, NULL, NULL, false);")
    message = problem(make_orders(cursor="version"), database)
    for part in ("'version'", "(2,)", "WHERE version IS NOT NULL", "Nothing was loaded"):
        assert part in message
    source = make_orders(cursor="version", query="SELECT * FROM orders WHERE version IS NOT NULL")
    assert keys(changes(source, database, None)) == [1]


def test_changes_that_cannot_be_ordered_stop_the_load(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(
        "CREATE TABLE orders (order_id BIGINT, ordered_at TIMESTAMP, amount FLOAT, version BIGINT, ratio FLOAT);"
        "INSERT INTO orders VALUES (1, '2024-03-01', 1, 5, 0.5), (1, '2024-03-01', 2, 5, 0.5);"
    )
    assert "the same version, order_id: (5, 1)" in problem(make_orders(cursor="version"), database)
    database.execute("DELETE FROM orders WHERE amount = 2;")
    assert "neither a whole number nor a time" in problem(make_orders(cursor="ratio"), database)
    assert "has no column 'versoin'" in problem(make_orders(cursor="versoin"), database)
    assert "not one of a database" in problem(make_orders(cursor="version"), database, '{"offsets": {}}')


def test_text_as_cursor_is_a_time(make_orders: Callable[..., Source], tmp_path: Path) -> None:
    database = SQLite(tmp_path / "shop.db")
    database.execute(TABLE)
    insert(database, (1, 1))
    batch = changes(make_orders(cursor="changed_at"), database, None)
    assert batch.frame[CHANGE_SEQUENCE].to_list() == [1_709_373_600_000_000]
    assert "needs a cursor that is a number or a time" in problem(make_orders(cursor="changed_at", overlap=5), database)


def test_the_cursor_stays_small(
    make_orders: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = SQLite(tmp_path / "shop.db")
    database.execute(TABLE)
    monkeypatch.setattr(sql_changes, "MAX_REMEMBERED", 50)
    insert(database, *[(key, 7) for key in range(500)])
    source = make_orders(cursor="version")
    found, cursor = drained(source, database, None, 60)
    assert len(found) == 500
    assert len(json.loads(cursor)["seen"]) == 50 * 8
    assert changes(source, database, cursor).frame.height == 0
