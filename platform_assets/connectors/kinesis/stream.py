"""Records of a Kinesis data stream, shard by shard.

Belongs here: the client, reading from where a cursor stands to what a shard holds now. Does not belong here: the cursor (`progress.py`),
or what a record means (`plain_messages.py`).

What was read is kept with the data, and nowhere else: no lease table, no registered consumer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.connectors.access import ATTEMPTS, Access, with_patience
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.json_changes import Change, frame_of_changes
from platform_assets.connectors.kinesis.progress import Place, Progress, Shard, stamp
from platform_assets.connectors.plain_messages import plain_change
from platform_assets.declaration.sections.connectors.kinesis import KinesisConnector
from platform_assets.declaration.sections.sources import Source

AGGREGATED = b"\xf3\x89\x9a\xc2"
"""How records begin that the Kinesis Producer Library put together to one."""
RECORDS_AT_ONCE = 10_000
"""The most that one answer may hold."""
FRESH = timedelta(hours=6)
"""A cursor that says since when nothing came is written anew so often: streams keep records for a day or longer."""
EMPTY_ANSWERS = 100
"""So many answers without a record end the read of a shard for now: Kinesis may answer nothing where records are thin."""


@dataclass(frozen=True)
class Record:
    """One record of a shard; `order` counts along the shard and its parents."""

    shard: str
    number: str
    order: int
    key: str
    data: bytes


def read_stream(
    source: Source, connector: KinesisConnector, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """Records after the cursor, each an upsert or a delete (`plain_change`).

    Raises:
        SourceError: the stream cannot be reached, or records that were not read are gone.
    """
    where = f"source '{source.name}'"
    before = Progress.of(cursor, connector.stream, where)
    client = _client(source, connector, access)

    try:
        records, progress, more = with_patience(lambda: _take(client, source, before, max_rows), _is_lost)
    except Exception as error:
        if _is_lost(error) or _is_of_client(error):
            raise _unreachable(source, connector, error) from error
        raise
    changes = [(f"{connector.stream}[{one.shard}]@{one.number}", _change(one, source, connector)) for one in records]
    unchanged = cursor is not None and progress.is_as(before, FRESH, datetime.now(UTC))
    return ChangeBatch(frame_of_changes(changes, source), cursor if unchanged and cursor else progress.text, more)


def _change(record: Record, source: Source, connector: KinesisConnector) -> Change:
    if record.data.startswith(AGGREGATED):
        return Change(
            {}, problem="aggregated by the Kinesis Producer Library: have its AggregationEnabled switched off"
        )
    return plain_change(record.data, record.key.encode(), record.order, source, connector)


def _take(client: Any, source: Source, before: Progress, max_rows: int) -> tuple[list[Record], Progress, bool]:
    """Records up to the end that each shard has now, shards of one generation after the other."""
    at = datetime.now(UTC)
    summary = client.describe_stream_summary(StreamName=before.stream)["StreamDescriptionSummary"]
    shards = _shards(client, before.stream)
    gone = before.lost(shards, timedelta(hours=summary["RetentionPeriodHours"]), at)
    if gone:
        raise SourceError(
            f"source '{source.name}': shards {gone} of stream '{before.stream}' were not read to their end for longer than the "
            f"{summary['RetentionPeriodHours']} hours that it keeps records: some may have been removed before they were loaded. Load "
            f"into a new table from another copy of the data, and lengthen the stream's retention."
        )
    progress, records = before, list[Record]()
    read, unfinished = set[str](), False
    while True:
        due = {name: place for name, place in progress.due(shards).items() if name not in read}
        if not due or len(records) >= max_rows:
            break
        for name in sorted(due):
            if len(records) >= max_rows:
                break
            read.add(name)
            found, place, ended = _read_shard(client, before.stream, name, due[name], max_rows - len(records))
            records, unfinished = records + found, unfinished or not ended
            progress = Progress(before.stream, {**progress.places, name: place})
    return records, progress.without_expired(shards), unfinished or not progress.due(shards).keys() <= read


def _shards(client: Any, stream: str) -> list[Shard]:
    found, token = list[Shard](), ""
    while True:
        answer = client.list_shards(**({"NextToken": token} if token else {"StreamName": stream}))
        for shard in answer["Shards"]:
            parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
            found.append(Shard(shard["ShardId"], tuple(parent for parent in parents if parent)))
        token = answer.get("NextToken") or ""
        if not token:
            return found


def _read_shard(client: Any, stream: str, shard: str, begin: Place, most: int) -> tuple[list[Record], Place, bool]:
    """Records of one shard from a place on, the place after them, and whether the end that the shard has now was reached."""
    start = {"ShardIteratorType": "TRIM_HORIZON"}
    if begin.after:
        start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": begin.after}
    iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]
    place, records, silent = begin, list[Record](), 0
    while len(records) < most and silent < EMPTY_ANSWERS:
        asked = stamp(datetime.now(UTC))
        answer = client.get_records(ShardIterator=iterator, Limit=min(RECORDS_AT_ONCE, most - len(records)))
        for one in answer["Records"]:
            seen = stamp(one["ApproximateArrivalTimestamp"])
            place = replace(place, after=one["SequenceNumber"], count=place.count + 1, seen=seen)
            records.append(Record(shard, place.after, place.count, one["PartitionKey"], one["Data"]))
        silent = 0 if answer["Records"] else silent + 1
        iterator = answer.get("NextShardIterator")
        if not iterator:
            return records, replace(place, over=True), True
        if answer.get("MillisBehindLatest") == 0:
            return records, replace(place, seen=asked), True
    return records, place, False


def _client(source: Source, connector: KinesisConnector, access: Access) -> Any:
    """A client of boto3.

    Raises:
        SourceError: boto3 is not installed, or the variable holds no JSON object of its arguments.
    """
    given: Any = {}
    if connector.client is not None:
        try:
            given = json.loads(access.variable(source, "client", connector.client))
        except ValueError:
            given = None
    if not isinstance(given, dict):
        raise SourceError(
            f"source '{source.name}': {connector.client} is no JSON object with arguments of boto3's client, such as region_name. "
            f"Correct it."
        )
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        raise SourceError(
            f"source '{source.name}': a Kinesis stream is read with boto3, which is not installed. Have platform-assets[s3] installed."
        ) from error
    config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, connect_timeout=5, read_timeout=30)
    try:
        return boto3.client("kinesis", config=config, **given)
    except Exception as error:
        if not (_is_of_client(error) or isinstance(error, TypeError | ValueError)):
            raise
        raise SourceError(
            f"source '{source.name}': boto3 makes no client of {connector.client or 'the AWS settings'}: {error}. Correct it."
        ) from error


def _is_of_client(error: BaseException) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    return isinstance(error, BotoCoreError | ClientError)


def _is_lost(error: BaseException) -> bool:
    """Whether another attempt may go better: boto3 has tried for itself what it knows of; an iterator that expired needs a new one."""
    from botocore.exceptions import ClientError, HTTPClientError

    expired = isinstance(error, ClientError) and error.response["Error"]["Code"] == "ExpiredIteratorException"
    return expired or isinstance(error, HTTPClientError)


def _unreachable(source: Source, connector: KinesisConnector, error: Exception) -> SourceError:
    return SourceError(
        f"source '{source.name}': stream '{connector.stream}' cannot be read: {error}. Nothing was loaded. Check that it exists and that "
        f"{connector.client or 'the AWS settings of this process'} name its region and may call DescribeStreamSummary, ListShards, "
        f"GetShardIterator and GetRecords."
    )
