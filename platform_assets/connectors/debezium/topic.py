"""Feeds of row changes in the Debezium envelope, from a Kafka topic.

Belongs here: the envelopes of a topic's messages as changes. Does not belong here: the envelope (`envelope.py`) and Kafka itself
(`connectors/kafka/`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.debezium.envelope import changes_of
from platform_assets.connectors.debezium.order import FeedOrder
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
    orders, has_orders = _orders_of(cursor)
    changes = []
    for message in messages:
        if message.value is None:
            continue
        order = orders.setdefault(message.partition, FeedOrder.of(None, begun=cursor is not None and not has_orders))
        order.where = position(topic, message)
        try:
            changed = changes_of(json_value(message.value), source, connector, order, message.key)
        except ValueError:
            changed = [not_json(message.value)]
        changes += [(position(topic, message), change) for change in changed]
    notices = tuple(notice for order in orders.values() for notice in order.all_notices())
    reached = cursor if cursor is not None and after == cursor else _with_orders(after, orders)
    return ChangeBatch(frame_of_changes(changes, source), reached, more, notices)


def _orders_of(cursor: str | None) -> tuple[dict[int, FeedOrder], bool]:
    """How far each partition has come, for a row keeps its partition; and whether the cursor keeps that at all."""
    kept = json.loads(cursor).get("orders") if cursor is not None else None
    orders = {int(partition): FeedOrder.of(content, begun=True) for partition, content in (kept or {}).items()}
    return orders, kept is not None


def _with_orders(cursor: str, orders: Mapping[int, FeedOrder]) -> str:
    kept = {str(partition): order.kept() for partition, order in sorted(orders.items())}
    return json.dumps({**json.loads(cursor), "orders": kept})
