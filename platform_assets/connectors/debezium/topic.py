"""Feeds of row changes in the Debezium envelope, from a Kafka topic.

Belongs here: the envelopes of a topic's messages as changes. Does not belong here: the envelope (`envelope.py`) and Kafka itself
(`connectors/kafka/`).
"""

from __future__ import annotations

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.debezium.envelope import changes_of
from platform_assets.connectors.files.text_formats import json_value
from platform_assets.connectors.json_changes import frame_of_changes, not_json
from platform_assets.connectors.kafka.topic import position, take
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.sources import Source


def read_feed_topic(
    source: Source, connector: ChangeFeedConnector, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """Debezium messages after the cursor's offsets; tombstones are passed over.

    Raises:
        SourceError: As `kafka.topic.take`.
    """
    topic = connector.topic or ""
    messages, after, more = take(source, topic, connector.brokers or "", cursor, max_rows, access)
    changes = []
    for message in messages:
        if message.value is None:
            continue
        try:
            changed = changes_of(json_value(message.value), source, connector, message.offset, message.key)
        except ValueError:
            changed = [not_json(message.value)]
        changes += [(position(topic, message), change) for change in changed]
    return ChangeBatch(frame_of_changes(changes, source), after, more)
