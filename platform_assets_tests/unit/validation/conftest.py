"""Small declared sources, and loads of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors import DELIVERED_DAY, SOURCE_POSITION, UNCAST, Conformed, conform, read_source
from platform_assets.declaration import Source

DAY = date(2024, 3, 1)

RIDES: dict[str, Any] = {
    "name": "rides",
    "description": "One ride.",
    "connector": {"kind": "files", "format": "csv", "path": "rides.csv"},
    "primary_key": ["bike", "started_at"],
    "event_time": "started_at",
    "quality": {"max_refused_ratio": 1.0},
    "columns": [
        {"name": "ride_id", "type": "int64", "description": "Ride", "nullable": True, "unique": True},
        {"name": "started_at", "type": "datetime", "description": "Start"},
        {"name": "bike", "type": "int32", "description": "Bike", "references": "bikes.bike"},
        {"name": "price", "type": "float64", "description": "Price", "minimum": 0, "maximum": 10},
        {"name": "tip", "type": "float64", "description": "Tip", "nullable": True},
        {"name": "kind", "type": "string", "description": "Kind", "allowed": ["day", "night"]},
    ],
}


@pytest.fixture(scope="session")
def rides() -> Source:
    """Rides with every kind of row rule; any share of them may be refused."""
    return Source.model_validate(RIDES)


@pytest.fixture(scope="session")
def make_rides() -> Callable[..., pl.DataFrame]:
    """`make_rides(3, price=[1.0, -1.0, 2.0])`: a conformed load of good rides of one day, but for the columns given."""

    def make(rows: int, **columns: Any) -> pl.DataFrame:
        midnight = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
        standard = {
            "ride_id": list(range(rows)),
            "started_at": [midnight + timedelta(seconds=i) for i in range(rows)],
            "bike": [1] * rows,
            "price": [1.0] * rows,
            "tip": [None] * rows,
            "kind": ["day"] * rows,
            SOURCE_POSITION: [f"rides.csv:{i + 2}" for i in range(rows)],
            DELIVERED_DAY: [DAY] * rows,
            UNCAST: [None] * rows,
        }
        schema = {
            column["name"]: Source.model_validate(RIDES).column(column["name"]).polars_type
            for column in RIDES["columns"]
        }
        schema |= {SOURCE_POSITION: pl.String(), DELIVERED_DAY: pl.Date(), UNCAST: pl.String()}
        return pl.DataFrame({**standard, **columns}, schema=schema)

    return make


SIMULATOR: dict[str, Any] = {
    "kind": "simulator",
    "generator": "platform_assets.simulation.card_payments:CardPayments",
    "settings": {"customers": 40, "terminals": 400, "start": "2018-04-01"},
}


def _column(name: str, type_: str, **rules: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "description": name, **rules}


TABLES: dict[str, list[dict[str, Any]]] = {
    "transactions": [
        _column("transaction_id", "int64", minimum=0, unique=True),
        _column("transaction_time", "datetime"),
        _column("customer_id", "int64", references="customers.customer_id"),
        _column("terminal_id", "int64", references="terminals.terminal_id"),
        _column("amount", "float64", minimum=0, maximum=5000),
    ],
    "labels": [
        _column("transaction_id", "int64", minimum=0, unique=True),
        _column("transaction_time", "datetime"),
        _column("is_fraud", "int8", allowed=[0, 1]),
        _column("fraud_scenario", "int8", allowed=[0, 1, 2, 3]),
    ],
}

REFERENCES = {
    "customers.customer_id": pl.Series("customer_id", range(40)),
    "terminals.terminal_id": pl.Series("terminal_id", range(400)),
}


@pytest.fixture(scope="session")
def simulated() -> Callable[..., Source]:
    """`simulated("transactions", fault, ...)`: a table of a tiny simulated world, with faults planted."""

    def make(table: str = "transactions", *faults: dict[str, Any]) -> Source:
        return Source.model_validate(
            {
                "name": table,
                "description": "Simulated.",
                "connector": SIMULATOR | {"faults": list(faults)},
                "primary_key": ["transaction_id"],
                "event_time": "transaction_time",
                "columns": TABLES[table],
            }
        )

    return make


@pytest.fixture(scope="session")
def load() -> Callable[[Source, Sequence[date]], Conformed]:
    """A conformed load of a simulated source."""

    def read(source: Source, days: Sequence[date]) -> Conformed:
        return conform(read_source(source, Path(), days[0], days[-1]), source)

    return read


@pytest.fixture(scope="session")
def references() -> dict[str, pl.Series]:
    """The customers and terminals that exist in the simulated world."""
    return dict(REFERENCES)
