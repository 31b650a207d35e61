"""Kafka topics, bounded by offsets.

Belongs here: reading from the offsets of a cursor up to the end that a topic has when the read starts, and what a
plain message is. Does not belong here: the Debezium envelope (`connectors/debezium/`).

The offsets are kept with the data, and nowhere else: the consumer group is given to the client, which insists on one,
and never commits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from platform_assets.connectors.access import ATTEMPTS, Access, with_patience
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.json_changes import Change, frame_of_changes, key_cells
from platform_assets.connectors.plain_messages import plain_change
from platform_assets.declaration.delivered_columns import DELETE
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
from platform_assets.declaration.sections.sources import Source

if TYPE_CHECKING:
    from confluent_kafka import Consumer

ANSWER_SECONDS = 10.0
"""How long the brokers may take to answer one question."""

_MESSAGES_AT_ONCE = 1000
_BATCH_SECONDS = 0.1
"""How long the client collects a batch: it waits for the whole of it, or for this."""


@dataclass(frozen=True)
class Message:
    """One message of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class BrokersLost(Exception):
    """The brokers do not answer; another attempt may find them."""


def read_topic(
    source: Source, connector: KafkaConnector, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """Messages after the cursor's offsets, each an upsert or a delete (`change_of`).

    An empty message that follows the marked delete of its row says nothing new, and is passed over.

    Raises:
        SourceError: If the brokers or the topic cannot be reached, or messages that the cursor expects are gone.
    """
    messages, after, more = take(source, connector.topic, connector.brokers, cursor, max_rows, access)
    changes: list[tuple[str, Change]] = []
    deleted: dict[int, bytes | None] = {}
    for message in messages:
        if message.value is None and message.key is not None and deleted.get(message.partition) == message.key:
            continue
        change = change_of(message, source, connector)
        deleted[message.partition] = message.key if change.operation == DELETE else None
        changes.append((position(connector.topic, message), change))
    return ChangeBatch(frame_of_changes(changes, source), after, more)


def position(topic: str, message: Message) -> str:
    """`orders[3]@1234`: topic, partition and offset."""
    return f"{topic}[{message.partition}]@{message.offset}"


def change_of(message: Message, source: Source, connector: KafkaConnector) -> Change:
    """What a plain message does to a row: an upsert, or the delete of one that is marked, or that the key of an empty message names."""
    if message.value is None:
        key = key_cells(message.key, source)
        if key is None:
            return Change({}, problem=f"no value, and no primary key in the message's key {message.key!r}")
        if connector.sequence is not None:
            return Change({}, problem=f"no value, so no {connector.sequence} to order the delete of {key} by")
        return Change(key, DELETE, message.offset)
    return plain_change(message.value, message.key, message.offset, source, connector)


# Taking messages.


def take(
    source: Source, topic: str, variable: str, cursor: str | None, max_rows: int, access: Access
) -> tuple[list[Message], str, bool]:
    """Messages from the cursor's offsets up to the end that the topic has now, in order of partition and offset.

    Returns:
        The messages, the cursor after them (equal to the one passed in when there is none), and whether more are there.

    Raises:
        SourceError: If brokers or topic cannot be reached, or messages that the cursor expects are gone.
    """
    from confluent_kafka import KafkaException

    settings = client_settings(source, variable, access)
    before = offsets_of(cursor, topic, f"source '{source.name}'")

    def attempt() -> tuple[list[Message], dict[int, int], bool]:
        with consumer_of(settings) as consumer:
            bounds = watermarks(source, consumer, topic, variable)
            return _consume(consumer, topic, _begin(source, topic, before, bounds), bounds, max_rows)

    try:
        messages, after, more = with_patience(attempt, _is_lost)
    except (KafkaException, BrokersLost) as error:
        raise unreachable(source, topic, variable, error) from error
    text = topic_cursor(topic, after)
    unchanged = cursor is not None and after == before
    return sorted(messages, key=lambda m: (m.partition, m.offset)), cursor if unchanged and cursor else text, more


def topic_cursor(topic: str, offsets: Mapping[int, int]) -> str:
    """The cursor that stands at these offsets, as JSON."""
    return json.dumps({"topic": topic, "offsets": {str(p): offset for p, offset in sorted(offsets.items())}})


def unreachable(source: Source, topic: str, variable: str, error: Exception) -> SourceError:
    """What to say when the brokers do not answer."""
    reason = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
    return SourceError(
        f"source '{source.name}': the brokers in {variable} cannot be reached, or refuse topic '{topic}' ({ATTEMPTS} "
        f"attempts at most): {reason}. Nothing was loaded. Check that they run and that {variable} is right."
    )


def client_settings(source: Source, variable: str, access: Access) -> dict[str, Any]:
    """What the client is told: the brokers, or an object of librdkafka's settings, with ours on top.

    Raises:
        SourceError: If the variable is not set, or holds an object without brokers.
    """
    text = access.variable(source, "brokers", variable)
    given: dict[str, Any] = {"bootstrap.servers": text}
    if text.startswith("{"):
        try:
            given = json.loads(text)
        except ValueError:
            given = {}
        if not given.get("bootstrap.servers"):
            raise SourceError(
                f"source '{source.name}': {variable} is neither `host:port,...` nor a JSON object with bootstrap.servers. "
                f"Correct it."
            )
    return {
        "group.id": "platform-assets",
        "isolation.level": "read_committed",
        "log_level": 2,
        **given,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
    }


def offsets_of(cursor: str | None, topic: str, where: str) -> dict[int, int]:
    """The next offset of each partition in a cursor.

    Raises:
        SourceError: If it is that of another topic or another kind of source.
    """
    if cursor is None:
        return {}
    try:
        content = json.loads(cursor)
        if content["topic"] == topic:
            return {int(partition): int(offset) for partition, offset in content["offsets"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise SourceError(
        f"{where}: the cursor kept with its table is not one of topic '{topic}': {cursor[:80]!r}. The connector was another "
        f"one when it was written: load into a new table, or declare the former connector."
    )


@contextmanager
def consumer_of(settings: Mapping[str, Any]) -> Iterator[Consumer]:
    """A consumer that is closed whatever happens."""
    from confluent_kafka import Consumer

    consumer = Consumer(dict(settings))
    try:
        yield consumer
    finally:
        consumer.close()


def watermarks(source: Source, consumer: Consumer, topic: str, variable: str) -> dict[int, tuple[int, int]]:
    """First offset that is there, and the one after the last, of each partition.

    Raises:
        SourceError: If there is no such topic.
        KafkaException: If the brokers cannot be reached.
        BrokersLost: If they do not answer.
    """
    from confluent_kafka import TopicPartition

    known = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics.get(topic)
    if known is None or known.error is not None or not known.partitions:
        raise SourceError(
            f"source '{source.name}': there is no topic '{topic}' at the brokers in {variable}"
            f"{f' ({known.error.str()})' if known is not None and known.error else ''}. Correct connector.topic in "
            f"defs.yaml, or wait until its producer has made it."
        )
    bounds: dict[int, tuple[int, int]] = {}
    for partition in known.partitions:
        wanted = TopicPartition(topic, partition)
        ends = consumer.get_watermark_offsets(wanted, timeout=ANSWER_SECONDS, cached=False)
        if ends is None:
            raise BrokersLost(f"no answer for {ANSWER_SECONDS:g} s about partition {partition}")
        bounds[partition] = ends
    return bounds


def _begin(
    source: Source, topic: str, before: Mapping[int, int], bounds: Mapping[int, tuple[int, int]]
) -> dict[int, int]:
    """Where to start in each partition; a partition that is new starts at its first message."""
    starts = {partition: before.get(partition, low) for partition, (low, _) in bounds.items()}
    for partition, start in starts.items():
        low, high = bounds[partition]
        if start < low:
            raise SourceError(
                f"source '{source.name}': messages {start} to {low - 1} of {topic}[{partition}] were removed before they "
                f"were loaded: the topic keeps them for too short a time. Load into a new table from another copy of the "
                f"data, and lengthen the topic's retention."
            )
        if start > high:
            raise SourceError(
                f"source '{source.name}': {topic}[{partition}] ends at offset {high}, and {start} was reached before: the "
                f"topic was made anew. Load into a new table."
            )
    return starts


def _consume(
    consumer: Consumer, topic: str, starts: Mapping[int, int], bounds: Mapping[int, tuple[int, int]], max_rows: int
) -> tuple[list[Message], dict[int, int], bool]:
    from confluent_kafka import KafkaError, KafkaException, TopicPartition

    offsets = dict(starts)
    waiting = {partition for partition, start in starts.items() if start < bounds[partition][1]}
    consumer.assign([TopicPartition(topic, partition, starts[partition]) for partition in sorted(waiting)])
    messages: list[Message] = []
    answered = monotonic()
    while waiting and len(messages) < max_rows:
        batch = consumer.consume(min(_MESSAGES_AT_ONCE, max_rows - len(messages)), timeout=_BATCH_SECONDS)
        if batch:
            answered = monotonic()
        elif monotonic() - answered > ANSWER_SECONDS:
            raise BrokersLost(f"no answer for {ANSWER_SECONDS:g} s")
        for message in batch:
            partition, offset, error = message.partition(), message.offset(), message.error()
            at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
            if (error is not None and not at_end) or partition is None or offset is None:
                raise KafkaException(error)
            end = bounds[partition][1]
            if at_end:  # offsets before the end may hold nothing: compacted, or a transaction's own marks
                offsets[partition] = max(offsets[partition], offset)
                waiting.discard(partition)
            elif offset < end:
                messages.append(Message(partition, offset, _bytes(message.key()), _bytes(message.value())))
                offsets[partition] = offset + 1
            else:
                offsets[partition] = end
            if offsets[partition] >= end:
                waiting.discard(partition)
    return messages, offsets, bool(waiting)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _is_lost(error: BaseException) -> bool:
    """Whether another attempt may find the brokers again."""
    from confluent_kafka import KafkaError, KafkaException

    if isinstance(error, BrokersLost):
        return True
    if not isinstance(error, KafkaException) or not error.args or not isinstance(error.args[0], KafkaError):
        return False
    lost = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE)
    return error.args[0].code() in lost or bool(error.args[0].retriable())
