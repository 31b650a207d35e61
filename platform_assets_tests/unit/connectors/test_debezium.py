"""The Debezium envelope: what each message does, with and without its schema, in whatever state it arrives."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from platform_assets.connectors import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    SourceError,
    conform,
    read_changes,
)
from platform_assets.declaration import Source

NOON = "2024-03-01T12:00:00Z"


def ride(key: int, price: float | None = 1.5, **more: Any) -> dict[str, Any]:
    return {"ride_id": key, "started_at": NOON, "price": price, "remark": None, **more}


def change(op: str, before: Any = None, after: Any = None, lsn: int | None = 1, **more: Any) -> dict[str, Any]:
    return {"op": op, "before": before, "after": after, "source": {"lsn": lsn}, "ts_ms": 5, **more}


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Callable[..., Source]:
    def make(**connector: Any) -> Source:
        return make_source(connector={"kind": "change_feed", "path": "in", "settle_seconds": 0, **connector})

    return make


def write(folder: Path, *messages: Any, name: str = "a.jsonl") -> None:
    (folder / "in").mkdir(exist_ok=True)
    lines = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    (folder / "in" / name).write_text("".join(f"{line}\n" for line in lines))


def found(source: Source, folder: Path) -> pl.DataFrame:
    return read_changes(source, folder, None, max_rows=1000).frame


def test_each_operation(feed: Callable[..., Source], tmp_path: Path) -> None:
    write(
        tmp_path,
        change("r", None, ride(1), 10),
        change("c", None, ride(2), 11),
        {"schema": None, "payload": change("u", ride(2), ride(2, 9.0), 12)},
        change("d", ride(1), None, 13),
        "null",
        {"schema": None, "payload": None},
    )
    source = feed()
    frame = conform(found(source, tmp_path), source).frame
    assert frame.select(SOURCE_POSITION, "ride_id", "price", CHANGE_OPERATION, CHANGE_SEQUENCE).rows() == [
        ("a.jsonl:1", 1, 1.5, "upsert", 0),
        ("a.jsonl:2", 2, 1.5, "upsert", 11),
        ("a.jsonl:3", 2, 9.0, "upsert", 12),
        ("a.jsonl:4", 1, 1.5, "delete", 13),
    ]
    assert frame["started_at"].unique().to_list() == [datetime(2024, 3, 1, 12, tzinfo=UTC)]


def test_a_delete_may_show_its_key_alone(feed: Callable[..., Source], tmp_path: Path) -> None:
    write(tmp_path, change("d", {"ride_id": 1}), change("d", ride(2, 0, started_at=0)))
    source = feed()
    frame = conform(found(source, tmp_path), source).frame
    assert frame.select("ride_id", "price", "started_at", CHANGE_OPERATION).rows() == [
        (1, None, None, "delete"),
        (2, None, None, "delete"),
    ]


def test_an_update_of_the_key_deletes_the_old_row(feed: Callable[..., Source], tmp_path: Path) -> None:
    write(tmp_path, change("u", ride(1), ride(7)))
    assert found(feed(), tmp_path).select("ride_id", CHANGE_OPERATION).rows() == [("1", "delete"), ("7", "upsert")]


def test_a_value_that_was_not_sent_is_taken_from_the_image_before(feed: Callable[..., Source], tmp_path: Path) -> None:
    absent = "__debezium_unavailable_value"
    write(
        tmp_path, change("u", ride(1, remark="long"), ride(1, remark=absent)), change("u", None, ride(2, remark=absent))
    )
    frame = found(feed(), tmp_path)
    assert frame["remark"].to_list() == ["long", None]
    assert "REPLICA IDENTITY FULL" in frame[SOURCE_PROBLEM][1]


SCHEMA = {
    "type": "struct",
    "fields": [
        {
            "field": "after",
            "type": "struct",
            "fields": [
                {"field": "ride_id", "type": "int64"},
                {"field": "started_at", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
                {"field": "price", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2"}},
                {"field": "remark", "type": "int32", "name": "io.debezium.time.Date"},
            ],
        }
    ],
}


def test_the_schema_tells_what_numbers_are(feed: Callable[..., Source], tmp_path: Path) -> None:
    after = ride(1, started_at=1_709_294_400_123_456, price="AN8=", remark=19783)
    write(tmp_path, {"schema": SCHEMA, "payload": change("c", None, after)})
    source = feed()
    frame = conform(found(source, tmp_path), source).frame
    assert frame.select("started_at", "price", "remark").row(0) == (
        datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        2.23,
        "2024-03-01",
    )


@pytest.mark.parametrize(
    ("unit", "number"),
    [("seconds", 1_709_294_400), ("milliseconds", 1_709_294_400_000), ("nanoseconds", 1_709_294_400_000_000_000)],
)
def test_without_a_schema_the_declaration_tells(
    feed: Callable[..., Source], tmp_path: Path, unit: str, number: int
) -> None:
    write(tmp_path, change("c", None, ride(1, started_at=number)))
    source = feed(epoch_unit=unit)
    assert conform(found(source, tmp_path), source).frame["started_at"][0] == datetime(2024, 3, 1, 12, tzinfo=UTC)
    unsure = conform(found(feed(), tmp_path), feed()).frame
    assert unsure["uncast"].to_list() == [f"started_at='{number}'"], "a number is no time unless somebody says so"


@pytest.mark.parametrize(
    ("kind", "number", "declared", "value"),
    [
        ("io.debezium.time.Timestamp", 1_709_294_400_123, "datetime", "2024-03-01 12:00:00.123000+00:00"),
        ("io.debezium.time.NanoTimestamp", 1_709_294_400_123_456_789, "datetime", "2024-03-01 12:00:00.123456+00:00"),
        ("org.apache.kafka.connect.data.Timestamp", -1, "datetime", "1969-12-31 23:59:59.999000+00:00"),
        ("io.debezium.time.ZonedTimestamp", "2024-03-01T13:00:00+01:00", "datetime", "2024-03-01 12:00:00+00:00"),
        ("io.debezium.time.Date", 19783, "datetime", "2024-03-01 00:00:00+00:00"),
        ("org.apache.kafka.connect.data.Date", 19783, "date", "2024-03-01"),
        ("io.debezium.time.MicroTimestamp", 1_709_251_200_000_000, "date", "2024-03-01"),
        ("io.debezium.time.Timestamp", 1_709_294_400_123, "int64", "1709294400123"),
        ("io.debezium.time.Time", 45_296_789, "string", "12:34:56.789000"),
        ("io.debezium.time.MicroTime", -3_600_000_000, "string", "-01:00:00"),
        ("io.debezium.time.NanoTime", 90_000_000_000_000, "string", "25:00:00"),
        ("io.debezium.time.Year", 2024, "int64", "2024"),
        ("io.debezium.time.MicroDuration", 1_500_000, "float64", "1500000.0"),
    ],
)
def test_each_type_of_time_in_a_schema(
    make_source: Callable[..., Source], tmp_path: Path, kind: str, number: Any, declared: str, value: str
) -> None:
    columns = [
        {"name": "ride_id", "type": "int64", "description": "x"},
        {"name": "x", "type": declared, "description": "x", "nullable": True},
    ]
    connector = {"kind": "change_feed", "path": "in", "settle_seconds": 0}
    source = make_source(connector=connector, columns=columns, event_time=None)
    schema = {"fields": [{"field": "after", "fields": [{"field": "x", "type": "int64", "name": kind}]}]}
    write(tmp_path, {"schema": schema, "payload": change("c", None, {"ride_id": 1, "x": number})})
    frame = conform(found(source, tmp_path), source).frame
    assert frame["uncast"].to_list() == [None]
    assert str(frame["x"][0]) == value


def test_a_unit_may_be_declared_for_each_column(make_source: Callable[..., Source], tmp_path: Path) -> None:
    times = {"a": "microseconds", "b": "milliseconds", "c": "days", "d": "seconds"}
    columns = [
        {"name": "ride_id", "type": "int64", "description": "x"},
        *({"name": name, "type": "datetime", "description": "x"} for name in "ab"),
        *({"name": name, "type": "date", "description": "x"} for name in "cd"),
        {"name": "e", "type": "datetime", "description": "x", "nullable": True},
    ]
    connector = {"kind": "change_feed", "path": "in", "settle_seconds": 0, "epoch_unit": times}
    source = make_source(connector=connector, columns=columns, event_time="a")
    row = {"ride_id": 1, "a": 1_709_294_400_000_001, "b": 1_709_294_400_000, "c": 19783, "d": 1_709_251_200}
    write(tmp_path, change("c", None, row), change("c", None, {**row, "ride_id": 2, "e": 1}))
    frame = conform(found(source, tmp_path), source).frame
    assert [str(value) for value in frame.select("a", "b", "c", "d").row(0)] == [
        "2024-03-01 12:00:00.000001+00:00",
        "2024-03-01 12:00:00+00:00",
        "2024-03-01",
        "2024-03-01",
    ]
    assert frame["uncast"].to_list() == [None, "e='1'"], "a column without a unit stays refused"


def test_a_unit_for_a_column_that_is_no_time(make_source: Callable[..., Source]) -> None:
    connector = {"kind": "change_feed", "path": "in", "epoch_unit": {"price": "days", "when": "days"}}
    source = make_source(connector=connector)
    assert [problem.value for problem in source.connector.problems(source)] == ["price", "when"]


def test_documents_of_mongodb(make_source: Callable[..., Source], tmp_path: Path) -> None:
    document = (
        '{"_id": {"$oid": "65e1"}, "ride_id": {"$numberLong": "7"}, "started_at": {"$date": 1709294400000}, '
        '"price": {"$numberDecimal": "1.10"}, "tags": [{"$numberInt": "3"}]}'
    )
    relaxed = '{"ride_id": 8, "started_at": {"$date": "2024-03-01T12:00:00Z"}, "price": 2.5, "remark": null}'
    messages = [
        change("c", None, text, None, source={"connector": "mongodb", "ord": number, "ts_ms": 1000})
        for number, text in enumerate((document, relaxed))
    ]
    write(tmp_path, *messages, change("c", None, "[1", 9))
    source = make_source(connector={"kind": "change_feed", "path": "in", "settle_seconds": 0})
    frame = conform(found(source, tmp_path), source).frame
    assert frame.select("ride_id", "price").rows() == [(7, 1.1), (8, 2.5), (None, None)]
    assert frame["started_at"].to_list()[:2] == [datetime(2024, 3, 1, 12, tzinfo=UTC)] * 2
    assert json.loads(frame["extra"][0])["tags"] == "[3]"
    assert "without `after`" in frame["uncast"][2]


def test_a_row_that_its_database_marks_is_deleted(feed: Callable[..., Source], tmp_path: Path) -> None:
    marks = [None, False, "false", 0, "", True, "true", 1, "2024-03-01T12:00:00Z"]
    write(tmp_path, *(change("u", None, ride(n, gone=mark), n + 1) for n, mark in enumerate(marks)))
    source = feed(deleted="gone")
    conformed = conform(found(source, tmp_path), source)
    assert conformed.frame[CHANGE_OPERATION].to_list() == ["upsert"] * 5 + ["delete"] * 4
    assert conformed.extra_columns == ()


def test_what_orders_changes(feed: Callable[..., Source], tmp_path: Path) -> None:
    write(
        tmp_path,
        change("c", None, ride(1), None),
        {**change("u", None, ride(1), None), "source": {"ts_ms": 6}},
        change("c", None, ride(2), 7, txn={"total_order": 4}),
        {**change("c", None, ride(3), None), "ts_ms": None},
    )
    by_time = found(feed(), tmp_path)
    assert by_time[CHANGE_SEQUENCE].to_list()[:3] == [5 << 20, 6 << 20, (6 << 20) + 1]
    assert "to order changes by" in by_time[SOURCE_PROBLEM][3]
    by_field = found(feed(sequence="txn.total_order"), tmp_path)
    assert by_field[CHANGE_SEQUENCE][2] == 4
    assert by_field[SOURCE_PROBLEM].is_not_null().to_list() == [True, True, False, True]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("{cut off", "not JSON"),
        ("[1]", "no envelope"),
        (ride(1), "no envelope"),
        (change("t"), "truncated table has to be loaded anew"),
        (change("x", None, ride(1)), "is not one of c, r, u and d"),
        (change("c"), "without `after`"),
        (change("d"), "names no row"),
        (change("c", None, ride(1), 2**63), None),
    ],
)
def test_a_message_that_cannot_be_applied_is_kept_with_its_reason(
    feed: Callable[..., Source], tmp_path: Path, message: Any, says: str | None
) -> None:
    write(tmp_path, change("c", None, ride(1)), message)
    source = feed()
    conformed = conform(found(source, tmp_path), source)
    assert conformed.frame.height == 2
    assert conformed.frame["uncast"][0] is None
    if says is not None:
        assert says in conformed.frame["uncast"][1]


def test_an_undeclared_column_is_kept_aside(feed: Callable[..., Source], tmp_path: Path) -> None:
    write(tmp_path, change("c", None, ride(1, tip=2.50, tags=["a", 1])), change("c", None, ride(2)))
    source = feed()
    conformed = conform(found(source, tmp_path), source)
    assert [json.loads(text) if text else None for text in conformed.frame["extra"]] == [
        {"tip": "2.5", "tags": '["a", 1]'},
        None,
    ]
    assert conformed.extra_columns == ("tip", "tags")


@pytest.mark.parametrize("max_rows", [1, 3, 1000])
def test_a_history_ends_at_the_state_of_its_table(feed: Callable[..., Source], tmp_path: Path, max_rows: int) -> None:
    chance = random.Random(max_rows)
    table: dict[int, float] = {}
    messages: list[Any] = []
    for lsn in range(1, 200):
        key = chance.randrange(20)
        if key not in table:
            table[key] = lsn / 2
            messages.append(change("c", None, ride(key, table[key]), lsn))
        elif chance.random() < 0.3:
            messages += [change("d", ride(key, table.pop(key)), None, lsn), "null"]
        else:
            old, table[key] = table[key], lsn / 2
            messages.append(change("u", ride(key, old), ride(key, table[key]), lsn))
        if chance.random() < 0.2:  # the connector restarts and repeats itself
            messages += messages[-chance.randrange(1, 5) :]
    for start in range(0, len(messages), 40):
        write(tmp_path, *messages[start : start + 40], name=f"{start:04}.jsonl")
    source, cursor, seen = feed(), None, {}
    for _ in range(2000):
        batch = read_changes(source, tmp_path, cursor, max_rows=max_rows)
        if batch.frame.height:
            rows = (
                conform(batch.frame, source).frame.select("ride_id", CHANGE_SEQUENCE, CHANGE_OPERATION, "price").rows()
            )
            for key, sequence, operation, price in rows:
                if sequence > seen.get(key, (0,))[0]:
                    seen[key] = (sequence, operation, price)
        cursor = batch.cursor
        if not batch.more:
            break
    assert {key: price for key, (_, operation, price) in seen.items() if operation == "upsert"} == table


def test_nothing_there_and_files_that_cannot_be_read(feed: Callable[..., Source], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no jsonl file at 'in'"):
        found(feed(), tmp_path)
    (tmp_path / "in").mkdir()
    assert conform(found(feed(), tmp_path), feed()).frame.height == 0
    (tmp_path / "in" / "a.jsonl").write_bytes(json.dumps(ride(1)).encode("utf-16"))
    with pytest.raises(SourceError, match=r"a\.jsonl.*not UTF-8"):
        found(feed(), tmp_path)
    (tmp_path / "in" / "a.jsonl").rename(tmp_path / "in" / "a.jsonl.gz")
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz cannot be read"):
        found(feed(), tmp_path)
