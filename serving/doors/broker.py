"""Topics in one transaction: messages in; answers, dead letters and offsets out, all of them or none.

Belongs here: what the Kafka client is told, and what its errors mean. Does not belong here: what becomes of a message (`messages.py`).

The offsets of what was read are committed by the transaction that writes what came of it (consume, score, produce, commit). A process
that is killed leaves a transaction without an end: the next process of its instance ends it, and no reader of committed messages sees
anything of it. A process that was only believed dead is fenced: it can commit nothing any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serving.doors.messages import MessageOutcome, TopicMessage

if TYPE_CHECKING:
    from platform_assets.declaration.sections.stream_door import StreamDoor

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long the brokers may take to answer one question."""
BATCH_SECONDS = 0.05
"""How long a batch is collected while messages are there."""
MOST_MESSAGES = 500
_ANY_PARTITION = -1
"""The one that the key decides on; librdkafka's PARTITION_UA."""
_CONSUMER_ALONE = ("group.id", "group.instance.id", "auto.offset.reset", "session.timeout.ms", "max.poll.interval.ms")


class StreamDoorError(RuntimeError):
    """The topics cannot be read or written; the message says what to do."""


class BrokersAway(RuntimeError):
    """The brokers do not answer; trying again later helps."""


class TransactionGivenUp(RuntimeError):
    """The transaction was given up as a whole: what was read has to be scored again."""


def client_settings(stream: StreamDoor, environment: Mapping[str, str]) -> dict[str, Any]:
    """The brokers, or an object of librdkafka's settings, from the declared variable.

    Raises:
        StreamDoorError: it is not set, or holds neither.
    """
    text = environment.get(stream.brokers, "").strip()
    if not text:
        raise StreamDoorError(
            f"the environment variable {stream.brokers}, named by serving.stream.brokers, is not set: set it to `host:port,...` where "
            "the stream starts"
        )
    if not text.startswith("{"):
        return {"bootstrap.servers": text}
    try:
        given = json.loads(text)
    except ValueError:
        given = {}
    if not given.get("bootstrap.servers"):
        raise StreamDoorError(f"{stream.brokers} is neither `host:port,...` nor a JSON object with bootstrap.servers")
    return dict(given)


