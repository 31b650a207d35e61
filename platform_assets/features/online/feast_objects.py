"""Feast's side of a use case: its objects made from the declaration, and the coding of states in its value types.

Belongs here: everything that needs Feast's classes to be named. Does not belong here: when something is written or
read (`online/store.py`, `online/request_features.py`). Feast costs seconds to import: only inside functions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.online.entity_state import EVENT_TIMES, EntityEvents, StateLayout, state_layout
from platform_assets.features.online.redis_client import REDIS, limited_client, redis_settings

_ENTITY_TYPES: Mapping[str, str] = {"int8": "INT64", "int32": "INT64", "int64": "INT64", "string": "STRING"}
_LIST_FIELDS: Mapping[pl.DataType, str] = {
    pl.Int64(): "int64_list_val",
    pl.Float64(): "double_list_val",
    pl.String(): "string_list_val",
}
_SQLITE = "sqlite"
STREAM_OFFSETS, STREAM_PARTITION = "stream_offsets", "stream_partition"
"""The view that holds where an event stream stands (`streaming/offsets.py`), and its key."""


class FeastSettings(BaseModel):
    """Where Feast keeps what it knows. Each use case is a Feast project of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str = Field(description="Feast project: the use case's name.")
    registry: str = Field(description="SQLAlchemy address of the registry, for example `sqlite:////path/registry.db`.")
    online_store: dict[str, Any] = Field(description="Feast's online store configuration, for example `{type: redis}`.")
    home: str = Field(description="Folder that relative paths start at.")

    @property
    def sqlite_path(self) -> Path | None:
        """The online store's file, where it is SQLite."""
        if self.online_store.get("type") != _SQLITE:
            return None
        return Path(self.home) / str(self.online_store.get("path", "online.db"))


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
        return [self.stored(found) for _, found in rows]

    def key(self, name: Any) -> Any:
        """Feast's key of an entity."""
        return entity_key(self.layout, name)

    def stored(self, fields: dict[str, Any] | None) -> dict[str, Any] | None:
        """Fields that were read; None for an entity without state, which SQLite tells by None and Redis by empty values."""
        return fields if fields and is_set(fields.get(EVENT_TIMES)) else None

    def write(self, rows: list[tuple[Any, dict[str, Any], Any]]) -> None:
        """Overwrite the state of entities: (entity, fields as Feast's values, time of the state) for each."""
        batch = [(self.key(entity), fields, moment, None) for entity, fields, moment in rows]
        self.store.online_write_batch(self.config, self.view, batch, None)


def feast_view_name(layout: StateLayout) -> str:
    """Name of the Feast view: the view's name and a hash of all that gives its state a meaning.

    Two versions of a declaration whose states differ have tables of their own, so that a service that still runs the
    older one keeps reading what it understands.
    """
    case = layout.use_case
    meaning = {
        "events": case.events,
        "time": case.event_time,
        "columns": {n: case.key_type(n) for n in (layout.entity_key, *layout.key_columns)},
        "values": list(layout.value_columns),
        "label": [case.label.column, case.label_delay_days],
        "span_days": layout.span_days,
    }
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:8]
    return f"{layout.view.name}_{digest}"


def feature_service_name(use_case: UseCase) -> str:
    """Name of the Feast feature service: one for each feature contract.

    Fields of different views share names, so Feast's own look-ups by service need `full_feature_names=True`.
    """
    return f"{use_case.name}_{feature_contract_hash(use_case)}"


def windowed_views(use_case: UseCase) -> list[FeatureView]:
    """The views that keep state."""
    return [view for view in use_case.features if view.windows]


def feast_module() -> Any:
    """Feast, with its log limited to errors, and without the warning filters that its import sets for everybody."""
    with warnings.catch_warnings():
        import feast
    logging.getLogger("feast").setLevel(logging.ERROR)
    return feast


def repo_config(settings: FeastSettings) -> Any:
    """Feast's configuration: SQL registry that is read once, the online store of the settings."""
    online = dict(settings.online_store)
    if settings.sqlite_path is not None:
        online["path"] = str(settings.sqlite_path)
    if online.get("type") == REDIS:
        online = redis_settings(online)
    return feast_module().RepoConfig(
        project=settings.project,
        provider="local",
        registry={"registry_type": "sql", "path": settings.registry, "cache_ttl_seconds": 0},
        online_store=online,
        entity_key_serialization_version=3,
    )


