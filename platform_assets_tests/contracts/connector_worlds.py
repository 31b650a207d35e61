"""Sources of every kind of connector, each with the same rides behind it, for the suite that all of them pass.

Belongs here: making a source with rows, and delivering more. Does not belong here: what is promised (`test_connectors.py`). A further
kind adds its worlds to the two lists at the end.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import write_deltalake

from platform_assets.connectors.access import Access
from platform_assets.declaration import Source
from platform_assets.simulation.generators import load_generator
from platform_assets.testing.servers import S3, Kafka
from platform_assets_tests.contracts.members.iceberg import append_snapshot

DAYS = {date(2024, 3, 1): [1, 2, 3], date(2024, 3, 2): [4, 5]}
"""Keys of the rides of each day."""
FIRST, LAST = min(DAYS), max(DAYS)
_DAY_OF = {key: day for day, keys in DAYS.items() for key in keys}

COLUMNS = [
    {"name": "ride_id", "type": "int64", "description": "Ride"},
    {"name": "started_at", "type": "datetime", "description": "Start"},
    {"name": "price", "type": "float64", "description": "Price"},
    {"name": "remark", "type": "string", "description": "Remark", "nullable": True},
]


@dataclass(frozen=True)
class Streams:
    """The servers that streams are kept by."""

    kafka: Kafka
    aws: S3
    """Speaks for Kinesis as well."""

    def kinesis(self) -> dict[str, str]:
        """What boto3's client is made with."""
        return {
            "region_name": "us-east-1",
            "endpoint_url": self.aws.endpoint,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }


@dataclass(frozen=True)
class World:
    """A source with rows behind it."""

    source: Source
    folder: Path
    access: Access
    lost: tuple[Source, Access]
    """The same where nothing is to be found."""
    keys: Mapping[date, Sequence[int]]
    """Keys of the rows of each event day."""
    deliver: Callable[[Sequence[int]], None] | None = None
    """Delivers rides once more; of incremental sources."""
    stored_cursor: str = ""
    """A cursor as a home holds it that stands at the beginning."""


def rides(connector: dict[str, Any], **changes: Any) -> Source:
    """A source of rides."""
    declared = {"name": "rides", "description": "One ride.", "primary_key": ["ride_id"], "event_time": "started_at"}
    return Source.model_validate({**declared, "columns": COLUMNS, "connector": connector, **changes})


def frame(keys: Sequence[int]) -> pl.DataFrame:
    """Rides as typed rows."""
    starts = [_start(key) for key in keys]
    remarks = [None if key % 2 else f"ride {key}" for key in keys]
    columns = {"ride_id": list(keys), "started_at": starts, "price": [1.5 * key for key in keys], "remark": remarks}
    schema = {"ride_id": pl.Int64, "started_at": pl.Datetime("us", "UTC"), "price": pl.Float64, "remark": pl.String}
    return pl.DataFrame(columns, schema=schema)


def _start(key: int) -> datetime:
    day = _DAY_OF.get(key, LAST)
    return datetime(day.year, day.month, day.day, 12, key % 60, tzinfo=UTC)


def _all_keys() -> list[int]:
    return [key for keys in DAYS.values() for key in keys]


def _world(connector: dict[str, Any], lost: dict[str, Any], folder: Path, **more: Any) -> World:
    access = more.pop("access", Access())
    return World(rides(connector), folder, access, (rides({**connector, **lost}), access), DAYS, **more)


# Sources that are asked for event days.


def csv_by_day(folder: Path, _cluster: Streams) -> World:
    """A CSV file for each day."""
    for day, keys in DAYS.items():
        frame(keys).with_columns(pl.col("started_at").dt.to_string("iso")).write_csv(folder / f"{day}.csv")
    connector = {"kind": "files", "format": "csv", "path": "{event_day}.csv"}
    return _world(connector, {"path": "nowhere-{event_day}.csv"}, folder)


def parquet_in_one(folder: Path, _cluster: Streams) -> World:
    """A Parquet file with all days."""
    frame(_all_keys()).write_parquet(folder / "rides.parquet")
    return _world({"kind": "files", "format": "parquet", "path": "rides.parquet"}, {"path": "nowhere"}, folder)


