"""A view's states in the online store: a handle to read and write them, and their place in Feast's values.

Belongs here: states as Feast stores them. Does not belong here: what a state holds (`entity_state.py`), its bytes
(`online/packed_state.py`), when one is written or read (`online/store.py`, `online/request_features.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from platform_assets.features.entity_state import EntityEvents, StateLayout
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.online import packed_state
from platform_assets.features.online.feast_connection import connected_store, is_set
from platform_assets.features.online.feast_objects import STATE, feast_view_name, pages_view_name
from platform_assets.features.online.page_table import PageTable
from platform_assets.features.online.tiles.pages import TreeLayout


@dataclass(frozen=True, eq=False)
class OnlineTable:
    """A view's state in the online store: one handle to read or write it.

    Attributes:
        layout: what the state holds.
        store: Feast's online store object, with a connection of its own.
        config: Feast's configuration.
        view: Feast's view.
        pages: the pages of busy entities, over the same connection.
    """

    layout: StateLayout
    store: Any
    config: Any
    view: Any
    pages: PageTable

    @cached_property
    def tree_layout(self) -> TreeLayout:
        """What pages hold."""
        return TreeLayout(self.layout)

    def read(self, entities: list[Any]) -> list[dict[str, Any] | None]:
        """Stored fields of each entity, as Feast's values; None for an entity without state."""
        rows = self.store.online_read(self.config, self.view, [self.key(entity) for entity in entities])
        return [self.stored(fields) for _, fields in rows]

    def key(self, name: Any) -> Any:
        """Feast's key of an entity."""
        return entity_key(self.layout, name)

    def stored(self, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        """Fields that were read; None for an entity without state, which SQLite returns as None and Redis as empty values."""
        return fields if fields and is_set(fields.get(STATE)) else None

    def write(self, rows: list[tuple[Any, dict[str, Any], Any]]) -> None:
        """Overwrite the state of entities: (entity, fields as Feast's values, time of the state) for each."""
        batch = [(self.key(entity), fields, moment, None) for entity, fields, moment in rows]
        self.store.online_write_batch(self.config, self.view, batch, None)


def online_table(layout: StateLayout, store: Any) -> OnlineTable:
    """A handle with a connection of its own to a view's state.

    Raises:
        StateError: the view is not in Feast's registry.
    """
    from feast.errors import FeatureViewNotFoundException

    name = feast_view_name(layout)
    try:
        view = store.registry.get_feature_view(name, store.project, allow_cache=False)
        pages = store.registry.get_feature_view(pages_view_name(layout), store.project, allow_cache=False)
    except FeatureViewNotFoundException as error:
        raise StateError(
            f"view {layout.view.name!r} of {layout.use_case.name!r} is not in Feast's registry as {name!r}: "
            "materialize the online store asset"
        ) from error
    connection = connected_store(store.config)
    return OnlineTable(layout, connection, store.config, view, PageTable(connection, store.config, pages))


def entity_key(layout: StateLayout, entity: Any) -> Any:
    """Feast's key of an entity.

    Raises:
        FeatureError: the value is not of the key's type.
    """
    try:
        return _entity_key(layout.entity_key, layout.entity_is_text, entity)
    except (TypeError, ValueError) as error:
        kind = "a string" if layout.entity_is_text else "a whole number"
        raise FeatureError(f"{layout.entity_key!r} is {entity!r}; it must be {kind}") from error


@lru_cache(maxsize=4096, typed=True)  # a chunk's keys are needed to read, to write and to read back
def _entity_key(name: str, is_text: bool, entity: Any) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    value = Value(string_val=entity) if is_text else Value(int64_val=entity)
    return EntityKey(join_keys=[name], entity_values=[value])


def encode_state(data: bytes) -> dict[str, Any]:
    """A packed state as Feast's value, by field."""
    from feast.protos.feast.types.Value_pb2 import Value

    return {STATE: Value(bytes_val=data)}


def encode_events(events: EntityEvents, layout: StateLayout) -> dict[str, Any]:
    """An entity's events as Feast's value, by field."""
    return encode_state(packed_state.pack(events, layout))


def packed(fields: Mapping[str, Any]) -> bytes:
    """The bytes of a stored state; none where something else lies in its place."""
    return bytes(fields[STATE].bytes_val)


def decode_events(fields: Mapping[str, Any], layout: StateLayout, entity: Any) -> EntityEvents:
    """An entity's events from Feast's values.

    Raises:
        StateError: what is stored is damaged.
    """
    return packed_state.unpack(packed(fields), layout, entity)
