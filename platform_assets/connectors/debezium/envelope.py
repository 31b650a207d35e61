"""The Debezium envelope: what a message says happened to which row.

Belongs here: taking one message apart, with its schema where it carries one. Does not belong here: rows
(`connectors/json_changes.py`) and where messages come from (`feed.py`, `topic.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from platform_assets.connectors.files.text_formats import Number
from platform_assets.connectors.json_changes import (
    Change,
    day_text,
    key_cells,
    key_of,
    time_text,
    whole_number,
    with_times,
)
from platform_assets.declaration.delivered_columns import DELETE, UPSERT
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.sources import Source

_UPSERTS = ("c", "r", "u")
_NOT_SENT = "__debezium_unavailable_value"
"""Stands for a large value that an update did not touch, which the database therefore does not log."""

_NUMBER_BITS = 20
"""A millisecond is no order: within one, the number in the file or topic counts."""

_SHOWN = 300

_DEBEZIUM, _CONNECT = "io.debezium.time.", "org.apache.kafka.connect.data."
_TYPES: Mapping[str, Callable[[str], str]] = {
    _DEBEZIUM + "Timestamp": partial(time_text, unit="milliseconds"),
    _DEBEZIUM + "MicroTimestamp": partial(time_text, unit="microseconds"),
    _DEBEZIUM + "NanoTimestamp": partial(time_text, unit="nanoseconds"),
    _CONNECT + "Timestamp": partial(time_text, unit="milliseconds"),
    _DEBEZIUM + "Date": day_text,
    _CONNECT + "Date": day_text,
}


def changes_of(
    message: Any, source: Source, connector: ChangeFeedConnector, number: int, key: bytes | str | None = None
) -> list[Change]:
    """The changes that a message tells of: one, two where an update changed the key, none for a tombstone.

    Args:
        message: The JSON value (`text_formats.json_value`), with or without `schema` and `payload` around it.
        source: The declared source.
        connector: Its connector.
        number: Number of the message in its file or partition; it orders changes of the same millisecond.
        key: Key of the message, which tells the row where a delete carries no image of it.
    """
    schema: Any = None
    if isinstance(message, dict) and "payload" in message:
        schema, message = message.get("schema"), message["payload"]
    if message is None:
        return []
    if not isinstance(message, dict) or "op" not in message:
        return [_problem("no envelope with `op`, `before` and `after`", message)]
    operation = message["op"]
    sequence = _sequence(message, connector, number)
    if sequence is None:
        field = connector.sequence or "source.lsn or ts_ms"
        return [_problem(f"no whole number in {field} to order changes by", message)]
    before, after = (_image(message.get(side), schema, side, source, connector) for side in ("before", "after"))
    if operation == "d":
        return [_delete(before, source, sequence, key, message)]
    if operation not in _UPSERTS:
        advice = "; a truncated table has to be loaded anew" if operation == "t" else ""
        return [_problem(f"operation {operation!r} is not one of c, r, u and d{advice}", message)]
    if after is None:
        return [_problem(f"operation {operation!r} without `after`", message)]
    after, missing = _complete(after, before)
    if missing:
        return [_problem(f"the database did not send {', '.join(missing)}: set REPLICA IDENTITY FULL", message)]
    changes = [Change(after, UPSERT, sequence)]
    old = key_of(before, source) if before is not None else None
    new = key_of(after, source)
    if operation == "u" and old is not None and new is not None and old != new:
        changes.insert(0, Change(old, DELETE, sequence))
    return changes


def _delete(
    before: dict[str, Any] | None, source: Source, sequence: int, key: bytes | str | None, message: Any
) -> Change:
    """A delete of the row that `before` shows, or else of the one that the message's key names."""
    if before is not None and key_of(before, source) is not None:
        placeholder = str(message["before"].get(source.event_time)) == "0"
        return Change(key_of(before, source) or {} if placeholder else before, DELETE, sequence)
    named = key_cells(key, source)
    if named is None:
        return _problem(
            "a delete that names no row: `before` lacks the primary key, as does the message's key", message
        )
    return Change(named, DELETE, sequence)


def _complete(after: dict[str, Any], before: dict[str, Any] | None) -> tuple[dict[str, Any], list[str]]:
    """The row with values that were not sent taken from the image before, and the columns that are in neither."""
    absent = [name for name, value in after.items() if value == _NOT_SENT]
    known = {name: (before or {}).get(name) for name in absent}
    missing = [name for name in absent if known[name] is None or known[name] == _NOT_SENT]
    return {**after, **known}, missing


def _sequence(message: Mapping[str, Any], connector: ChangeFeedConnector, number: int) -> int | None:
    if connector.sequence is not None:
        return whole_number(_field(message, connector.sequence))
    position = whole_number(_field(message, "source.lsn"))
    if position is not None:
        return position
    for field in ("source.ts_ms", "ts_ms"):
        milliseconds = whole_number(_field(message, field))
        if milliseconds is not None:
            return whole_number((milliseconds << _NUMBER_BITS) | (number & ((1 << _NUMBER_BITS) - 1)))
    return None


def _field(message: Any, path: str) -> Any:
    for part in path.split("."):
        message = message.get(part) if isinstance(message, dict) else None
    return message


def _image(cells: Any, schema: Any, side: str, source: Source, connector: ChangeFeedConnector) -> dict[str, Any] | None:
    """One side of the envelope, its times and exact numbers as text."""
    if not isinstance(cells, dict):
        return None
    result = dict(cells)
    for field in _fields(schema, side):
        name, kind = field.get("field"), str(field.get("name"))
        value = result.get(name)
        if value is None:
            continue
        if kind in _TYPES and isinstance(value, Number):
            result[name] = _TYPES[kind](value)
        elif kind == _CONNECT + "Decimal" and isinstance(value, str):
            result[name] = _decimal(value, (field.get("parameters") or {}).get("scale", "0"))
        elif kind == "io.debezium.data.VariableScaleDecimal" and isinstance(value, dict):
            result[name] = _decimal(str(value.get("value")), value.get("scale", "0"))
    return with_times(result, source, connector.epoch_unit)


def _fields(schema: Any, side: str) -> list[dict[str, Any]]:
    """Fields of `before` or `after` in the envelope's schema; none without one."""
    for field in (schema or {}).get("fields") or [] if isinstance(schema, dict) else []:
        if isinstance(field, dict) and field.get("field") == side:
            return [inner for inner in field.get("fields") or [] if isinstance(inner, dict)]
    return []


def _decimal(text: str, scale: Any) -> str:
    """An exact number, sent as the bytes of a whole number and a scale."""
    try:
        whole = int.from_bytes(base64.b64decode(text, validate=True), "big", signed=True)
        return format(Decimal(whole).scaleb(-int(scale)), "f")
    except ValueError:
        return text


def _problem(text: str, message: Any) -> Change:
    return Change({}, UPSERT, 0, f"{text}: {str(message)[:_SHOWN]}")
