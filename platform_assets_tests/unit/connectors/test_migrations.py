"""Deliveries in an old shape come out in the declared one, and say what was done."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter

from platform_assets.connectors.migrations import apply_migrations
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.migrations import Migration, migration_problems
from platform_assets.declaration.sections.sources import Source

MIGRATION: TypeAdapter[Migration] = TypeAdapter(Migration)


def source(*migrations: dict[str, Any], **types: str) -> Source:
    """A reference table with an id, the given columns and migrations."""
    columns = [{"name": name, "type": kind, "description": name, "nullable": True} for name, kind in types.items()]
    return Source.model_validate(
        {
            "name": "items",
            "description": "Items.",
            "connector": {"kind": "files", "path": "items/*.parquet", "format": "parquet"},
            "primary_key": ["id"],
            "columns": [{"name": "id", "type": "int64", "description": "Item"}, *columns],
            "migrations": [{"why": "because", **migration} for migration in migrations],
        }
    )


def test_an_old_delivery_is_renamed_filled_and_widened() -> None:
    declared = source(
        {"kind": "rename", "column": "price", "was": "amount"},
        {"kind": "default", "column": "currency", "value": "EUR"},
        {"kind": "default", "column": "since", "value": "2020-01-01T02:00:00+02:00"},
        {"kind": "widen", "column": "stock", "was": "int32"},
        {"kind": "widen", "column": "listed", "was": "date"},
        price="float64",
        currency="string",
        since="datetime",
        stock="int64",
        listed="datetime",
    )
    old = pl.DataFrame(
        {"id": [1, 2], "amount": [1.5, None], "stock": [3, 4], "listed": [date(2020, 5, 1), None]},
        schema_overrides={"stock": pl.Int32},
    )
    frame, applied = apply_migrations(old, declared)
    midnight = datetime(2020, 1, 1, tzinfo=UTC)
    assert frame.select("id", "price", "currency", "since", "stock", "listed").rows() == [
        (1, 1.5, "EUR", midnight, 3, datetime(2020, 5, 1, tzinfo=UTC)),
        (2, None, "EUR", midnight, 4, None),
    ]
    assert frame.schema["stock"] == pl.Int64
    assert len(applied) == 5
    assert applied[0] == "rename amount to price: because"
    again, nothing = apply_migrations(frame, declared)
    assert again.equals(frame)
    assert nothing == ()


def test_names_follow_each_other_whatever_step_a_delivery_has_reached() -> None:
    declared = source(
        {"kind": "rename", "column": "second", "was": "first"},
        {"kind": "rename", "column": "third", "was": "second"},
        third="int64",
    )
    for name in ("first", "second", "third"):
        frame, _ = apply_migrations(pl.DataFrame({"id": [1], name: [7]}), declared)
        assert frame["third"].to_list() == [7]


@pytest.mark.parametrize(
    ("migration", "place", "words"),
    [
        ({"kind": "rename", "column": "size", "was": "width"}, "column", "no such column"),
        ({"kind": "rename", "column": "price", "was": "id"}, "was", "one name only"),
        ({"kind": "widen", "column": "price", "was": "float64"}, "was", "does not widen into float64"),
        ({"kind": "widen", "column": "stock", "was": "int64"}, "was", "does not widen into int32"),
        ({"kind": "default", "column": "price", "value": "free"}, "value", "no value of type float64"),
        ({"kind": "default", "column": "stock", "value": 2**40}, "value", "does not fit type int32"),
        ({"kind": "default", "column": "stock", "value": True}, "value", "no value of type int32"),
        ({"kind": "default", "column": "day", "value": "soon"}, "value", "Invalid isoformat"),
        ({"kind": "default", "column": "id", "value": 0}, "column", "identifies or dates a row"),
        ({"kind": "retire", "column": "price"}, "column", "still declared"),
    ],
)
def test_a_migration_that_cannot_be_is_refused_with_its_place(
    migration: dict[str, Any], place: str, words: str
) -> None:
    declared = source(migration, price="float64", stock="int32", day="date")
    [(where, _, message)] = migration_problems(declared)
    assert where == ("migrations", 0, place)
    assert words in message


def test_a_null_default_needs_a_nullable_column() -> None:
    declared = source({"kind": "default", "column": "price", "value": None}, price="float64")
    assert list(migration_problems(declared)) == []
    strict = declared.model_copy(
        update={"columns": (declared.columns[0], Column(name="price", type="float64", description="Price"))}
    )
    assert "not nullable" in next(iter(migration_problems(strict)))[2]
