"""What a plain message does to a row: one JSON object in each, without an envelope.

Belongs here: taking a message apart. Does not belong here: where messages come from (`kafka/`, `kinesis/`), or the envelope of Debezium
(`debezium/`).
"""

from __future__ import annotations

from typing import Any, Protocol

from platform_assets.connectors.files.text_formats import json_value
from platform_assets.connectors.json_changes import Change, key_cells, key_of, not_json, shown, whole_number
from platform_assets.connectors.json_types import fields_of, typed_cells
from platform_assets.connectors.marks import is_deleted
from platform_assets.declaration.delivered_columns import DELETE, UPSERT
from platform_assets.declaration.sections.connectors.base import EpochUnits
from platform_assets.declaration.sections.sources import Source


class PlainMessages(Protocol):
    """A connector whose messages are plain."""

    @property
    def sequence(self) -> str | None:
        """Field that orders the changes of a key; None for the order of the messages."""

    @property
    def epoch_unit(self) -> EpochUnits | None:
        """Unit of times that arrive as numbers."""

    @property
    def deleted(self) -> str:
        """Field that marks a deleted row."""


def plain_change(value: bytes, key: bytes | None, order: int, source: Source, connector: PlainMessages) -> Change:
    """An upsert, or the delete of a row that is marked.

    Args:
        value: the message.
        key: its key, which may name the row that is deleted.
        order: grows with each message of a key; counts where the connector declares no `sequence`.
        source: whose rows they are.
        connector: its connector.
    """
    try:
        cells = json_value(value)
    except ValueError:
        return not_json(value)
    schema: Any = None
    if isinstance(cells, dict) and cells.keys() == {"schema", "payload"}:
        schema, cells = cells["schema"], cells["payload"]
    if not isinstance(cells, dict):
        return not_json(value)
    sequence: int | None = order
    if connector.sequence is not None:
        sequence = whole_number(cells.get(connector.sequence))
    if sequence is None:
        return Change({}, problem=f"no whole number in {connector.sequence} to order changes by: {shown(value)}")
    cells = typed_cells(cells, fields_of(schema), source, connector.epoch_unit)
    if not is_deleted(cells.get(connector.deleted)):
        return Change(cells, UPSERT, sequence)
    row = key_of(cells, source) or key_cells(key, source)
    if row is None:
        return Change({}, problem=f"a delete that names no row by its primary key: {shown(value)}")
    return Change(row, DELETE, sequence)
