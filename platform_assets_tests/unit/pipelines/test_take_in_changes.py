"""Batches of changes that no connector of ours delivers, and ranges of days in chunks."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors import ChangeBatch, read_changes
from platform_assets.connectors.conforming import conform
from platform_assets.declaration import EVENT_DAY, Source
from platform_assets.declaration.days import DayRange
from platform_assets.lake.changes import current_rows
from platform_assets.lake.schemas import raw_schema
from platform_assets.lake.table import LakeTable
from platform_assets.pipelines.ingest import load_in_chunks
from platform_assets.pipelines.take_in_changes import (
    IngestedChanges,
    batch_key,
    current_cursor,
    feed_commits,
    ingest_batches,
)

DAY = date(2024, 3, 1)
FOUND = {
    "order_id": pl.Int64(),
    "ordered_at": pl.Datetime("us", "UTC"),
    "source_position": pl.String(),
    "delivered_day": pl.Date(),
    "source_problem": pl.String(),
}
CHANGED = {"change_operation": pl.String(), "change_sequence": pl.Int64()}


def orders(**connector: Any) -> Source:
    return Source.model_validate(
        {
            "name": "orders",
            "description": "One order.",
            "connector": connector or {"kind": "sql", "url": "DATABASE", "table": "orders", "cursor": "version"},
            "primary_key": ["order_id"],
            "event_time": "ordered_at",
            "columns": [
                {"name": "order_id", "type": "int64", "description": "Order"},
                {"name": "ordered_at", "type": "datetime", "description": "Time"},
            ],
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    return LakeTable(str(tmp_path / "orders"), raw_schema(orders()), EVENT_DAY)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def batch(rows: list[tuple[Any, ...]], cursor: str = "1") -> ChangeBatch:
    """Changes of (key, time, operation, sequence)."""
    found = [
        (key, at, f"orders:{place}", None, None, what, number) for place, (key, at, what, number) in enumerate(rows)
    ]
    return ChangeBatch(pl.DataFrame(found, schema={**FOUND, **CHANGED}, orient="row"), cursor, more=False)


def take(table: LakeTable, delivered: ChangeBatch) -> Any:
    [taken] = ingest_batches(table, orders(), lambda _: delivered, DAY, DAY + timedelta(days=30))
    return taken


def test_changes_that_cannot_be_put_in_order_are_marked_for_the_audit(table: LakeTable) -> None:
    taken = take(table, batch([(1, noon(DAY), "upsert", None), (None, None, "delete", 5), (2, noon(DAY), "upsert", 6)]))
    assert taken.unordered == 2
    rows = current_rows(table.read(DAY, DAY), ["order_id"]).sort("source_position")
    assert [bool(problem) for problem in rows["uncast"]] == [True, True, False]
    assert "without a sequence" in rows["uncast"][0]
    assert "without its key" in rows["uncast"][1]


def test_a_change_without_a_sequence_is_kept_once_however_often_its_key_changes(table: LakeTable) -> None:
    changes = [(DAY, 4), (DAY, None), (DAY, 5), (DAY + timedelta(days=1), 6)]
    for cursor, (day, sequence) in enumerate(changes, start=1):
        take(table, batch([(1, noon(day), "upsert", sequence)], str(cursor)))
    assert table.read().filter(pl.col("change_sequence").is_null()).height == 1
    assert current_rows(table.read(), ["order_id"])["change_sequence"].to_list() == [6, None]


@pytest.mark.parametrize("other", [DAY - timedelta(days=400), DAY + timedelta(days=20)])
def test_a_row_without_a_time_goes_to_a_day_that_is_audited(table: LakeTable, other: date) -> None:
    """Also when all other rows of its batch lie outside the history."""
    delivered = batch([(1, noon(other), "upsert", 1), (2, None, "upsert", 2)])
    list(ingest_batches(table, orders(), lambda _: delivered, DAY, DAY + timedelta(days=30), DAY + timedelta(days=9)))
    assert table.read().filter(order_id=2)["event_day"].to_list() == [DAY]
    assert table.read().filter(order_id=1)["event_day"].to_list() == [other]


def test_a_row_of_tomorrow_waits_in_its_day_and_one_further_ahead_does_not(table: LakeTable) -> None:
    today = DAY + timedelta(days=30)
    days = [today, today + timedelta(days=1), today + timedelta(days=2)]
    taken = take(table, batch([(key, noon(day), "upsert", key) for key, day in enumerate(days)]))
    assert taken.ahead == 1
    assert table.count_by_partition() == {days[0]: 1, days[1]: 2}


def test_a_batch_of_nothing_but_duplicates_moves_the_cursor(table: LakeTable) -> None:
    take(table, batch([(1, noon(DAY), "upsert", 1)], "1"))
    again = take(table, batch([(1, noon(DAY), "upsert", 1)], "2"))
    assert (again.duplicates, again.touched_days) == (1, ())
    assert current_cursor(table) == "2"
    assert table.read().height == 1


def test_the_cursor_is_found_behind_the_commits_of_others(table: LakeTable) -> None:
    take(table, batch([(1, noon(DAY), "upsert", 1)], json.dumps({"long": "x" * 5000})))
    for _ in range(25):
        table.append(table.read().clear(), allow_empty=True)
    assert current_cursor(table) == json.dumps({"long": "x" * 5000})
    assert [entry.version for entry in feed_commits(table)] == [1]
    assert list(feed_commits(table, after=1)) == []
    assert len(batch_key(current_cursor(table))) < 50, "the key is kept by Delta for ever"


def test_a_range_is_loaded_in_chunks_that_fit(tmp_path: Path) -> None:
    source = orders(kind="files", format="csv", path="in")
    table = LakeTable(str(tmp_path / "orders"), raw_schema(source), EVENT_DAY)
    asked: list[tuple[date, date]] = []

    def read(first: date | None, last: date | None) -> Any:
        assert first is not None
        assert last is not None
        asked.append((first, last))
        days = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
        rows = [(key, noon(day), f"{day}:{key}", day, None) for day in days for key in range(10)]
        return conform(pl.DataFrame(rows, schema=FOUND, orient="row"), source)

    last = DAY + timedelta(days=19)
    written = list(load_in_chunks(table, read, DayRange(DAY, last), chunk_rows=45))
    assert [(end - start).days + 1 for start, end in asked] == [1, 4, 4, 4, 4, 3]
    assert len({part.commit.version for part in written}) == 6
    assert set(table.count_by_partition().values()) == {10}
    assert table.row_count() == 200


def test_days_without_rows_and_days_that_are_too_large_make_chunks_too(tmp_path: Path) -> None:
    source = orders(kind="files", format="csv", path="in")
    table = LakeTable(str(tmp_path / "orders"), raw_schema(source), EVENT_DAY)
    asked: list[int] = []

    def read(first: date | None, last: date | None) -> Any:
        assert first is not None
        assert last is not None
        asked.append((last - first).days + 1)
        rows = [(key, noon(DAY), "x", DAY, None) for key in range(100)] if first == DAY else []
        return conform(pl.DataFrame(rows, schema=FOUND, orient="row"), source)

    list(load_in_chunks(table, read, DayRange(DAY, DAY + timedelta(days=9)), chunk_rows=50))
    assert asked == [1, 1, 4, 4]
    assert table.count_by_partition() == {DAY: 100}


def test_what_a_person_should_know_of_the_order_is_told(table: LakeTable) -> None:
    take(table, batch([(1, noon(DAY), "upsert", 9)], "1"))
    noticed = replace(
        batch([(1, noon(DAY), "upsert", 5), (2, noon(DAY), "upsert", 6)], "2"), notices=("it begins anew",)
    )
    taken = take(table, noticed)
    assert taken.late == 1
    assert taken.notices[0] == "it begins anew"
    assert taken.notices[1].startswith("1 changes came after newer ones of the same rows")
    assert take(table, batch([(3, noon(DAY), "upsert", 7)], "3")).notices == ()
    both = IngestedChanges().plus(taken).plus(taken)
    assert both.notices == taken.notices


def test_an_order_that_goes_backwards_within_a_delivery_is_told(table: LakeTable) -> None:
    sent = [(1, noon(DAY), "upsert", 7), (2, noon(DAY), "upsert", 3), (1, noon(DAY), "upsert", 5)]
    taken = take(table, batch([*sent, (1, noon(DAY), "upsert", 7)], "1"))
    assert taken.late == 0
    assert [notice.split(" stand")[0] for notice in taken.notices] == ["1 changes"]
    assert take(table, batch([(3, noon(DAY), "upsert", 1), (3, noon(DAY), "upsert", 2)], "2")).notices == ()


def test_a_feed_ends_in_the_table_as_its_database_says(table: LakeTable, tmp_path: Path) -> None:
    """A snapshot without a position, then a stream; one file arrives twice."""
    connector = {"kind": "change_feed", "path": "in", "settle_seconds": 0}
    feed = Source.model_validate(orders().model_dump(mode="json") | {"connector": connector})
    row = {"order_id": 1, "ordered_at": "2024-03-01T12:00:00Z"}
    later = {**row, "ordered_at": "2024-03-01T13:00:00Z"}
    messages = [
        {"op": "r", "after": row, "source": {"lsn": None, "snapshot": "true", "ts_ms": 1_000}},
        {"op": "u", "after": later, "source": {"lsn": 33445566, "ts_ms": 3_600_000}},
        {"op": "d", "before": later, "source": {"lsn": 33445999, "ts_ms": 3_700_000}},
    ]
    (tmp_path / "in").mkdir()

    def hours() -> list[int]:
        def read(cursor: str | None) -> ChangeBatch:
            return read_changes(feed, tmp_path, cursor, max_rows=10)

        list(ingest_batches(table, feed, read, DAY, DAY + timedelta(days=30)))
        return [at.hour for at in current_rows(table.read(), ["order_id"])["ordered_at"]]

    expected = [[12], [13], []]
    for number, (message, hour) in enumerate(zip(messages, expected, strict=True)):
        (tmp_path / "in" / f"{number}.jsonl").write_text(json.dumps(message) + "\n")
        assert hours() == hour
    (tmp_path / "in" / "0.jsonl").write_text(json.dumps(messages[0]) + "\n\n")
    assert hours() == []
