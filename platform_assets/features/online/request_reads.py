"""What the online store holds for one request: of all its entities and look-ups, in as few round trips as the store allows.

Belongs here: asking several tables at once. Does not belong here: what the fields mean (`online/state_table.py`,
`online/lookup_state.py`), or what is computed from them (`online/request_features.py`).

Feast's interface reads one view at a time. On Redis each read is a round trip, so here the views' commands share one pipeline; the
keys, the fields and their decoding stay Feast's own. Other stores are read view by view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from platform_assets.features.online.redis_client import REDIS


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
class _RedisFields:
    """What Feast reads from Redis for one view: the view's name there, its fields' names, and their names in the hash."""

    view: str
    names: list[str]
    hashed: list[Any]


class RequestReads:
    """Reads one key from each of several tables."""

    def __init__(self, tables: Sequence[StoredTable]) -> None:
        """Prepare; nothing is read."""
        self._tables = list(tables)
        on_redis = bool(tables) and tables[0].config.online_store.type == REDIS
        self._redis = [_redis_fields(table) for table in tables] if on_redis else None

    def read(self, names: Sequence[Any]) -> list[dict[str, Any] | None]:
        """Stored fields of each table's entity or looked-up row, as Feast's values; None where it is not there.

        Args:
            names: for each table the entity or key to read; None reads nothing.
        """
        requested = [(position, name) for position, name in enumerate(names) if name is not None]
        stored: list[dict[str, Any] | None] = [None] * len(names)
        if self._redis is not None:
            for (position, _), fields in zip(requested, self._in_one_pipeline(requested), strict=True):
                stored[position] = self._tables[position].stored(fields)
            return stored
        for position, name in requested:
            table = self._tables[position]
            stored[position] = table.stored(table.store.online_read(table.config, table.view, [table.key(name)])[0][1])
        return stored

    def _in_one_pipeline(self, requested: Sequence[tuple[int, Any]]) -> list[Any]:
        assert self._redis is not None
        if not requested:
            return []
        commands = []
        for position, name in requested:
            table = self._tables[position]
            (key,) = table.store._generate_redis_keys_for_entities(table.config, [table.key(name)])
            commands.append((key, self._redis[position].hashed))
        first = self._tables[0]
        replies = first.store._read_hash_fields(first.config, commands)
        answers = []
        for (position, _), reply in zip(requested, replies, strict=True):
            fields = self._redis[position]
            answers.append(first.store._get_features_for_entity(reply, fields.view, fields.names)[1])
        return answers


def _redis_fields(table: StoredTable) -> _RedisFields:
    from feast.infra.online_stores.redis import _versioned_fv_name

    view = _versioned_fv_name(table.view, table.config)
    names, hashed = table.store._generate_hset_keys_for_features(table.view, fv_name_override=view)
    return _RedisFields(view, names, hashed)
