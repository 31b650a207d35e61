"""Rows that were taken out of their envelope: a mark says deleted, an empty message follows, a schema may describe them."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors import CHANGE_OPERATION, SOURCE_PROBLEM, Access, conform, read_changes
from platform_assets.connectors.debezium import topic as feed_topic
from platform_assets.connectors.kafka import topic
from platform_assets.connectors.kafka.topic import Message
from platform_assets.declaration import Source

Make = Callable[..., Source]


def ride(key: int, **more: Any) -> dict[str, Any]:
    return {"ride_id": key, "started_at": "2024-03-01T12:00:00Z", "price": 1.5, **more}


@pytest.fixture
def read(make_source: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`read([(key, row), ...], deleted="gone")`: what a topic with these messages delivers; a row of None is an empty message."""

    def make(messages: Sequence[tuple[Any, Any]], **connector: Any) -> Any:
        sent = [
            Message(0, offset, json.dumps(key).encode(), None if row is None else json.dumps(row).encode())
            for offset, (key, row) in enumerate(messages)
        ]
        monkeypatch.setattr(topic, "take", lambda *_: (sent, "{}", False))
        source = make_source(connector={"kind": "kafka", "topic": "t", "brokers": "B", **connector})
        return conform(read_changes(source, Path(), None, max_rows=9, access=Access()).frame, source)

    return make


def test_a_marked_row_is_deleted(read: Callable[..., Any]) -> None:
    key = {"ride_id": 1}
    found = read([(key, ride(1, __deleted="false")), (key, ride(1, __deleted="true"))])
    assert found.frame.select("ride_id", CHANGE_OPERATION).rows() == [(1, "upsert"), (1, "delete")]
    assert found.extra_columns == ()
    assert found.frame["uncast"].is_null().all()


def test_a_delete_may_be_named_by_the_key_alone_and_followed_by_an_empty_message(read: Callable[..., Any]) -> None:
    found = read([({"ride_id": 1}, {"__deleted": "true"}), ({"ride_id": 1}, None), ({"ride_id": 2}, None)])
    assert found.frame.select("ride_id", CHANGE_OPERATION).rows() == [(1, "delete"), (2, "delete")]


def test_a_declared_mark_and_an_order_of_its_own(read: Callable[..., Any]) -> None:
    rows = [ride(1, gone=None, __lsn=5), ride(1, gone="2024-03-02", __lsn=7), None, ride(1, gone=0, __lsn=9)]
    found = read([({"ride_id": 1}, row) for row in rows], deleted="gone", sequence="__lsn")
    assert found.frame[CHANGE_OPERATION].to_list() == ["upsert", "delete", "upsert"]
    assert found.frame["uncast"].is_null().all(), "the empty message after a marked delete says nothing new"


def test_a_delete_that_names_no_row_is_kept_with_its_reason(read: Callable[..., Any]) -> None:
    found = read([(None, {"other": 1, "__deleted": True})])
    assert found.frame["ride_id"].to_list() == [None]
    assert "names no row" in found.frame["uncast"][0]


def test_the_schema_of_a_plain_row_tells_what_numbers_are(read: Callable[..., Any]) -> None:
    fields = [{"field": "started_at", "type": "int64", "name": "io.debezium.time.MicroTimestamp"}]
    found = read([(1, {"schema": {"fields": fields}, "payload": ride(1, started_at=1_709_294_400_000_001)})])
    assert found.frame["started_at"].to_list() == [datetime(2024, 3, 1, 12, 0, 0, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ({"id": '{"$oid": "65e1f0"}'}, "65e1f0"),
        ({"schema": None, "payload": {"id": '"abc"'}}, "abc"),
        ({"id": "plain text"}, "plain text"),
        ({"id": '{"$numberLong": "7"}'}, "7"),
    ],
)
def test_a_delete_of_a_document_is_named_by_its_key(
    make_source: Make, monkeypatch: pytest.MonkeyPatch, key: Any, value: str
) -> None:
    columns = [
        {"name": "ride", "from": "_id", "type": "string", "description": "Ride"},
        {"name": "started_at", "type": "datetime", "description": "Start"},
    ]
    connector = {"kind": "change_feed", "topic": "t", "brokers": "B"}
    source = make_source(connector=connector, columns=columns, primary_key=["ride"])
    envelope = {"op": "d", "before": None, "after": None, "source": {"ord": 1, "ts_ms": 1000}}
    sent = [Message(0, 0, json.dumps(key).encode(), json.dumps(envelope).encode())]
    monkeypatch.setattr(feed_topic, "take", lambda *_: (sent, "{}", False))
    found = read_changes(source, Path(), None, max_rows=9, access=Access()).frame
    assert found.select("ride", CHANGE_OPERATION).rows() == [(value, "delete")]
    assert found[SOURCE_PROBLEM].is_null().all()


@pytest.mark.parametrize(("deleted", "name"), [({}, "__deleted"), ({"deleted": "gone"}, "gone")])
def test_files_of_plain_rows(make_source: Make, tmp_path: Path, deleted: dict[str, str], name: str) -> None:
    (tmp_path / "in").mkdir()
    rows = [ride(1, remark=None, **{name: "false"}), ride(2, remark=None, **{name: "true"}), ride(3, remark=None)]
    (tmp_path / "in" / "1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    connector = {"kind": "files", "format": "jsonl", "path": "in", "incremental": True, "settle_seconds": 0, **deleted}
    source = make_source(connector=connector)
    found = read_changes(source, tmp_path, None, max_rows=9).frame
    assert found[CHANGE_OPERATION].to_list() == ["upsert", "delete", "upsert"]
    assert found[SOURCE_PROBLEM].is_null().all()
    assert conform(found, source).extra_columns == ()
