"""Where streamed events come from: a Kafka topic, or a queue within the process.

Belongs here: taking messages one after the other, each with its offset, and parsing a message as batch loads do. Does not
belong here: what an event does to the online store (`streaming/writer.py`), or topics read up to an end (`connectors/kafka/topic.py`).
"""

from __future__ import annotations

import json
import logging
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from platform_assets.connectors.access import Access
from platform_assets.connectors.kafka.topic import (
    Message,
    change_of,
    client_settings,
    consumer_of,
    unreachable,
    watermarks,
)
from platform_assets.declaration.sections.connectors.kafka import KafkaConnector
from platform_assets.features.errors import FeatureError

if TYPE_CHECKING:
    from confluent_kafka import Consumer

    from platform_assets.connectors.json_changes import Change
    from platform_assets.declaration.use_case import UseCase

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.05
"""How long a batch is collected while messages are there: a part of what an event takes to its fresh values."""
MOST_MESSAGES = 500
_LOOK_FOR_PARTITIONS_SECONDS = 30.0
QUEUE = KafkaConnector(kind="kafka", topic="queue", brokers="NONE")
"""What stands for the queue where a topic is declared: its events are JSON as a topic's are."""


@dataclass(frozen=True)
class Arrival:
    """A message of a stream, taken apart.

    Attributes:
        partition: `topic[3]`; offsets are kept by this name.
        offset: its offset in the partition.
        change: the row it carries, or why it carries none.
    """

    partition: str
    offset: int
    change: Change


class EventSource(Protocol):
    """Messages in order of each partition, from the offsets where a consumer stopped."""

    def take(self) -> Sequence[Arrival]:
        """The next messages; none when none came within a moment."""
        ...


Offsets = Callable[[Sequence[str]], Mapping[str, int]]
"""Gives the next offset of partitions by name; those without one begin at their first message."""


def stream_connector(use_case: UseCase) -> KafkaConnector | None:
    """The topic that carries the use case's events as they happen: the source's `stream`, or its connector; None without."""
    return use_case.event_source.event_topic


class EventQueue:
    """A queue within the process: the embedded stream. Safe to use from several threads.

    What is put is taken apart by the code that takes Kafka's messages apart. The queue lives as long as the process: a producer
    that is not sure of an event puts it again, which changes nothing.
    """

    def __init__(self, use_case: UseCase, capacity: int = 10_000) -> None:
        """An empty queue.

        Args:
            use_case: the declaration.
            capacity: how many events may wait.
        """
        self._source = use_case.event_source
        self._waiting: queue.Queue[bytes] = queue.Queue(capacity)
        self._count = 0
        self._unfinished = 0

    def join(self) -> None:
        """Wait until everything that was put has been written, that is until the consumer asks for more."""
        self._waiting.join()

    def put(self, event: Mapping[str, Any] | bytes) -> None:
        """Add an event, as columns by name or as JSON; waits while the queue is full."""
        self._waiting.put(event if isinstance(event, bytes) else json.dumps(event, default=_json).encode())

    def take(self) -> Sequence[Arrival]:
        """What waits, up to 500 events; waits a moment when nothing does."""
        for _ in range(self._unfinished):
            self._waiting.task_done()  # the consumer is done with what it took before
        messages: list[bytes] = []
        try:
            messages.append(self._waiting.get(timeout=WAIT_SECONDS))
            while len(messages) < MOST_MESSAGES:
                messages.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        self._unfinished = len(messages)
        arrivals = []
        for value in messages:
            change = change_of(Message(0, self._count, None, value), self._source, QUEUE)
            arrivals.append(Arrival(f"{QUEUE.topic}[0]", self._count, change))
            self._count += 1
        return arrivals


class KafkaEvents:
    """The messages of a topic, of all its partitions, each from the offset after the last that was written."""

    def __init__(
        self, use_case: UseCase, connector: KafkaConnector, variable: str, consumer: Consumer, offsets: Offsets
    ) -> None:
        """Take every partition; see `kafka_events`."""
        self._source = use_case.event_source
        self._connector = connector
        self._variable = variable
        self._consumer = consumer
        self._offsets = offsets
        self._assigned: set[int] = set()
        self._partitions_checked_at = 0.0
        self._assign()

    def take(self) -> Sequence[Arrival]:
        """The next messages of all partitions.

        Raises:
            FeatureError: the client cannot go on.
        """
        if monotonic() - self._partitions_checked_at > _LOOK_FOR_PARTITIONS_SECONDS:
            self._assign()
        arrivals = []
        for message in self._consumer.consume(MOST_MESSAGES, timeout=WAIT_SECONDS):
            error, partition, offset = message.error(), message.partition(), message.offset()
            if error is not None:
                self._judge(error)
            elif partition is not None and offset is not None:
                content = Message(partition, offset, _bytes(message.key()), _bytes(message.value()))
                arrivals.append(
                    Arrival(self._name(partition), offset, change_of(content, self._source, self._connector))
                )
        return arrivals

    def _name(self, partition: int) -> str:
        return f"{self._connector.topic}[{partition}]"

    def _assign(self) -> None:
        """Read from partitions that are not read from yet."""
        from confluent_kafka import TopicPartition

        self._partitions_checked_at = monotonic()
        bounds = watermarks(self._source, self._consumer, self._connector.topic, self._variable)
        new = sorted(set(bounds) - self._assigned)
        if not new:
            return
        stored = self._offsets([self._name(partition) for partition in new])
        assignments = []
        for partition in new:
            low, high = bounds[partition]
            start = stored.get(self._name(partition), low)
            if not low <= start <= high:
                logger.warning(
                    "%s: offset %d was reached before, and the topic now holds %d to %d: it goes on at %d; what the topic no "
                    "longer holds comes with the next batch state",
                    self._name(partition),
                    start,
                    low,
                    high,
                    low,
                )
                start = low  # an event that is stored already changes nothing
            assignments.append(TopicPartition(self._connector.topic, partition, start))
        self._consumer.incremental_assign(assignments)
        self._assigned.update(new)

    def _judge(self, error: Any) -> None:
        """Pass over what the client mends by itself.

        Raises:
            FeatureError: it cannot.
        """
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._PARTITION_EOF:
            return
        if error.fatal() or error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART):
            raise FeatureError(
                f"topic {self._connector.topic!r} can no longer be read ({error.str()}); correct it and start the stream again: "
                "it goes on where it stopped"
            )
        logger.warning("topic %s: %s; the client tries again", self._connector.topic, error.str())


@contextmanager
def kafka_events(use_case: UseCase, access: Access, offsets: Offsets) -> Iterator[KafkaEvents]:
    """The events of a use case's topic, from where the online store stands; the connection is closed at the end.

    Raises:
        FeatureError: the declaration names no topic.
        SourceError: the brokers cannot be reached, or there is no such topic.
    """
    from confluent_kafka import KafkaException

    connector = stream_connector(use_case)
    if connector is None:
        raise FeatureError(
            f"{use_case.name}: source {use_case.events!r} names no topic; declare `stream: {{kind: kafka, topic: ..., brokers: "
            "VARIABLE}` on it, or pipe JSON lines into `platform-assets features stream --stdin`"
        )
    source = use_case.event_source
    settings = {"fetch.wait.max.ms": 50, **client_settings(source, connector.brokers, access)}
    with consumer_of(settings) as consumer:
        try:
            events = KafkaEvents(use_case, connector, connector.brokers, consumer, offsets)
        except KafkaException as error:
            raise unreachable(source, connector.topic, connector.brokers, error) from error
        yield events


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _json(value: Any) -> str:
    """Times as ISO text."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot stand in an event")
