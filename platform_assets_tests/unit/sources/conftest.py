"""A small declared source, and files for it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from platform_assets.spec import Source

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
