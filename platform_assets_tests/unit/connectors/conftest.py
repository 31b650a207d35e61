"""A small declared source, and servers that rows come from."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration import Source
from platform_assets.testing.servers import S3, Kafka, PostgreSQL, kafka, postgresql, s3
from platform_assets_tests.unit.connectors.databases import Database, Schema, SQLite

DAY = date(2024, 3, 1)


@pytest.fixture
def make_source() -> Callable[..., Source]:
    """`make_source(format="csv", path="a.csv", **changes)`: rides, with a time, a count, a price and a remark."""

    def make(**changes: Any) -> Source:
        connector = {"kind": "files", "format": changes.pop("format", "csv"), "path": changes.pop("path", "rides.csv")}
        declared: dict[str, Any] = {
            "name": "rides",
            "description": "One ride.",
            "connector": connector,
            "primary_key": ["ride_id"],
            "event_time": "started_at",
            "columns": [
                {"name": "ride_id", "type": "int64", "description": "Ride"},
                {"name": "started_at", "type": "datetime", "description": "Start"},
                {"name": "price", "type": "float64", "description": "Price"},
                {"name": "remark", "type": "string", "description": "Remark", "nullable": True},
            ],
        }
        return Source.model_validate(declared | changes)

    return make


@pytest.fixture
def make_simulated() -> Callable[..., Source]:
    """`make_simulated("transactions", faults=[...])`: a table of a tiny simulated world."""

    def make(table: str = "transactions", faults: list[dict[str, Any]] | None = None, **changes: Any) -> Source:
        daily = table in ("transactions", "labels")
        key = "transaction_id" if daily else f"{table[:-1]}_id"
        columns = [{"name": key, "type": "int64", "description": "Key"}]
        if daily:
            columns.append({"name": "transaction_time", "type": "datetime", "description": "Time"})
        if table == "transactions":
            columns.append({"name": "amount", "type": "float64", "description": "Amount"})
        connector = {
            "kind": "simulator",
            "generator": "platform_assets.simulation.card_payments:CardPayments",
            "settings": {"customers": 30, "terminals": 300, "start": "2018-04-01"},
            "faults": faults or [],
        }
        declared = {
            "name": table,
            "description": "Simulated.",
            "connector": connector | changes.pop("connector", {}),
            "primary_key": [key],
            "event_time": "transaction_time" if daily else None,
            "columns": columns,
        }
        return Source.model_validate(declared | changes)

    return make


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with s3() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_cluster() -> Iterator[Kafka]:
    with kafka() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return SQLite(tmp_path / "shop.db")
    return Schema(request.getfixturevalue("postgresql_server"))


@pytest.fixture
def make_orders() -> Callable[..., Source]:
    """`make_orders(cursor="version", table="orders")`: a source of orders in a database."""

    def make(columns: list[dict[str, Any]] | None = None, **connector: Any) -> Source:
        declared: list[dict[str, Any]] = columns or [
            {"name": "order_id", "type": "int64", "description": "Order"},
            {"name": "ordered_at", "type": "datetime", "description": "Time"},
            {"name": "amount", "type": "float64", "description": "Amount"},
        ]
        if "query" not in connector:
            connector = {"table": "orders", **connector}
        return Source.model_validate(
            {
                "name": "orders",
                "description": "One order.",
                "connector": {"kind": "sql", "url": "SHOP_DATABASE", **connector},
                "primary_key": ["order_id"],
                "event_time": "ordered_at",
                "columns": declared,
            }
        )

    return make
