"""A view's states in the online store: a handle to read and write them, and their coding in Feast's value types.

Belongs here: states as Feast stores them. Does not belong here: what a state holds (`entity_state.py`), when one is written or read
(`online/store.py`, `online/request_features.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from platform_assets.features.entity_state import EVENT_TIMES, EntityEvents, StateLayout
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.online.feast_connection import connected_store, is_set
from platform_assets.features.online.feast_objects import feast_view_name

_LIST_FIELDS: Mapping[pl.DataType, str] = {
    pl.Int64(): "int64_list_val",
    pl.Float64(): "double_list_val",
    pl.String(): "string_list_val",
}


@dataclass(frozen=True, eq=False)
class OnlineTable:
    """A view's state in the online store: one handle to read or write it.

    Attributes:
        layout: what the state holds.
        store: Feast's online store object, with a connection of its own.
        config: Feast's configuration.
        view: Feast's view.
    """

    layout: StateLayout
    store: Any
    config: Any
    view: Any

    def read(self, entities: list[Any]) -> list[dict[str, Any] | None]:
        """Stored fields of each entity, as Feast's values; None for an entity without state."""
        rows = self.store.online_read(self.config, self.view, [self.key(entity) for entity in entities])
        return [self.stored(fields) for _, fields in rows]

    def key(self, name: Any) -> Any:
        """Feast's key of an entity."""
        return entity_key(self.layout, name)

    def stored(self, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        """Fields that were read; None for an entity without state, which SQLite returns as None and Redis as empty values."""
        return fields if fields and is_set(fields.get(EVENT_TIMES)) else None

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
    except FeatureViewNotFoundException as error:
        raise StateError(
            f"view {layout.view.name!r} of {layout.use_case.name!r} is not in Feast's registry as {name!r}: "
            "materialize the online store asset"
        ) from error
    return OnlineTable(layout, connected_store(store.config), store.config, view)


def entity_key(layout: StateLayout, entity: Any) -> Any:
    """Feast's key of an entity.

    Raises:
        FeatureError: the value is not of the key's type.
    """
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    try:
        value = Value(string_val=entity) if layout.entity_is_text else Value(int64_val=entity)
    except (TypeError, ValueError) as error:
        kind = "a string" if layout.entity_is_text else "a whole number"
        raise FeatureError(f"{layout.entity_key!r} is {entity!r}; it must be {kind}") from error
    return EntityKey(join_keys=[layout.entity_key], entity_values=[value])


def encode_lists(lists: Sequence[Any], layout: StateLayout) -> dict[str, Any]:
    """A state's lists, in the layout's order, as Feast's values by field."""
    from feast.protos.feast.types.Value_pb2 import Value

    fields = {}
    for (name, dtype), items in zip(layout.list_types.items(), lists, strict=True):
        fields[name] = value = Value()
        kept = getattr(value, _LIST_FIELDS[dtype])
        kept.SetInParent()  # an empty list is a value too
        kept.val.extend(items)
    return fields


def decode_list(value: Any) -> Any:
    """The items of Feast's value of a list."""
    return getattr(value, value.WhichOneof("val")).val


def encode_events(events: EntityEvents, layout: StateLayout) -> dict[str, Any]:
    """An entity's events as Feast's values, by field."""
    return encode_lists(event_lists(events), layout)


def event_lists(events: EntityEvents) -> list[Any]:
    """An entity's events as lists in a layout's order."""
    return [events.times.tolist(), *events.keys, *events.values.tolist()]


def decode_events(fields: Mapping[str, Any], layout: StateLayout, entity: Any) -> EntityEvents:
    """An entity's events from Feast's values.

    Raises:
        StateError: a field is missing, or lists differ in length.
    """
    try:
        times = np.array(decode_list(fields[EVENT_TIMES]), dtype=np.int64)
        keys = tuple(list(decode_list(fields[name])) for name in layout.key_fields)
        values = np.empty((len(layout.value_fields), times.shape[0]), dtype=np.float64)
        for index, name in enumerate(layout.value_fields):
            values[index] = decode_list(fields[name])
        if any(len(column) != times.shape[0] for column in keys):
            raise ValueError(f"{times.shape[0]} times, but keys of lengths {[len(column) for column in keys]}")
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"state of {layout.entity_key}={entity!r} in view {layout.view.name!r} is damaged ({error}); "
            "materialize the online store asset again"
        ) from error
    return EntityEvents(times, keys, values)


def last_time(fields: Mapping[str, Any]) -> int:
    """Time of the newest event of a stored state in microseconds; before all time when it has none."""
    times = decode_list(fields[EVENT_TIMES])
    return int(times[-1]) if times else -(2**63)