def database(folder: Path, _cluster: Streams) -> World:
    """A table of a database."""
    access = _database(folder, _all_keys())
    return _world({"kind": "sql", "url": "DATABASE", "table": "rides"}, {"table": "nowhere"}, folder, access=access)


def _database(folder: Path, keys: Sequence[int]) -> Access:
    with sqlite3.connect(folder / "rides.db") as connection:
        connection.execute(
            "CREATE TABLE rides (ride_id INTEGER PRIMARY KEY, started_at TEXT, price REAL, remark TEXT, version INTEGER)"
        )
    _into_database(folder, keys)
    return Access(variables={"DATABASE": f"sqlite:///{folder / 'rides.db'}"})


def _into_database(folder: Path, keys: Sequence[int]) -> None:
    with sqlite3.connect(folder / "rides.db") as connection:
        for row in frame(keys).iter_rows():
            cells = (row[0], row[1].isoformat(), *row[2:])
            version = "(SELECT COALESCE(MAX(version), 0) + 1 FROM rides)"
            connection.execute(f"INSERT OR REPLACE INTO rides VALUES (?, ?, ?, ?, {version})", cells)


def delta_table(folder: Path, _cluster: Streams) -> World:
    """A Delta table of others."""
    write_deltalake(folder / "theirs", frame(_all_keys()))
    return _world({"kind": "delta", "uri": "theirs"}, {"uri": "nowhere"}, folder)


def simulated(folder: Path, _cluster: Streams) -> World:
    """A tiny simulated world; its keys are what the generator draws."""
    settings = {"customers": 30, "terminals": 300, "start": "2024-03-01"}
    generator = "platform_assets.simulation.card_payments:CardPayments"
    connector = {"kind": "simulator", "generator": generator, "settings": settings}
    columns = [
        {"name": "transaction_id", "type": "int64", "description": "Key"},
        {"name": "transaction_time", "type": "datetime", "description": "Time"},
        {"name": "amount", "type": "float64", "description": "Amount"},
    ]
    declared = {"columns": columns, "primary_key": ["transaction_id"], "event_time": "transaction_time"}
    source = rides({**connector, "table": "transactions"}, **declared)
    drawn = {
        day: load_generator(generator, settings).read("transactions", day, day)["transaction_id"].to_list()
        for day in DAYS
    }
    lost = rides({**connector, "table": "nowhere"}, **declared)
    return World(source, folder, Access(), (lost, Access()), drawn)


def iceberg_table(folder: Path, _cluster: Streams) -> World:
    """The test-only member, asked for days."""
    for keys in DAYS.values():
        append_snapshot(folder / "lake", frame(keys))
    return _world({"kind": "iceberg", "path": "lake"}, {"path": "nowhere"}, folder)


# Sources that are asked what is new.


def new_files(folder: Path, _cluster: Streams) -> World:
    """A folder in which files arrive."""
    arrivals = folder / "in"
    arrivals.mkdir()

    def deliver(keys: Sequence[int]) -> None:
        number = len(list(arrivals.iterdir()))
        frame(keys).with_columns(pl.col("started_at").dt.to_string("iso")).write_csv(arrivals / f"{number:03}.csv")

    deliver(_all_keys())
    connector = {"kind": "files", "format": "csv", "path": "in", "incremental": True, "settle_seconds": 0}
    cursor = {"files": 0, "deliveries": 0, "last": "", "row": 0, "begun": "", "delivered": ""}
    return _world(connector, {"path": "nowhere"}, folder, deliver=deliver, stored_cursor=json.dumps(cursor))


def changed_rows(folder: Path, _cluster: Streams) -> World:
    """A table of a database with a change number."""
    access = _database(folder, _all_keys())
    connector = {"kind": "sql", "url": "DATABASE", "table": "rides", "cursor": "version"}
    cursor = json.dumps({"at": [0, 0], "since": [0], "seen": ""})
    return _world(
        connector,
        {"table": "nowhere"},
        folder,
        access=access,
        deliver=lambda keys: _into_database(folder, keys),
        stored_cursor=cursor,
    )


def delta_changes(folder: Path, _cluster: Streams) -> World:
    """The change data feed of a Delta table."""
    properties = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(folder / "theirs", frame(_all_keys()), configuration=properties)

    def deliver(keys: Sequence[int]) -> None:
        write_deltalake(folder / "theirs", frame(keys), mode="append")

    cursor = json.dumps({"version": 0, "rows": 0, "snapshot": True})
    connector = {"kind": "delta", "uri": "theirs", "incremental": True}
    return _world(connector, {"uri": "nowhere"}, folder, deliver=deliver, stored_cursor=cursor)


