"""Feast's objects, made from the declaration: entities, views, the feature service of a contract.

Belongs here: names and objects in Feast's registry. Does not belong here: opening Feast (`online/feast_connection.py`), the values
(`online/state_table.py`, `online/lookup_state.py`). Feast costs seconds to import: only inside functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from platform_assets.declaration.contract import feature_contract_hash
from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.entity_state import StateLayout, state_layout, views_with_state
from platform_assets.features.errors import FeatureError
from platform_assets.features.feast_import import feast_module
from platform_assets.features.online.lookup_state import lookup_layouts, lookup_objects
from platform_assets.features.online.packed_state import FORMAT_VERSION

_ENTITY_TYPES: Mapping[str, str] = {"int8": "INT64", "int32": "INT64", "int64": "INT64", "string": "STRING"}
STREAM_OFFSETS, STREAM_PARTITION = "stream_offsets", "stream_partition"
"""The view that holds where an event stream stands (`streaming/offsets.py`), and its key."""
STATE = "state"
"""The field of a view that keeps states: an entity's events (`online/packed_state.py`)."""
PAGE, STATE_PAGE = "page", "state_page"
"""The field of a view that keeps pages of busy entities (`online/tiles/`), and its key: a page's number and the entity."""


def feast_view_name(layout: StateLayout) -> str:
    """Name of the Feast view: the view's name, a hash of all that gives its state a meaning, and the version of the format.

    Two versions of a declaration whose states differ have tables of their own, and so have two formats, so that a service that still
    runs the older one keeps reading what it understands.
    """
    case = layout.use_case
    meaning: dict[str, Any] = {
        "events": case.events,
        "time": case.event_time,
        "columns": {n: case.key_type(n) for n in (layout.entity_key, *layout.key_columns)},
        "values": list(layout.value_columns),
        "label": [case.label.column, case.label_delay_days],
        "span_days": layout.span_days,
        "summaries": sorted({f"{operation} of {column}" for operation, column in layout.plan.windows[:, 2:4].tolist()}),
    }
    if case.label.decided_at is not None or case.label.absent is not None:
        meaning["label"] += [case.label.decided_at, case.label.absent, case.label_arrival_days]
    if case.time_zone != UTC_ZONE:
        meaning["time_zone"] = case.time_zone
    digest = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:8]
    return f"{layout.view.name}_{digest}_f{FORMAT_VERSION}"


def pages_view_name(layout: StateLayout) -> str:
    """Name of the Feast view with the pages of the view's busy entities."""
    return f"{feast_view_name(layout)}__pages"


def feature_service_name(use_case: UseCase) -> str:
    """Name of the Feast feature service: one for each feature contract.

    Fields of different views share names, so Feast's own look-ups by service need `full_feature_names=True`.
    """
    return f"{use_case.name}_{feature_contract_hash(use_case)}"


def windowed_views(use_case: UseCase) -> list[FeatureView]:
    """The views that keep state."""
    return [view for view in use_case.features if view.windows]


def feast_objects(use_case: UseCase) -> list[Any]:
    """Entities, one view for each windowed view, the stream's offsets, and last the feature service of this contract.

    Raises:
        FeatureError: an entity's key has a type that Feast cannot look up.
    """
    feast = feast_module()
    from feast.types import Bytes, Int64, String

    entities: dict[str, Any] = {}
    views: dict[str, Any] = {}
    for view in views_with_state(use_case):
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
        state = feast.Field(name=STATE, dtype=Bytes, description="The entity's recent events, packed.")
        views.setdefault(
            feast_view_name(layout),
            feast.FeatureView(
                name=feast_view_name(layout),
                entities=[entities[declared.name]],
                schema=[key_field, state],
                description=view.description,
                owner=use_case.owner,
                tags={"view": view.name, "span_days": str(layout.span_days)},
            ),
        )
        views.setdefault(pages_view_name(layout), _pages_view(feast, layout))
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
    pages = [_page_entity(feast)] if windowed_views(use_case) else []
    return [*entities.values(), *pages, *views.values(), *([*stream_objects(feast), service] if views else [])]


def _page_entity(feast: Any) -> Any:
    return feast.Entity(
        name=STATE_PAGE, join_keys=[STATE_PAGE], value_type=feast.ValueType.STRING, description="number:entity"
    )


def _pages_view(feast: Any, layout: StateLayout) -> Any:
    from feast.types import Bytes, String

    return feast.FeatureView(
        name=pages_view_name(layout),
        entities=[_page_entity(feast)],
        schema=[feast.Field(name=STATE_PAGE, dtype=String), feast.Field(name=PAGE, dtype=Bytes)],
        description=f"Pages of the states of busy entities in {layout.view.name}.",
        owner=layout.use_case.owner,
    )


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
