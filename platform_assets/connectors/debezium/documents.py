"""Documents as the MongoDB connector sends them: a text of MongoDB's extended JSON.

Belongs here: from that text to the cells of a row. Does not belong here: the envelope around it (`envelope.py`).

The form is that of the MongoDB Extended JSON (v2) specification, canonical or relaxed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from platform_assets.connectors.files.text_formats import Number, json_object, json_value
from platform_assets.connectors.json_types import time_text


def _date(value: Any) -> Any:
    """Milliseconds since 1970 in the canonical form, ISO text in the relaxed one."""
    value = plain(value)
    return time_text(value, "milliseconds") if isinstance(value, Number) else value


def _number(value: Any) -> Any:
    return Number(value) if isinstance(value, str) else value


_WRAPPERS: Mapping[str, Callable[[Any], Any]] = {
    "$oid": str,
    "$numberInt": _number,
    "$numberLong": _number,
    "$numberDouble": _number,
    "$numberDecimal": _number,
    "$date": _date,
    "$uuid": str,
    "$symbol": str,
    "$undefined": lambda value: None,
}


def document(text: str) -> dict[str, Any] | None:
    """The top level of a document, with plain values; None where the text is none."""
    try:
        value = json_value(text)
    except ValueError:
        return None
    return {name: plain(cell) for name, cell in value.items()} if isinstance(value, dict) else None


def key_document(key: bytes | str | None) -> dict[str, Any] | None:
    """The `_id` in the key of a message, where it stands as a text in `id`; None in any other key."""
    cells = json_object(key) if key is not None else None
    if cells is not None and isinstance(cells.get("payload"), dict):
        cells = cells["payload"]
    if cells is None or cells.keys() != {"id"}:
        return None
    value = cells["id"]
    if isinstance(value, str) and not isinstance(value, Number):
        with suppress(ValueError):
            value = json_value(value)
    return {"_id": plain(value)}


def plain(value: Any) -> Any:
    """A value without the object that names its type; parts of a document and lists are unwrapped too."""
    if isinstance(value, list):
        return [plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, inner)] = value.items()
        if name in _WRAPPERS:
            return _WRAPPERS[name](inner)
    return {name: plain(part) for name, part in value.items()}
