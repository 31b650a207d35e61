"""Kafka topics: bounded by offsets, each message once, offsets in the cursor alone."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_assets.connectors import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    Access,
    ChangeBatch,
    SourceError,
    conform,
    read_changes,
)
from platform_assets.connectors.kafka.topic import _begin
from platform_assets.declaration import Source
from platform_assets.testing.servers import Kafka

ANYWHERE = Path()
TOPICS = (f"rides-{number}" for number in itertools.count())


@pytest.fixture
def topic() -> str:
    """A name that no other test has."""
    return next(TOPICS)


@pytest.fixture
def stream(make_source: Callable[..., Source], topic: str) -> Callable[..., Source]:
    def make(**connector: Any) -> Source:
        return make_source(connector={"kind": "kafka", "topic": topic, "brokers": "BROKERS", **connector})

    return make


def ride(key: int, **more: Any) -> str:
    return json.dumps({"ride_id": key, "started_at": "2024-03-01T12:00:00Z", "price": 1.5, **more})


def read(source: Source, cluster: Kafka, cursor: str | None = None, max_rows: int = 100) -> ChangeBatch:
    return read_changes(
        source, ANYWHERE, cursor, max_rows=max_rows, access=Access(variables={"BROKERS": cluster.brokers})
    )


def test_messages_are_read_once_with_their_offsets(
    stream: Callable[..., Source], topic: str, kafka_cluster: Kafka
) -> None:
    for key, partition in ((1, 0), (2, 2), (3, 0)):
        kafka_cluster.produce(topic, ride(key), partition=partition)
    source = stream()
    first = read(source, kafka_cluster)
    assert first.frame.select("ride_id", SOURCE_POSITION, CHANGE_OPERATION, CHANGE_SEQUENCE).rows() == [
        ("1", f"{topic}[0]@0", "upsert", 0),
        ("3", f"{topic}[0]@1", "upsert", 1),
        ("2", f"{topic}[2]@0", "upsert", 0),
    ]
    assert not first.more
    assert json.loads(first.cursor)["topic"] == topic
    again = read(source, kafka_cluster, first.cursor)
    assert (again.frame.height, again.cursor, again.more) == (0, first.cursor, False)
    kafka_cluster.produce(topic, ride(4), partition=1)
    later = read(source, kafka_cluster, again.cursor)
    assert conform(later.frame, source).frame["ride_id"].to_list() == [4]
    assert read(source, kafka_cluster).frame.height == 4, "nothing was committed at the brokers"


@pytest.mark.parametrize("max_rows", [1, 4, 7])
def test_pieces_of_any_size(stream: Callable[..., Source], topic: str, kafka_cluster: Kafka, max_rows: int) -> None:
    for key in range(20):
        kafka_cluster.produce(topic, ride(key), partition=key % 3)
    found, cursor = [], None
    for _ in range(50):
        batch = read(stream(), kafka_cluster, cursor, max_rows)
        assert batch.frame.height <= max_rows
        found += [int(key) for key in batch.frame["ride_id"]]
        cursor = batch.cursor
        if not batch.more:
            break
    assert sorted(found) == list(range(20))


def test_a_message_without_a_value_deletes_the_row_of_its_key(
    stream: Callable[..., Source], topic: str, kafka_cluster: Kafka
) -> None:
    kafka_cluster.produce(topic, ride(1), key='{"ride_id": 1}')
    for key in ('{"ride_id": 1}', "1", '{"other": 1}', None):
        kafka_cluster.produce(topic, None, key=key)
    source = stream()
    frame = conform(read(source, kafka_cluster).frame, source).frame
    assert frame.select("ride_id", CHANGE_OPERATION).rows()[:3] == [(1, "upsert"), (1, "delete"), (1, "delete")]
    assert ["no primary key" in (text or "") for text in frame["uncast"]] == [False, False, False, True, True]


def test_a_field_may_order_changes(stream: Callable[..., Source], topic: str, kafka_cluster: Kafka) -> None:
    kafka_cluster.produce(topic, ride(1, version=40))
    kafka_cluster.produce(topic, ride(1))
    found = read(stream(sequence="version"), kafka_cluster).frame
    assert found[CHANGE_SEQUENCE][0] == 40
    assert "no whole number in version" in found[SOURCE_PROBLEM][1]


def test_messages_that_are_no_rows_are_kept_with_their_reason(
    stream: Callable[..., Source], topic: str, kafka_cluster: Kafka
) -> None:
    kafka_cluster.produce(topic, ride(1))
    for value in (b"nonsense", b"[1]", b"\xff\xfe", b""):
        kafka_cluster.produce(topic, value)
    conformed = conform(read(stream(), kafka_cluster).frame, stream())
    assert conformed.frame.height == 5
    assert conformed.uncast_rows == 4


def test_a_debezium_topic(make_source: Callable[..., Source], topic: str, kafka_cluster: Kafka) -> None:
    source = make_source(connector={"kind": "change_feed", "topic": topic, "brokers": "BROKERS"})
    row = json.loads(ride(1))
    kafka_cluster.produce(topic, json.dumps({"payload": {"op": "c", "after": row, "source": {"lsn": 5}}}))
    kafka_cluster.produce(
        topic, json.dumps({"op": "d", "before": None, "source": {"lsn": 6}}), key='{"payload": {"ride_id": 1}}'
    )
    kafka_cluster.produce(topic, None, key='{"ride_id": 1}')
    batch = read(source, kafka_cluster)
    frame = conform(batch.frame, source).frame
    assert frame.select("ride_id", CHANGE_OPERATION, CHANGE_SEQUENCE, SOURCE_POSITION).rows() == [
        (1, "upsert", 5, f"{topic}[0]@0"),
        (1, "delete", 6, f"{topic}[0]@1"),
    ]
    assert read(source, kafka_cluster, batch.cursor).cursor == batch.cursor


def problem(source: Source, access: Access, cursor: str | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        read_changes(source, ANYWHERE, cursor, max_rows=10, access=access)
    return str(caught.value)


def test_errors_say_what_to_do(
    stream: Callable[..., Source], topic: str, kafka_cluster: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka_cluster.produce(topic, ride(1))
    given = Access(variables={"BROKERS": kafka_cluster.brokers})
    assert "BROKERS, named by connector.brokers, is not set" in problem(stream(), Access())
    assert "neither `host:port,...` nor a JSON object" in problem(stream(), Access(variables={"BROKERS": "{}"}))
    assert "not one of topic" in problem(stream(), given, '{"files": 3}')
    ahead = json.dumps({"topic": topic, "offsets": {"0": 99}})
    assert "was made anew" in problem(stream(), given, ahead)
    monkeypatch.setattr("platform_assets.connectors.access._FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("platform_assets.connectors.access._LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("platform_assets.connectors.kafka.topic.ANSWER_SECONDS", 0.3)
    nobody = Access(variables={"BROKERS": "127.0.0.1:1"})
    assert "the brokers in BROKERS cannot be reached" in problem(stream(), nobody)


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (4, "messages 4 to 9 of rides[0] were removed before they were loaded"),
        (31, "topic was made anew"),
        (10, None),
        (30, None),
    ],
)
def test_what_the_cursor_expects_has_to_be_there(stream: Callable[..., Source], start: int, says: str | None) -> None:
    """Messages 10 to 29 are in the topic."""
    if says is None:
        assert _begin(stream(), "rides", {0: start}, {0: (10, 30), 1: (2, 5)}) == {0: start, 1: 2}
        return
    with pytest.raises(SourceError, match=re.escape(says)):
        _begin(stream(), "rides", {0: start}, {0: (10, 30)})


def test_settings_may_be_an_object(stream: Callable[..., Source], topic: str, kafka_cluster: Kafka) -> None:
    kafka_cluster.produce(topic, ride(1))
    settings = json.dumps({"bootstrap.servers": kafka_cluster.brokers, "client.id": "test"})
    batch = read_changes(stream(), ANYWHERE, None, max_rows=10, access=Access(variables={"BROKERS": settings}))
    assert batch.frame.height == 1
