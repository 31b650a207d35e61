"""The feature contract: what a model expects of its inputs, and the hash by which two sides recognise each other.

Belongs here: the parts of a declaration that change what a feature value means. Does not belong here: anything that
may change without retraining, such as descriptions or thresholds.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from platform_assets.declaration.aggregates import AGGREGATES
from platform_assets.declaration.checks.features import lookup_on
from platform_assets.declaration.checks.windows import window_columns
from platform_assets.declaration.expressions import columns_of
from platform_assets.declaration.functions import source_digest
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.features import Entity, FeatureView
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.declaration.use_case import UseCase

PROSE = {"description"}


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_prose(item) for key, item in value.items() if key not in PROSE}
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    return value


def feature_contract(use_case: UseCase) -> dict[str, Any]:
    """Everything that gives the features their meaning: event columns with types, entities, views, label and delay.

    With look-ups also the tables they read, with functions the source they are written in, and with aggregates whose values were defined
    anew the version of their definition.
    """
    return _contract(use_case, use_case.features, use_case.entities)


def _contract(use_case: UseCase, views: Sequence[FeatureView], entities: Sequence[Entity]) -> dict[str, Any]:
    events = use_case.event_source
    contract: dict[str, Any] = {
        "events": {"name": events.name, "primary_key": list(events.primary_key), "event_time": events.event_time},
        "columns": {column.name: _column(column) for column in events.columns},
        "label": _label(use_case),
        "entities": _without_prose([entity.model_dump(mode="json") for entity in entities]),
        "features": _without_prose([view.model_dump(mode="json") for view in views]),
    }
    if use_case.time_zone != UTC_ZONE:
        contract["events"]["time_zone"] = use_case.time_zone
    if use_case.task.has_classes:
        contract["label"]["classes"] = list(use_case.classes)
    looked_up = [use_case.source(lookup.source) for view in views for lookup in view.lookups]
    functions = [item.function for view in views for item in view.functions]
    defined = {
        window.aggregate: AGGREGATES[window.aggregate].definition_version for view in views for window in view.windows
    }
    if newer := {name: version for name, version in defined.items() if version > 1}:
        contract["aggregates"] = newer
    if looked_up:
        contract["lookups"] = {source.name: _looked_up(source) for source in looked_up}
    if functions:
        contract["functions"] = {path: source_digest(path) for path in functions}
    return contract


def _label(use_case: UseCase) -> dict[str, Any]:
    label = use_case.label
    meaning: dict[str, Any] = {"column": label.column, "delay_days": use_case.label_delay_days}
    if label.decided_at is not None:
        meaning |= {"decided_at": label.decided_at, "arrival_days": use_case.label_arrival_days}
    if label.absent is not None:
        meaning["absent"] = label.absent
    return meaning


def _column(column: Column) -> Any:
    """A column's type, and where it is not delivered what it is made from."""
    if column.is_delivered and column.scale is None:
        return column.type
    return [column.type_in_words, column.value, column.expression]


def _looked_up(source: Source) -> dict[str, Any]:
    return {
        "columns": {column.name: _column(column) for column in source.columns},
        "primary_key": list(source.primary_key),
        "event_time": source.event_time,
        "delay_days": source.arrival_delay_days,
    }


def view_meaning_hash(use_case: UseCase, view: FeatureView) -> str:
    """The same hash for one view alone: it changes when the meaning of the view's table does.

    Columns of the events that the view does not use, and the label where it does not use that, may change.
    """
    entities = [entity for entity in use_case.entities if entity.name == view.entity]
    contract = _contract(use_case, [view], entities)
    used = {*use_case.event_source.primary_key, use_case.event_time}
    used |= {name for entity in entities for name in entity.key_columns}
    used |= {name for window in view.windows for name in window_columns(window)}
    used |= {name for row in view.rows for name in columns_of(row.expression)}
    used |= {name for lookup in view.lookups for name in lookup_on(use_case, lookup)}
    used |= {name for item in view.functions for name in item.columns}
    contract["columns"] = {name: kind for name, kind in contract["columns"].items() if name in used}
    if use_case.label.column not in used:
        del contract["label"]
    return _hash(contract)


def feature_contract_hash(use_case: UseCase) -> str:
    """SHA-256 of the feature contract, the first 16 hexadecimal digits."""
    return _hash(feature_contract(use_case))


def _hash(contract: dict[str, Any]) -> str:
    text = json.dumps(contract, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
