"""A first look at a Kafka topic.

Belongs here: the newest messages, how many there are, and how many are new. Does not belong here: judging them
(`connectors/checking.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, Inspection
from platform_assets.connectors.kafka.topic import (
    BrokersLost,
    client_settings,
    consumer_of,
    offsets_of,
    topic_cursor,
    unreachable,
    watermarks,
)
from platform_assets.declaration.sections.sources import Source


def inspect_topic(
    source: Source,
    topic: str,
    variable: str,
    cursor: str | None,
    access: Access,
    read: Callable[[str, int], pl.DataFrame],
) -> Inspection:
    """A look at a topic.

    Args:
        source: The declared source.
        topic: Name of the topic.
        variable: Name of the environment variable with its brokers.
        cursor: Cursor of the load committed last.
        access: Where the brokers' address is.
        read: Gives the changes from a cursor on, about so many of them.

    Raises:
        SourceError: If the brokers or the topic cannot be reached.
    """
    from confluent_kafka import KafkaException

    before = offsets_of(cursor, topic, f"source '{source.name}'")
    try:
        with consumer_of(client_settings(source, variable, access)) as consumer:
            bounds = watermarks(source, consumer, topic, variable)
    except (KafkaException, BrokersLost) as error:
        raise unreachable(source, topic, variable, error) from error
    each = max(1, SAMPLE_ROWS // max(1, len(bounds)))
    ends = topic_cursor(topic, {partition: max(low, high - each) for partition, (low, high) in bounds.items()})
    sample = read(ends, SAMPLE_ROWS)
    messages = sum(high - low for low, high in bounds.values())
    waiting = sum(max(0, high - before.get(partition, low)) for partition, (low, high) in bounds.items())
    gone = [partition for partition, (low, _) in bounds.items() if before.get(partition, low) < low]
    problems = (f"messages of partition {gone} were removed before they were loaded",) if gone else ()
    notes = (f"{waiting:,} messages are new",)
    return Inspection(sample if sample.height else None, f"{messages:,} messages", None, notes, problems)
