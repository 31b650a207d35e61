"""A Kafka broker for tests and benchmarks of transactions.

Belongs here: starting it on a free port of this machine, and what tests ask of it. Does not belong here: the mock cluster
(`servers.py`): it shows aborted records to readers of committed ones and lets zombies commit.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_assets.testing.servers import free_port, skip_missing


@dataclass
class KafkaBroker:
    """A broker of its own process, with transactions, fencing and groups; what it holds is lost with it."""

    brokers: str

    def create(self, *topics: str, partitions: int = 3) -> None:
        """Make topics."""
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        admin = AdminClient({"bootstrap.servers": self.brokers})
        for made in admin.create_topics([NewTopic(name, partitions, 1) for name in topics]).values():
            made.result(10)

    def produce(self, topic: str, messages: Iterable[tuple[str | None, bytes | None]]) -> None:
        """Write keys and values, in order of key, and wait until they are there."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.brokers, "linger.ms": 0, "enable.idempotence": True})
        for key, value in messages:
            producer.produce(topic, key=key, value=value)
            producer.poll(0)
        assert producer.flush(30) == 0, "messages were not taken"

    def committed(self, topic: str) -> list[Any]:
        """Every message of a topic that readers of committed ones see, partition by partition."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        consumer = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": "looking",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        found: list[Any] = []
        try:
            for partition in sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions):
                consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
                while (message := consumer.poll(10)) is not None and message.error() is None:
                    found.append(message)
        finally:
            consumer.close()
        return found


@contextmanager
def kafka_broker() -> Iterator[KafkaBroker]:
    """A Kafka broker on a free port (noida-db); where it is not installed the test is skipped, and fails in CI."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    binary = shutil.which("noida-db", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if binary is None:
        missing = "the Kafka broker is not installed: pip install noida-db==0.2.3"
        skip_missing(missing)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="platform-assets-kafka-") as folder, tempfile.TemporaryFile() as log:
        command = [binary, "start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", folder]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            broker = KafkaBroker(f"127.0.0.1:{port}")
            admin = AdminClient({"bootstrap.servers": broker.brokers, "log_level": 0})
            deadline = time.monotonic() + 30
            while True:
                try:
                    admin.list_topics(timeout=1)
                    break
                except KafkaException:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise AssertionError(f"the Kafka broker does not start: {log.read().decode()}") from None
                    time.sleep(0.05)
            yield broker
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the program is a wrapper, and the broker its child
            process.wait(20)
