"""Databases by event day and whole: exact values, positions, and errors that say what to do."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from platform_assets.connectors import DELIVERED_DAY, SOURCE_POSITION, Access, SchemaMismatch, SourceError, conform
from platform_assets.connectors import read_source as read
from platform_assets.connectors.sql import days as sql
from platform_assets.declaration import Source
from platform_assets_tests.unit.connectors.databases import VARIABLE, Database, Schema, SQLite, access

ANYWHERE = Path()
ORDERS = """
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, ordered_at TIMESTAMP, amount DOUBLE PRECISION, note TEXT);
INSERT INTO orders VALUES
  (1, '2024-03-01 00:00:00', 1.5, 'a'), (2, '2024-03-01 23:59:59.999999', 2, NULL),
  (3, '2024-03-02 00:00:00', 3, 'c'), (4, NULL, 4, 'd'), (5, '2024-02-29 23:59:59', 5, 'e');
"""


@pytest.mark.parametrize("where", ["table", "query"])
def test_event_days_are_read_exactly(make_orders: Callable[..., Source], database: Database, where: str) -> None:
    database.execute(ORDERS)
    source = make_orders(query="SELECT * FROM orders WHERE note IS NULL OR note <> 'c:d'") if where == "query" else None
    source = source or make_orders()
    found = read(source, ANYWHERE, date(2024, 3, 1), date(2024, 3, 1), access=access(database))
    kind = "sqlite" if isinstance(database, SQLite) else "postgresql"
    assert found.select("order_id", SOURCE_POSITION, DELIVERED_DAY).rows() == [
        (1, f"{kind}:orders:1", date(2024, 3, 1)),
        (2, f"{kind}:orders:2", date(2024, 3, 1)),
    ]
    conformed = conform(found, source)
    assert conformed.frame["ordered_at"].to_list() == [
        datetime(2024, 3, 1, tzinfo=UTC),
        datetime(2024, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    assert [json.loads(text) if text else None for text in conformed.frame["extra"]] == [{"note": "a"}, None]
    assert conformed.extra_columns == ("note",)


def test_a_reference_table_is_read_whole(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(ORDERS)
    source = make_orders().model_copy(update={"event_time": None})
    found = read(source, ANYWHERE, access=access(database))
    assert sorted(found["order_id"]) == [1, 2, 3, 4, 5]
    assert found[DELIVERED_DAY].to_list() == [None] * 5


def test_nothing_is_used_of_an_attempt_that_broke(
    make_orders: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_assets.connectors.access._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(sql, "BATCH_ROWS", 2)
    database = SQLite(tmp_path / "shop.db")
    database.execute(ORDERS)
    honest, attempts = sql.stream, 0

    def broken_twice(connection: Any, query: Any) -> Iterator[list[Any]]:
        nonlocal attempts
        attempts += 1
        for batch in honest(connection, query):
            yield batch
            if attempts < 3:
                raise sa.exc.OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(sql, "stream", broken_twice)
    source = make_orders().model_copy(update={"event_time": None})
    assert sorted(read(source, ANYWHERE, access=access(database))["order_id"]) == [1, 2, 3, 4, 5]
    assert attempts == 3


def test_an_empty_table(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(ORDERS + "DELETE FROM orders;")
    found = read(make_orders(), ANYWHERE, date(2024, 3, 1), date(2024, 3, 2), access=access(database))
    assert conform(found, make_orders()).frame.height == 0


def test_times_of_sqlite_with_a_zone_fall_on_their_utc_day(make_orders: Callable[..., Source], tmp_path: Path) -> None:
    database = SQLite(tmp_path / "shop.db")
    database.execute(
        "CREATE TABLE orders (order_id, ordered_at, amount);"
        "INSERT INTO orders VALUES (1, '2024-03-02T01:00:00+02:00', 1.0), (2, '2024-02-29T23:00:00-02:00', 1.0),"
        " (3, '2024-03-01', 1.0), (4, '2024-03-02T00:30:00Z', 1.0);"
    )
    found = read(make_orders(), ANYWHERE, date(2024, 3, 1), date(2024, 3, 1), access=access(database))
    assert sorted(found["order_id"]) == [1, 2, 3]


TYPED = [
    # declared type, type in PostgreSQL, literal, value expected
    ("int64", "BIGINT", "9223372036854775807", 9223372036854775807),
    ("int64", "NUMERIC(20,2)", "12.00", 12),
    ("float64", "NUMERIC(10,4)", "0.1", 0.1),
    ("float64", "NUMERIC(38,18)", "1999.99", 1999.99),
    ("float64", "NUMERIC(38,18)", "-0.000000000000000005", -5e-18),
    ("float64", "NUMERIC(38,4)", "12345678901234500000.0000", 1.23456789012345e19),
    ("float64", "NUMERIC(60,30)", "1e20", 1e20),
    ("string", "NUMERIC(40,10)", "123456789012345678901234567890.0123456789", "123456789012345678901234567890.0123456789"),
    ("string", "JSONB", """'{"a": [1, 2.50]}'""", '{"a": [1, 2.50]}'),
    ("string", "UUID", "'0b9c4ab8-9b4e-4c1d-8c9e-6d5d6f6a7b8c'", "0b9c4ab8-9b4e-4c1d-8c9e-6d5d6f6a7b8c"),
    ("string", "TEXT[]", "ARRAY['x','y']", '["x", "y"]'),
    ("string", "BYTEA", r"'\x00ff'", r"\x00ff"),
    ("bool", "BOOLEAN", "true", True),
    ("date", "DATE", "'2024-03-01'", date(2024, 3, 1)),
    ("datetime", "TIMESTAMPTZ", "'2024-03-01 12:00:00.123456+02'", datetime(2024, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)),
    ("datetime", "TIMESTAMP", "'2024-03-01 12:00:00'", datetime(2024, 3, 1, 12, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "stored", "literal", "value"), TYPED, ids=[case[1] for case in TYPED])
def test_values_of_postgresql_arrive_without_loss(
    make_orders: Callable[..., Source], postgresql_server: Any, declared: str, stored: str, literal: str, value: Any
) -> None:
    database = Schema(postgresql_server)
    database.execute(
        f"CREATE TABLE orders (order_id BIGINT, x {stored}); INSERT INTO orders VALUES (1, {literal}), (2, NULL);"
    )
    columns = [
        {"name": "order_id", "type": "int64", "description": "Order"},
        {"name": "x", "type": declared, "description": "Value", "nullable": True},
    ]
    source = make_orders(columns=columns).model_copy(update={"event_time": None})
    frame = conform(read(source, ANYWHERE, access=access(database)), source).frame.sort("order_id")
    assert frame["x"].to_list() == [value, None]


def test_a_number_that_a_float_cannot_hold_stops_the_load(
    make_orders: Callable[..., Source], postgresql_server: Any
) -> None:
    database = Schema(postgresql_server)
    database.execute(
        "CREATE TABLE orders (order_id BIGINT, ordered_at TIMESTAMP, amount NUMERIC(30,10));"
        "INSERT INTO orders VALUES (1, '2024-03-01', 12345678901234.1234567891);"
    )
    found = read(make_orders(), ANYWHERE, date(2024, 3, 1), date(2024, 3, 1), access=access(database))
    with pytest.raises(SchemaMismatch, match="'amount': expected float64"):
        conform(found, make_orders())


TEXTS = [
    "10:00:00Z",
    ":name, ::text, :1 and :x:y",
    r"\:a \\:b C:\dir",
    "100 %, %s and %(x)s, a;b -- c /* d */",
    "it''s \"so\" $$",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_in_a_query_is_what_the_database_says(
    make_orders: Callable[..., Source], database: Database, text: str
) -> None:
    columns = [{"name": name, "type": "string", "description": "x"} for name in ("order_id", "x")]
    query = f"SELECT '1' AS order_id, '{text}' AS x /* a; b */ ; -- the end;"
    source = make_orders(columns=columns, query=query).model_copy(update={"event_time": None})
    assert read(source, ANYWHERE, access=access(database))["x"].to_list() == [text.replace("''", "'")]


def test_times_may_be_put_together_in_a_query(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(ORDERS)
    source = make_orders(query="SELECT order_id, '2024-03-01T' || '10' || ':00:00Z' AS ordered_at, amount FROM orders")
    found = read(source, ANYWHERE, date(2024, 3, 1), date(2024, 3, 1), access=access(database))
    assert set(found["ordered_at"]) == {"2024-03-01T10:00:00Z"}


def test_columns_of_one_name_stop_the_load(make_orders: Callable[..., Source], postgresql_server: Any) -> None:
    database = Schema(postgresql_server)
    database.execute(ORDERS)
    twice = make_orders(query="SELECT a.*, b.order_id FROM orders a JOIN orders b ON a.order_id = b.order_id")
    assert "several columns called 'order_id'" in problem(twice, access(database))


def test_a_column_of_several_types_stops_the_load(make_orders: Callable[..., Source], tmp_path: Path) -> None:
    database = SQLite(tmp_path / "shop.db")
    database.execute(ORDERS + "UPDATE orders SET amount = 'dear' WHERE order_id = 1;")
    found = read(make_orders(), ANYWHERE, date(2024, 3, 1), date(2024, 3, 1), access=access(database))
    with pytest.raises(SchemaMismatch, match="'amount': expected float64"):
        conform(found, make_orders())


def problem(source: Source, given: Access) -> str:
    with pytest.raises(SourceError) as caught:
        read(source, ANYWHERE, date(2024, 3, 1), date(2024, 3, 1), access=given)
    return str(caught.value)


def test_what_is_missing_is_named(make_orders: Callable[..., Source], database: Database) -> None:
    database.execute(ORDERS)
    assert "refuses to read table 'ordres'" in problem(make_orders(table="ordres"), access(database))
    assert "refuses to read the declared query" in problem(make_orders(query="SELECT x FROM orders"), access(database))
    renamed = make_orders(query="SELECT order_id, amount FROM orders")
    assert "has no column 'ordered_at'" in problem(renamed, access(database))
    message = problem(make_orders(), Access())
    assert "the environment variable SHOP_DATABASE, named by connector.url, is not set" in message


@pytest.mark.parametrize("address", ["not an address", "oracle9://scott:tiger@host/x"])
def test_an_address_that_cannot_be_used_is_not_shown(make_orders: Callable[..., Source], address: str) -> None:
    message = problem(make_orders(), Access(variables={VARIABLE: address}))
    assert "SHOP_DATABASE is not an address" in message
    assert "tiger" not in message


def test_a_sqlite_file_is_never_made(make_orders: Callable[..., Source], tmp_path: Path) -> None:
    message = problem(make_orders(), Access(variables={VARIABLE: f"sqlite:///{tmp_path}/none.db"}))
    assert "there is no SQLite file" in message
    assert not (tmp_path / "none.db").exists()


def test_a_database_that_cannot_be_reached(make_orders: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_assets.connectors.access._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("platform_assets.connectors.access._LONGEST_PAUSE_SECONDS", 0.01)
    address = "postgresql://reader:secret@127.0.0.1:1/shop"
    message = problem(make_orders(), Access(variables={VARIABLE: address}))
    assert "the database at postgresql://127.0.0.1:1/shop cannot be reached" in message
    assert "SHOP_DATABASE" in message
    assert "secret" not in message
