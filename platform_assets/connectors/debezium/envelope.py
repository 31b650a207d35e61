"""The Debezium envelope: what a message says happened to which row.

Belongs here: taking one message apart, with its schema where it carries one. Does not belong here: rows
(`connectors/json_changes.py`) and where messages come from (`feed.py`, `topic.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from platform_assets.connectors.debezium.documents import document, key_document
from platform_assets.connectors.debezium.order import FeedOrder, is_snapshot, time_of
from platform_assets.connectors.debezium.positions import PositionError
from platform_assets.connectors.json_changes import Change, key_cells, key_of, whole_number
from platform_assets.connectors.json_types import fields_of, typed_cells
from platform_assets.connectors.marks import is_deleted
from platform_assets.connectors.written_forms import named_cells
from platform_assets.declaration.delivered_columns import DELETE, UPSERT
from platform_assets.declaration.sections.connectors.change_feed import ChangeFeedConnector
from platform_assets.declaration.sections.sources import Source

_UPSERTS = ("c", "r", "u")
_NOT_SENT = "__debezium_unavailable_value"
"""Stands for a large value that an update did not touch, which the database therefore does not log."""

_SHOWN = 300


def changes_of(
    message: Any, source: Source, connector: ChangeFeedConnector, order: FeedOrder, key: bytes | str | None = None
) -> list[Change]:
    """The changes that a message tells of: one, two where an update changed the key, none for a tombstone.

    Args:
        message: The JSON value (`text_formats.json_value`), with or without `schema` and `payload` around it.
        source: The declared source.
        connector: Its connector.
        order: How far the feed has come: it numbers the message, and goes on.
        key: Key of the message, which tells the row where a delete carries no image of it.
    """
    schema: Any = None
    if isinstance(message, dict) and "payload" in message:
        schema, message = message.get("schema"), message["payload"]
    if message is None:
        return []
    if not isinstance(message, dict) or "op" not in message:
        return [
            _problem(
                "no envelope with `op`, `before` and `after` (plain rows are read by kinds kafka and files)", message
            )
        ]
    operation = message["op"]
    before, after = (_image(message.get(side), schema, side, source, connector) for side in ("before", "after"))
    row = next((found for image in (after, before) if image and (found := key_of(image, source))), None)
    try:
        sequence = _sequence(message, connector, order, row)
    except PositionError as error:
        return [_problem(f"{error}: nothing to order changes by", message)]
    made_at = _made_at(message)
    if operation == "d":
        return [replace(_delete(before, source, sequence, key, message), made_at=made_at)]
    if operation not in _UPSERTS:
        advice = "; a truncated table has to be loaded anew" if operation == "t" else ""
        return [_problem(f"operation {operation!r} is not one of c, r, u and d{advice}", message)]
    if after is None:
        return [_problem(f"operation {operation!r} without `after`", message)]
    after, missing = _complete(after, before)
    if missing:
        return [_problem(f"the database did not send {', '.join(missing)}: set REPLICA IDENTITY FULL", message)]
    changes = [_upsert(after, source, connector, sequence)]
    old = key_of(before, source) if before is not None else None
    new = key_of(after, source)
    if operation == "u" and old is not None and new is not None and old != new:
        changes.insert(0, Change(old, DELETE, sequence))
    return [replace(change, made_at=made_at) for change in changes]


def _made_at(message: Mapping[str, Any]) -> datetime | None:
    """When the change was made: nobody knows of rows of a snapshot."""
    origin = message.get("source")
    milliseconds = time_of(origin if isinstance(origin, Mapping) else {}, message)
    if milliseconds is None or is_snapshot(message):
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def _upsert(after: dict[str, Any], source: Source, connector: ChangeFeedConnector, sequence: int) -> Change:
    """The row as it is now; the delete of one that is marked deleted."""
    key = key_of(after, source)
    if connector.deleted is not None and key is not None and is_deleted(after.get(connector.deleted)):
        return Change(key, DELETE, sequence)
    return Change(after, UPSERT, sequence)


def _delete(
    before: dict[str, Any] | None, source: Source, sequence: int, key: bytes | str | None, message: Any
) -> Change:
    """A delete of the row that `before` shows, or else of the one that the message's key names."""
    if before is not None and key_of(before, source) is not None:
        times = source.column(source.event_time).delivered_names if source.event_time else ()
        placeholder = any(str(message["before"].get(name)) == "0" for name in times)
        return Change(key_of(before, source) or {} if placeholder else before, DELETE, sequence)
    document_key = key_document(key)
    named = key_cells(key, source) or (key_of(named_cells(document_key, source), source) if document_key else None)
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


def _sequence(
    message: Mapping[str, Any], connector: ChangeFeedConnector, order: FeedOrder, row: Mapping[str, Any] | None
) -> int:
    """The number of a message: that of the declared field, or of its place in the database's log.

    Raises:
        PositionError: If there is none.
    """
    if connector.sequence is None:
        return order.number(message, row)
    number = whole_number(_field(message, connector.sequence))
    if number is None and is_snapshot(message):
        return 0
    if number is None:
        raise PositionError(f"no whole number in {connector.sequence}")
    return number


def _field(message: Any, path: str) -> Any:
    for part in path.split("."):
        message = message.get(part) if isinstance(message, dict) else None
    return message


def _image(cells: Any, schema: Any, side: str, source: Source, connector: ChangeFeedConnector) -> dict[str, Any] | None:
    """One side of the envelope, its times and exact numbers as text."""
    if isinstance(cells, str):
        cells = document(cells)
    if not isinstance(cells, dict):
        return None
    inner = next((field for field in fields_of(schema) if isinstance(field, dict) and field.get("field") == side), None)
    return typed_cells(cells, fields_of(inner), source, connector.epoch_unit)


def _problem(text: str, message: Any) -> Change:
    return Change({}, UPSERT, 0, f"{text}: {str(message)[:_SHOWN]}")
