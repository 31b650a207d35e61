"""Changes that arrive as JSON, put together to rows.

Belongs here: one change, its key, and the rows that many make. Does not belong here: the envelope that says what a change does
(`debezium/envelope.py`), times and exact numbers (`json_types.py`), and where messages come from (`kafka/`, `debezium/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from platform_assets.connectors.files.text_formats import json_object, json_text
from platform_assets.connectors.written_forms import as_declared, named_cells
from platform_assets.declaration.delivered_columns import (
    CHANGE_COLUMNS,
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    DELIVERED_DAY,
    DELIVERY_COLUMNS,
    SOURCE_POSITION,
    SOURCE_PROBLEM,
    UPSERT,
)
from platform_assets.declaration.sections.sources import Source

_LARGEST = 2**63 - 1
_SHOWN = 300
"""Characters of a message that a problem quotes."""


@dataclass(frozen=True)
class Change:
    """What happened to one row."""

    cells: Mapping[str, Any]
    """JSON values by column."""
    operation: str = UPSERT
    sequence: int = 0
    problem: str | None = None
    """Why the change could not be taken apart; it then has no cells."""
    made_at: datetime | None = None
    """When it was made in its source; None where nobody says, and for rows of a snapshot."""


def frame_of_changes(changes: Iterable[tuple[str, Change]], source: Source) -> pl.DataFrame:
    """Changes as found, from (position, change): every cell as text.

    Columns that may be null exist even where no message has them.
    """
    optional = [column for column in source.columns if column.nullable and column.is_delivered]
    several = [name for column in optional if len(column.delivered_as) > 1 for name in column.delivered_as]
    columns: dict[str, list[str | None]] = {
        name: [] for name in (*(column.name for column in optional if len(column.delivered_as) < 2), *several)
    }
    positions: list[str] = []
    rest: list[tuple[str | None, str, int, datetime | None]] = []
    for position, change in changes:
        for key, value in change.cells.items():
            name = f"{key}_delivered" if key in (*DELIVERY_COLUMNS, *CHANGE_COLUMNS) else key
            if name not in columns:
                columns[name] = [None] * len(positions)
            if len(columns[name]) == len(positions):  # else a second key came to the same name
                columns[name].append(json_text(value))
        positions.append(position)
        rest.append((change.problem, change.operation, change.sequence, change.made_at))
        for cells in columns.values():
            if len(cells) < len(positions):
                cells.append(None)
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        SOURCE_PROBLEM: pl.String,
        CHANGE_OPERATION: pl.String,
        CHANGE_SEQUENCE: pl.Int64,
        CHANGE_TIME: pl.Datetime("us", "UTC"),
    }
    cells_of_all = pl.DataFrame([pl.Series(name, cells, dtype=pl.String) for name, cells in columns.items()])
    return pl.DataFrame(
        [
            *as_declared(cells_of_all, source, are_named=True),
            pl.Series(SOURCE_POSITION, positions, dtype=pl.String),
            pl.Series(DELIVERED_DAY, [None] * len(positions), dtype=pl.Date),
            *pl.DataFrame(rest, schema=schema, orient="row").get_columns(),
        ]
    )


def whole_number(value: Any) -> int | None:
    """A whole number that a sequence can be, from JSON; None for anything else."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        return None
    return number if not isinstance(value, bool) and 0 <= number <= _LARGEST else None


def key_cells(key: bytes | str | None, source: Source) -> dict[str, Any] | None:
    """The primary key in a message's key: an object with its columns, or the value of a single one; None without."""
    if key is None:
        return None
    cells: Any = json_object(key)
    if isinstance(cells, dict) and isinstance(cells.get("payload"), dict):
        cells = cells["payload"]
    if isinstance(cells, dict):
        return key_of(named_cells(cells, source), source)
    if len(source.primary_key) != 1:
        return None
    text = (key.decode(errors="replace") if isinstance(key, bytes) else key).strip('"')
    return None if text in ("", "null") else {source.primary_key[0]: text}


def key_of(cells: Mapping[str, Any], source: Source) -> dict[str, Any] | None:
    """The primary key among the cells of a row; None where a part of it is missing."""
    if any(cells.get(name) is None for name in source.primary_key):
        return None
    return {name: cells[name] for name in source.primary_key}


def not_json(value: bytes) -> Change:
    """A message that is no JSON object."""
    return Change({}, problem=f"not a JSON object: {shown(value)}")


def shown(value: bytes) -> str:
    """The beginning of a message, for problems."""
    return value.decode(errors="replace")[:_SHOWN]