def feast_store(settings: FeastSettings) -> Any:
    """Feast's facade; its registry is opened when first used."""
    return feast_module().FeatureStore(repo_path=settings.home, config=repo_config(settings))


def feast_objects(use_case: UseCase) -> list[Any]:
    """Entities, one view for each windowed view, the stream's offsets, and last the feature service of this contract.

    Raises:
        FeatureError: an entity's key has a type that Feast cannot look up.
    """
    feast = feast_module()
    from feast.types import Array, Float64, Int64, String

    types = {pl.Int64(): Int64, pl.Float64(): Float64, pl.String(): String}
    entities: dict[str, Any] = {}
    views: dict[str, Any] = {}
    for view in (view for view in use_case.stored_views if view.windows):
        layout = state_layout(view, use_case)
        declared = use_case.entity(str(view.entity))
        key_type = use_case.key_type(declared.key)
        if key_type not in _ENTITY_TYPES:
            raise FeatureError(
                f"entity {declared.name!r}: key {declared.key!r} is {key_type}; use a whole number or string"
            )
        entities.setdefault(
            declared.name,
            feast.Entity(
                name=declared.name,
                join_keys=[declared.key],
                value_type=feast.ValueType[_ENTITY_TYPES[key_type]],
                description=declared.description,
                owner=use_case.owner,
            ),
        )
        key_field = feast.Field(name=declared.key, dtype=String if key_type == "string" else Int64)
        fields = [feast.Field(name=name, dtype=Array(types[item])) for name, item in layout.list_types.items()]
        views.setdefault(
            feast_view_name(layout),
            feast.FeatureView(
                name=feast_view_name(layout),
                entities=[entities[declared.name]],
                schema=[key_field, *fields],
                description=view.description,
                owner=use_case.owner,
                tags={"view": view.name, "span_days": str(layout.span_days)},
            ),
        )
    from platform_assets.features.online.lookup_state import lookup_layouts, lookup_objects

    looked_up = lookup_objects(use_case, use_case.stored_views)
    views |= {str(view.name): view for _, view in looked_up}
    used = [feast_view_name(state_layout(view, use_case)) for view in windowed_views(use_case)]
    used += [layout.name for layout in lookup_layouts(use_case)]
    service = feast.FeatureService(
        name=feature_service_name(use_case),
        features=[views[name] for name in used],
        description=use_case.description,
        owner=use_case.owner,
        tags={"feature_contract": feature_contract_hash(use_case)},
    )
    entities |= {str(entity.name): entity for entity, _ in looked_up}
    return [*entities.values(), *views.values(), *([*stream_objects(feast), service] if views else [])]


def stream_objects(feast: Any) -> list[Any]:
    """Entity and view of the positions of an event stream: they are no features, so no service has them."""
    from feast.types import Int64, String

    partition = feast.Entity(
        name=STREAM_PARTITION, join_keys=[STREAM_PARTITION], value_type=feast.ValueType.STRING, description="topic[3]"
    )
    fields = [feast.Field(name=name, dtype=Int64) for name in ("next_offset", "newest_event_time")]
    view = feast.FeatureView(
        name=STREAM_OFFSETS,
        entities=[partition],
        schema=[feast.Field(name=STREAM_PARTITION, dtype=String), *fields],
        description="Where the event stream stands: what the states beside it hold.",
    )
    return [partition, view]


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


def connected_store(config: Any) -> Any:
    """Feast's online store object, with a connection of its own."""
    from feast.infra.online_stores.helpers import get_online_store_from_config

    online_store = get_online_store_from_config(config.online_store)
    if config.online_store.type == _SQLITE:
        # With the write-ahead log this is safe against crashes of the process, and spares a disk flush for each recorded
        # event; Feast has no setting for it. What a power cut takes, the next batch state brings back.
        online_store._get_conn(config).execute("PRAGMA synchronous=NORMAL")
    if config.online_store.type == REDIS:
        limited_client(online_store, config)
    return online_store


def prepare_sqlite(settings: FeastSettings) -> None:
    """Let one process write while others read: SQLite's write-ahead log, which the file remembers."""
    path = settings.sqlite_path
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


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
        for place, name in enumerate(layout.value_fields):
            values[place] = decode_list(fields[name])
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


def is_set(value: Any) -> bool:
    """Whether one of Feast's values holds something."""
    return value is not None and value.WhichOneof("val") is not None
