"""What the online store holds for one request: of all its entities and look-ups, in as few round trips as the store allows.

Belongs here: asking several tables at once, and with them the exchange of events on their way and the store's mark. Does not belong here:
what the fields mean (`online/state_table.py`, `online/lookup_state.py`), or what is computed from them (`online/request_features.py`).

Feast's interface reads one view at a time. On Redis each read is a round trip, so here all commands share one pipeline; the keys, the
fields and their decoding stay Feast's own. Other stores are read view by view. The exchange always comes before the states: an event that
is stored in between is seen twice, and counted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from platform_assets.features.online.exchange.base import EntityName, EventExchange, Seen
from platform_assets.features.online.exchange.redis_exchange import RedisExchange
from platform_assets.features.online.feast_connection import redis_client_of
from platform_assets.features.online.generation import RedisMark, StoreMark

NOTHING_SEEN = Seen((), None)


class StoredTable(Protocol):
    """A table of the online store."""

    @property
    def store(self) -> Any:
        """Feast's online store object."""

    @property
    def config(self) -> Any:
        """Feast's configuration."""

    @property
    def view(self) -> Any:
        """Feast's view."""

    def key(self, name: Any) -> Any:
        """Feast's key of an entity or a looked-up row."""

    def stored(self, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        """Fields that were read; None where there is nothing under the key."""


@dataclass(frozen=True)
class StoredRequest:
    """What the store holds for a request.

    Attributes:
        fields: stored fields of each table's entity or looked-up row, as Feast's values; None where it is not there.
        seen: events on their way, of each name that was asked for.
        mark: the store's mark; None where it has none.
    """

    fields: list[dict[str, Any] | None]
    seen: Seen
    mark: str | None


@dataclass(frozen=True)
class _RedisFields:
    """What Feast reads from Redis for one view: the view's name there, its fields' names, and their names in the hash."""

    view: str
    names: list[str]
    hashed: list[Any]


class RequestReads:
    """Reads one key from each of several tables."""

    def __init__(
        self, tables: Sequence[StoredTable], exchange: EventExchange | None = None, mark: StoreMark | None = None
    ) -> None:
        """Prepare; nothing is read."""
        self._tables = list(tables)
        self._exchange, self._mark = exchange, mark
        self._client: Any = redis_client_of(tables[0].config) if tables else None
        self._redis = [] if self._client is None else [_redis_fields(table) for table in tables]

    def read(self, names: Sequence[Any], entities: Sequence[EntityName] = ()) -> StoredRequest:
        """What is stored, and what is on its way.

        Args:
            names: for each table the entity or key to read; None reads nothing.
            entities: the entities whose events may be on their way.

        Raises:
            StoreLost: the store was replaced.
        """
        if self._client is not None:
            return self._in_one_pipeline(names, entities)
        mark = None if self._mark is None else self._mark.read()
        seen = NOTHING_SEEN if self._exchange is None else self._exchange.seen(entities)
        fields: list[dict[str, Any] | None] = [None] * len(names)
        for position, name in enumerate(names):
            if name is not None:
                table = self._tables[position]
                answer = table.store.online_read(table.config, table.view, [table.key(name)])[0][1]
                fields[position] = table.stored(answer)
        return StoredRequest(fields, seen, mark)

    def _in_one_pipeline(self, names: Sequence[Any], entities: Sequence[EntityName]) -> StoredRequest:
        requested = [(position, name) for position, name in enumerate(names) if name is not None]
        exchange = self._exchange if isinstance(self._exchange, RedisExchange) else None
        store_mark = self._mark if isinstance(self._mark, RedisMark) else None
        with self._client.pipeline(transaction=False) as pipe:
            if store_mark is not None:
                store_mark.queue(pipe)
            waiting = 0 if exchange is None else exchange.queue(pipe, entities)
            for position, name in requested:
                table = self._tables[position]
                (key,) = table.store._generate_redis_keys_for_entities(table.config, [table.key(name)])
                pipe.hmget(key, self._redis[position].hashed)
            replies = pipe.execute()
        mark = None if store_mark is None else store_mark.answered(replies.pop(0))
        seen = NOTHING_SEEN if exchange is None else exchange.answered(entities, replies[:waiting])
        fields: list[dict[str, Any] | None] = [None] * len(names)
        for (position, _), reply in zip(requested, replies[waiting:], strict=True):
            table, named = self._tables[position], self._redis[position]
            answer = table.store._get_features_for_entity(reply, named.view, named.names)[1]
            fields[position] = table.stored(answer)
        return StoredRequest(fields, seen, mark)


def _redis_fields(table: StoredTable) -> _RedisFields:
    from feast.infra.online_stores.redis import _versioned_fv_name

    view = _versioned_fv_name(table.view, table.config)
    names, hashed = table.store._generate_hset_keys_for_features(table.view, fv_name_override=view)
    return _RedisFields(view, names, hashed)