def debezium_files(folder: Path, _cluster: Streams) -> World:
    """Debezium's envelopes in files."""
    arrivals = folder / "in"
    arrivals.mkdir()
    sent = 0

    def deliver(keys: Sequence[int]) -> None:
        nonlocal sent
        lines = []
        for cells in _json_rows(keys):
            sent += 1
            lines.append(json.dumps({"op": "c", "before": None, "after": cells, "source": {"lsn": sent}, "ts_ms": 5}))
        (arrivals / f"{sent:03}.jsonl").write_text("\n".join(lines) + "\n")

    deliver(_all_keys())
    connector = {"kind": "change_feed", "path": "in", "settle_seconds": 0}
    cursor = {"files": 0, "deliveries": 0, "last": "", "row": 0, "begun": "", "delivered": ""}
    return _world(connector, {"path": "nowhere"}, folder, deliver=deliver, stored_cursor=json.dumps(cursor))


def debezium_topic(folder: Path, cluster: Streams) -> World:
    """Debezium's envelopes in a topic."""
    return _topic("change_feed", folder, cluster, lambda cells: {"op": "c", "before": None, "after": cells, "ts_ms": 5})


def kafka_topic(folder: Path, cluster: Streams) -> World:
    """Plain JSON messages in a topic."""
    return _topic("kafka", folder, cluster, lambda cells: cells)


def _topic(kind: str, folder: Path, cluster: Streams, message: Callable[[dict[str, Any]], Any]) -> World:
    topic = f"{kind}-{folder.name}"

    def deliver(keys: Sequence[int]) -> None:
        for cells in _json_rows(keys):
            cluster.kafka.produce(topic, json.dumps(message(cells)))

    deliver(_all_keys())
    connector = {"kind": kind, "topic": topic, "brokers": "BROKERS"}
    access = Access(variables={"BROKERS": cluster.kafka.brokers})
    cursor = json.dumps({"topic": topic, "offsets": {}})
    world = _world(connector, {}, folder, access=access, deliver=deliver, stored_cursor=cursor)
    return World(**{**vars(world), "lost": (world.source, Access())})


def kinesis_stream(folder: Path, cluster: Streams) -> World:
    """Plain JSON records in a stream of two shards."""
    import boto3

    stream, client = f"rides-{folder.name}", boto3.client("kinesis", **cluster.kinesis())
    client.create_stream(StreamName=stream, ShardCount=2)
    client.get_waiter("stream_exists").wait(StreamName=stream)

    def deliver(keys: Sequence[int]) -> None:
        for cells in _json_rows(keys):
            client.put_record(StreamName=stream, Data=json.dumps(cells).encode(), PartitionKey=str(cells["ride_id"]))

    deliver(_all_keys())
    connector = {"kind": "kinesis", "stream": stream, "client": "STREAMS"}
    access = Access(variables={"STREAMS": json.dumps(cluster.kinesis())})
    cursor = json.dumps({"stream": stream, "shards": {}})
    return _world(connector, {"stream": "nowhere"}, folder, access=access, deliver=deliver, stored_cursor=cursor)


def _json_rows(keys: Sequence[int]) -> list[dict[str, Any]]:
    return frame(keys).with_columns(pl.col("started_at").dt.to_string("iso")).to_dicts()


def iceberg_snapshots(folder: Path, _cluster: Streams) -> World:
    """The test-only member, asked what is new."""
    for keys in DAYS.values():
        append_snapshot(folder / "lake", frame(keys))
    connector = {"kind": "iceberg", "path": "lake", "incremental": True}
    return _world(
        connector,
        {"path": "nowhere"},
        folder,
        deliver=lambda keys: append_snapshot(folder / "lake", frame(keys)),
        stored_cursor=json.dumps({"snapshots_read": 0}),
    )


OF_DAYS = (csv_by_day, parquet_in_one, database, delta_table, simulated, iceberg_table)
OF_CHANGES = (
    new_files,
    changed_rows,
    delta_changes,
    debezium_files,
    debezium_topic,
    kafka_topic,
    kinesis_stream,
    iceberg_snapshots,
)
