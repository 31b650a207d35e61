"""The feature contract: what a model expects of its inputs, and the hash by which two sides recognise each other.

Belongs here: the parts of a declaration that change what a feature value means. Does not belong here: anything that
may change without retraining, such as descriptions or thresholds.
"""

import hashlib
import json
from typing import Any

from platform_assets.spec.use_case import UseCase

PROSE = {"description"}


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_prose(item) for key, item in value.items() if key not in PROSE}
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    return value


def feature_contract(use_case: UseCase) -> dict[str, Any]:
    """Everything that gives the features their meaning: event columns with types, entities, views, label and delay."""
    events = use_case.event_source
    return {
        "events": {"name": events.name, "primary_key": list(events.primary_key), "event_time": events.event_time},
        "columns": {column.name: column.type for column in events.columns},
        "label": {"column": use_case.label.column, "delay_days": use_case.label_delay_days},
        "entities": _without_prose([entity.model_dump(mode="json") for entity in use_case.entities]),
        "features": _without_prose([view.model_dump(mode="json") for view in use_case.features]),
    }


def feature_contract_hash(use_case: UseCase) -> str:
    """SHA-256 of the feature contract, the first 16 hexadecimal digits."""
    text = json.dumps(feature_contract(use_case), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
