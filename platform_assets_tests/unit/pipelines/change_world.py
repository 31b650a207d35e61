"""Payments that look into limits which a shop's database changes in place, delivered as a feed of changes.

Belongs here: the declaration, writing a feed, and its tables. Does not belong here: what is expected of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.testing.declare import declaration
from platform_assets.testing.loaded_days import computed, loaded

FIRST, DAYS = date(2026, 3, 2), 20
ANY = {"volume": {"min_ratio": 0, "max_ratio": 1000, "min_history": 100}, "anomalies": {"enabled": False}}


def on(day: int, hour: int = 0) -> datetime:
    """A moment so many days after the first."""
    return datetime.combine(FIRST + timedelta(days=day), time(hour), UTC)


def limit(customer: str, amount: float, since: int, account: int = 1) -> dict[str, Any]:
    """A row of the database: the limit of an account, with the time that its application keeps."""
    return {"account": account, "customer": customer, "since": on(since).isoformat(), "amount": amount}


def change(
    op: str, row: Mapping[str, Any], made: int | None, lsn: int, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A message of a Debezium feed; `made` is the day on which the database committed it."""
    milliseconds = 1 if made is None else int(on(made, 8).timestamp() * 1000)
    images = {"before": dict(row), "after": None} if op == "d" else {"before": before, "after": dict(row)}
    origin = {"connector": "postgresql", "lsn": lsn, "ts_ms": milliseconds, "snapshot": "false"}
    return {"op": op, **images, "source": origin, "ts_ms": milliseconds}


def write_feed(folder: Path, name: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """One file of a feed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(message) + "\n" for message in messages))


def limits_case(deletes: str = "hard", **lookup: Any) -> UseCase:
    """Payments of customers, each with the limit of its customer."""
    columns = {"account": "int64", "customer": "string", "since": "datetime", "amount": "float64"}
    limits = {
        "name": "limits",
        "connector": {"kind": "change_feed", "path": "limits", "settle_seconds": 0},
        "columns": [
            {"name": name, "description": name, "type": kind, **({"minimum": 0} if kind == "float64" else {})}
            for name, kind in columns.items()
        ],
        "primary_key": ["account"],
        "event_time": "since",
        "changes": {"deletes": deletes},
        "quality": {**ANY, "max_refused_ratio": 1.0},
    }
    look = {"name": "holder", "description": "limit", "source": "limits", "columns": ["amount"], "max_age_days": 365}
    return UseCase.model_validate(
        declaration(
            name="limits_case",
            table="payments",
            events={"payment": "int64", "at": "datetime", "customer": "string", "paid": "float64", "bad": [0, 1]},
            label="bad",
            connector={"kind": "files", "format": "csv", "path": "payments.csv"},
            sources=[limits],
            history={"first_day": FIRST, "last_day": FIRST + timedelta(days=DAYS - 1)},
            features=["paid", {"name": "limit", "lookups": [{**look, "on": {"customer": "customer"}, **lookup}]}],
        )
    )


def write_payments(folder: Path, customers: Sequence[str]) -> None:
    """A payment of each customer at noon of each day."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["payment,at,customer,paid,bad"]
    for day in range(DAYS):
        for customer in customers:
            lines.append(f"{len(lines)},{on(day, 12).isoformat()},{customer},1.0,{len(lines) % 2}")
    (folder / "payments.csv").write_text("\n".join(lines) + "\n")


def limits_by_day(catalog: Catalog, customer: str) -> list[float | None]:
    """What the payments of a customer found, day by day."""
    payments = catalog.events.read()
    found = catalog.features(catalog.use_case.features[1]).read().join(payments, on="payment", how="left")
    return found.filter(found["customer"] == customer).sort("at")["holder_amount"].to_list()


def tables(folder: Path, case: UseCase, customers: Sequence[str], *files: Sequence[Mapping[str, Any]]) -> Catalog:
    """The tables of the use case with a feed of these files, features computed."""
    write_payments(folder, customers)
    for number, messages in enumerate(files):
        write_feed(folder / "limits", f"{number:03d}.jsonl", messages)
    return computed(loaded(case, folder, folder / "lake"))
