"""What a Kinesis data stream promises beyond every connector: shards that are cut and joined, and records that are gone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.kinesis import stream as kinesis_stream
from platform_assets.connectors.kinesis.stream import AGGREGATED, read_stream
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
)
from platform_assets.declaration.sections.connectors.kinesis import KinesisConnector
from platform_assets_tests.contracts.connector_worlds import rides

SOURCE = rides({"kind": "kinesis", "stream": "rides"})


class FakeKinesis:
    """Shards in memory that can be cut and joined: of the outside emulators none ends the parents of a cut shard and throttles nobody."""

    def __init__(self, *shards: str, page: int = 3) -> None:
        self.shards: dict[str, dict[str, Any]] = {
            name: {"parents": (), "records": [], "closed": False} for name in shards
        }
        self.page, self.number, self.retention_hours = page, 0, 24
        self.calls: list[str] = []

    def put(self, shard: str, ride: int, at: datetime | None = None, **cells: Any) -> None:
        data = json.dumps({"ride_id": ride, "started_at": "2024-03-01T10:00:00Z", "price": 1.0, **cells}).encode()
        self.put_bytes(shard, str(ride), data, at)

    def put_bytes(self, shard: str, key: str, data: bytes, at: datetime | None = None) -> None:
        assert not self.shards[shard]["closed"]
        self.number += 1
        record = {"SequenceNumber": f"{self.number:056d}", "PartitionKey": key, "Data": data}
        self.shards[shard]["records"].append({**record, "ApproximateArrivalTimestamp": at or datetime.now(UTC)})

    def reshard(self, parents: tuple[str, ...], children: tuple[str, ...]) -> None:
        for parent in parents:
            self.shards[parent]["closed"] = True
        for child in children:
            self.shards[child] = {"parents": parents, "records": [], "closed": False}

    def describe_stream_summary(self, StreamName: str) -> dict[str, Any]:
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": self.retention_hours}}

    def list_shards(self, StreamName: str = "", NextToken: str = "") -> dict[str, Any]:
        names = list(self.shards)
        begin = int(NextToken or 0)
        shown = []
        for name in names[begin : begin + 2]:
            ids = zip(("ParentShardId", "AdjacentParentShardId"), self.shards[name]["parents"], strict=False)
            shown.append({"ShardId": name, **dict(ids)})
        more = {"NextToken": str(begin + 2)} if begin + 2 < len(names) else {}
        return {"Shards": shown, **more}

    def get_shard_iterator(
        self, StreamName: str, ShardId: str, ShardIteratorType: str, StartingSequenceNumber: str = ""
    ) -> dict[str, Any]:
        self.calls.append(ShardId)
        after = StartingSequenceNumber if ShardIteratorType == "AFTER_SEQUENCE_NUMBER" else ""
        return {"ShardIterator": (ShardId, after)}

    def get_records(self, ShardIterator: tuple[str, str], Limit: int) -> dict[str, Any]:
        name, after = ShardIterator
        shard = self.shards[name]
        left = [record for record in shard["records"] if record["SequenceNumber"] > after]
        taken = left[: min(self.page, Limit)]
        rest = left[len(taken) :]
        position = taken[-1]["SequenceNumber"] if taken else after
        following = None if shard["closed"] and not rest else (name, position)
        return {"Records": taken, "NextShardIterator": following, "MillisBehindLatest": 1000 if rest else 0}


@pytest.fixture
def kinesis(monkeypatch: pytest.MonkeyPatch) -> FakeKinesis:
    fake = FakeKinesis("a", "b")
    monkeypatch.setattr(kinesis_stream, "_client", lambda *_: fake)
    return fake


def read(cursor: str | None = None, most: int = 1000) -> ChangeBatch:
    connector = SOURCE.connector
    assert isinstance(connector, KinesisConnector)
    return read_stream(SOURCE, connector, cursor, most, Access())


def rides_of(batch: ChangeBatch) -> list[str]:
    return batch.frame["ride_id"].to_list()


def test_a_shard_that_was_cut_is_read_to_its_end_before_its_children(kinesis: FakeKinesis) -> None:
    for ride in (1, 2, 3, 4):
        kinesis.put("a", ride)
    first = read()
    kinesis.put("a", 5)
    kinesis.reshard(("a",), ("c", "d"))
    kinesis.put("c", 5, price=2.0)
    kinesis.put("d", 1, price=2.0)
    second = read(first.cursor)
    assert (rides_of(first), rides_of(second)) == (["1", "2", "3", "4"], ["5", "5", "1"])
    assert second.frame[CHANGE_SEQUENCE].to_list() == [5, 6, 6], "a key's changes go on counting where the parent ended"
    assert not second.more
    kinesis.reshard(("c", "d"), ("e",))
    kinesis.put("e", 5, price=3.0)
    third = read(second.cursor)
    assert (rides_of(third), third.frame[CHANGE_SEQUENCE].to_list()) == (["5"], [7])


def test_children_wait_while_a_parent_has_records_left(kinesis: FakeKinesis) -> None:
    for ride in range(10):
        kinesis.put("a", ride)
    kinesis.reshard(("a", "b"), ("c",))
    kinesis.put("c", 99)
    cursor, seen = None, list[str]()
    for _ in range(4):
        batch = read(cursor, most=3)
        assert batch.more == (len(seen) + batch.frame.height < 11)
        cursor, seen = batch.cursor, seen + rides_of(batch)
    assert seen == [*map(str, range(10)), "99"]
    assert not read(cursor).more


def test_shards_that_expired_are_forgotten_once_they_were_read(kinesis: FakeKinesis) -> None:
    kinesis.put("a", 1)
    kinesis.reshard(("a", "b"), ("c",))
    kinesis.put("c", 2)
    first = read()
    for name in ("a", "b"):
        del kinesis.shards[name]
    kinesis.put("c", 3)
    second = read(first.cursor)
    assert (rides_of(first), rides_of(second)) == (["1", "2"], ["3"])
    assert sorted(json.loads(second.cursor)["shards"]) == ["c"]


def test_records_that_may_be_gone_stop_the_load_and_nothing_is_passed_over(kinesis: FakeKinesis) -> None:
    kinesis.put("a", 1, at=datetime.now(UTC) - timedelta(hours=60))
    kinesis.put("a", 2, at=datetime.now(UTC) - timedelta(hours=50))
    kinesis.retention_hours = 168
    first = read(most=1)
    kinesis.retention_hours = 24
    with pytest.raises(SourceError, match=r"shards \['a'\] of stream 'rides' .* 24 hours .* Load into a new table"):
        read(first.cursor)
    kinesis.retention_hours = 168
    assert rides_of(read(first.cursor)) == ["2"]
    del kinesis.shards["a"]
    with pytest.raises(SourceError, match="may have been removed before they were loaded"):
        read(first.cursor)


def test_a_silent_stream_says_now_and_then_that_it_was_read(
    kinesis: FakeKinesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinesis.put("a", 1)
    first = read()
    again = read(first.cursor)
    assert (again.cursor, again.frame.height) == (first.cursor, 0)
    monkeypatch.setattr(kinesis_stream, "FRESH", timedelta(0))
    content = json.loads(first.cursor)
    for place in content["shards"].values():
        place["seen"] = "2026-01-01T00:00:00+00:00"
    kinesis.retention_hours = 24 * 365 * 10
    late = read(json.dumps(content))
    assert late.frame.height == 0
    assert all(place["seen"] > "2026-01-02" for place in json.loads(late.cursor)["shards"].values())


def test_a_record_that_cannot_be_taken_apart_stays_with_its_reason(kinesis: FakeKinesis) -> None:
    kinesis.put_bytes("a", "1", AGGREGATED + b"...")
    kinesis.put_bytes("a", "1", b"no json")
    kinesis.put("a", 3, __deleted="true")
    frame = read().frame
    assert "Kinesis Producer Library" in frame[SOURCE_PROBLEM][0]
    assert "not a JSON object" in frame[SOURCE_PROBLEM][1]
    assert frame[CHANGE_OPERATION].to_list() == ["upsert", "upsert", "delete"]
    assert frame[SOURCE_POSITION][2].startswith("rides[a]@")


def test_the_cursor_of_another_stream_is_refused(kinesis: FakeKinesis) -> None:
    with pytest.raises(SourceError, match="not one of stream 'rides'"):
        read(json.dumps({"topic": "rides", "offsets": {}}))


@pytest.mark.parametrize("value", ["no json", "[1]", '{"no_such_argument": 1, "region_name": "us-east-1"}'])
def test_settings_that_make_no_client_are_refused_with_their_variable(value: str) -> None:
    source = rides({"kind": "kinesis", "stream": "rides", "client": "STREAMS"})
    connector = source.connector
    assert isinstance(connector, KinesisConnector)
    with pytest.raises(SourceError, match="STREAMS") as error:
        read_stream(source, connector, None, 10, Access(variables={"STREAMS": value}))
    assert "Correct it" in str(error.value)