class Broker:
    """The three topics of one instance of a stream."""

    def __init__(self, use_case: str, stream: StreamDoor, settings: Mapping[str, Any], instance: int = 0) -> None:
        """Make the clients; nothing is connected before `connect`.

        Args:
            use_case: its name is part of the consumer group's, unless the settings name one.
            stream: the topics.
            settings: of `client_settings`.
            instance: tells processes that share the partitions apart; a new process of an instance fences the one before.
        """
        from confluent_kafka import Consumer, Producer

        group = str(settings.get("group.id", f"platform-assets.{use_case}"))
        shared = {"log_level": 3, **{name: value for name, value in settings.items() if name not in _CONSUMER_ALONE}}
        self._stream = stream
        self._consumer = Consumer(
            {
                "session.timeout.ms": 10_000,
                **settings,
                **shared,
                "group.id": group,
                "group.instance.id": f"{group}.{instance}",  # a restart takes its partitions back without a rebalance
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "fetch.wait.max.ms": 50,
            },
            logger=logger,
        )
        self._producer = Producer(
            {
                "linger.ms": 5,
                **shared,
                "transactional.id": f"{group}.{instance}",
                "partitioner": "murmur2_random",  # the Java client's, so that other producers of a key agree
            },
            logger=logger,
        )
        self._partitions: dict[str, int] = {}

    def connect(self) -> None:
        """Ask for the topics, take over from an earlier process of this instance, and join the group.

        Raises:
            StreamDoorError: a topic is not there, or may not be used.
            BrokersAway: nobody answers.
        """
        from confluent_kafka import KafkaException

        try:
            missing = []
            for topic in self._stream.topics:
                known = self._consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics.get(topic)
                if known is None or known.error is not None or not known.partitions:
                    missing.append(topic)
                else:
                    self._partitions[topic] = len(known.partitions)
            if missing:
                raise StreamDoorError(
                    f"there is no topic {', '.join(missing)} at the brokers in {self._stream.brokers}: create it, or correct serving.stream"
                )
            self._producer.init_transactions(ANSWER_SECONDS)
        except KafkaException as error:
            raise self._judged(error) from error
        self._consumer.subscribe([self._stream.events])

    def take(self) -> list[TopicMessage]:
        """The next messages; none when none came within a moment.

        Raises:
            StreamDoorError: the topic can no longer be read.
        """
        from confluent_kafka import KafkaException

        messages = []
        try:
            taken = self._consumer.consume(MOST_MESSAGES, timeout=BATCH_SECONDS)
        except KafkaException as error:
            raise self._judged(error) from error
        for message in taken:
            problem, topic, partition, offset = message.error(), message.topic(), message.partition(), message.offset()
            if problem is not None:
                self._pass_over(problem)
            elif topic is not None and partition is not None and offset is not None:
                place = topic, partition, offset
                messages.append(
                    TopicMessage(*place, _bytes(message.key()), _bytes(message.value()), _headers(message.headers()))
                )
        return messages

    def commit(self, outcomes: Sequence[MessageOutcome]) -> None:
        """Write what came of messages, and that they were read, in one transaction.

        Raises:
            TransactionGivenUp: nothing was written; `rewind`, and score again.
            StreamDoorError: another process took over, or a topic may not be written.
        """
        from confluent_kafka import KafkaException

        try:
            self._producer.begin_transaction()
            for outcome in outcomes:
                self._write(outcome)
            self._retried(
                lambda: self._producer.send_offsets_to_transaction(
                    _following(outcome.message for outcome in outcomes),
                    self._consumer.consumer_group_metadata(),
                    ANSWER_SECONDS,
                )
            )
            self._retried(lambda: self._producer.commit_transaction(ANSWER_SECONDS))
        except (KafkaException, BufferError) as error:
            self._roll_back(error)
            raise TransactionGivenUp(str(error)) from error

    def rewind(self, messages: Iterable[TopicMessage]) -> None:
        """Read these messages again; partitions that are another process's by now are left to it."""
        from confluent_kafka import KafkaException, TopicPartition

        first: dict[tuple[str, int], int] = {}
        for message in messages:
            place = (message.topic, message.partition)
            first[place] = min(message.offset, first.get(place, message.offset))
        assigned = {(part.topic, part.partition) for part in self._consumer.assignment()}
        for (topic, partition), offset in first.items():
            if (topic, partition) in assigned:
                try:
                    self._consumer.seek(TopicPartition(topic, partition, offset))
                except KafkaException as error:
                    raise StreamDoorError(
                        f"{topic}[{partition}] cannot be read again from {offset}: {error}"
                    ) from error

    def close(self) -> None:
        """Leave the topics."""
        self._consumer.close()

    def _write(self, outcome: MessageOutcome) -> None:
        stream, message = self._stream, outcome.message
        topic = stream.predictions if outcome.reason is None else stream.dead_letter_topic
        partition = _ANY_PARTITION if message.key is not None else message.partition % self._partitions[topic]
        while True:
            try:
                self._producer.produce(
                    topic, value=outcome.value, key=message.key, partition=partition, headers=list(outcome.headers)
                )
                return
            except BufferError:
                self._producer.poll(BATCH_SECONDS)

    def _retried(self, call: Callable[[], object]) -> None:
        """A call of the transaction that is repeated while the client says that it may be."""
        from confluent_kafka import KafkaException

        while True:
            try:
                call()
                return
            except KafkaException as error:
                cause = error.args[0]
                if not cause.retriable() or cause.txn_requires_abort():
                    raise
                logger.warning("the transaction waits for the brokers: %s", cause.str())

    def _roll_back(self, error: Exception) -> None:
        from confluent_kafka import KafkaException

        cause = error.args[0] if isinstance(error, KafkaException) else None
        if cause is not None and cause.fatal():
            raise self._judged(error) from error
        logger.warning("the transaction is given up, and its messages are scored again: %s", error)
        try:
            self._retried(lambda: self._producer.abort_transaction(ANSWER_SECONDS))
        except KafkaException as again:
            raise self._judged(again) from again

    def _pass_over(self, error: Any) -> None:
        """Go on where the client mends by itself.

        Raises:
            StreamDoorError: it cannot.
        """
        from confluent_kafka import KafkaError

        if error.fatal() or error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART):
            raise StreamDoorError(f"topic {self._stream.events!r} can no longer be read: {error.str()}")
        logger.warning("topic %s: %s; the client tries again", self._stream.events, error.str())

    def _judged(self, error: Exception) -> StreamDoorError | BrokersAway:
        """What an error of the client means for the process."""
        from confluent_kafka import KafkaError

        cause = error.args[0]
        if cause.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.FENCED_INSTANCE_ID):
            return StreamDoorError(f"another process of this instance took over: {cause.str()}")
        away = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE)
        if cause.code() in away or cause.retriable():
            return BrokersAway(f"the brokers in {self._stream.brokers} do not answer: {cause.str()}")
        return StreamDoorError(f"the brokers in {self._stream.brokers} refuse: {cause.str()}")


def _following(messages: Iterable[TopicMessage]) -> list[Any]:
    """The offsets after these messages, of each partition."""
    from confluent_kafka import TopicPartition

    following: dict[tuple[str, int], int] = {}
    for message in messages:
        place = (message.topic, message.partition)
        following[place] = max(message.offset + 1, following.get(place, 0))
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in following.items()]


def _headers(given: Any) -> dict[str, bytes]:
    """The headers of a message that have a value."""
    return {str(name): value for name, value in given or () if isinstance(value, bytes)}


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
