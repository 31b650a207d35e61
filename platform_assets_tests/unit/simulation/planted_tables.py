"""A small table of payments, and faults planted in it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from platform_assets.simulation.faults import Fault, FaultKind, plant

FIRST = date(2018, 4, 1)
ROWS_PER_DAY = 40
COLUMN_KINDS: dict[FaultKind, str] = {
    "nulls": "amount",
    "out_of_range": "amount",
    "missing_column": "amount",
    "changed_type": "amount",
    "covariate_drift": "amount",
    "label_drift": "is_fraud",
    "concept_drift": "is_fraud",
    "unit_change": "amount",
    "swapped_columns": "amount",
    "constant_column": "amount",
    "all_null": "amount",
    "unknown_references": "transaction_id",
    "empty_strings": "note",
    "sign_flip": "amount",
    "encoding_damage": "note",
}


def table(days: int = 3) -> pl.DataFrame:
    rows = range(days * ROWS_PER_DAY)
    begin = datetime(2018, 4, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "transaction_id": list(rows),
            "transaction_time": [
                begin + timedelta(days=row // ROWS_PER_DAY, minutes=30 * (row % ROWS_PER_DAY) + 1) for row in rows
            ],
            "amount": [1.5 + row % 7 for row in rows],
            "fee": [0.1 + row % 3 for row in rows],
            "is_fraud": [int(row % 10 == 0) for row in rows],
            "note": [f"n{row}" for row in rows],
        },
        schema_overrides={"transaction_time": pl.Datetime("us", "UTC"), "is_fraud": pl.Int8},
    )


def fault(kind: FaultKind, **fields: Any) -> Fault:
    fields.setdefault("column", COLUMN_KINDS.get(kind))
    if kind == "swapped_columns":
        fields.setdefault("other", "fee")
    return Fault(kind=kind, table="transactions", **fields)


def planted(frame: pl.DataFrame, one: Fault) -> tuple[pl.DataFrame, int]:
    return plant(frame, one, event_time="transaction_time", keys=["transaction_id"])


def on(frame: pl.DataFrame, day_index: int) -> pl.DataFrame:
    return frame.filter(pl.col("transaction_time").dt.date() == FIRST + timedelta(days=day_index))


def changed_rows(before: pl.DataFrame, after: pl.DataFrame, column: str) -> pl.DataFrame:
    return before.filter(before[column].ne_missing(after[column]))
