"""An entity's events as one value of bytes.

Belongs here: the bytes' format, packing and unpacking, of one entity and of many at once. Does not belong here: Feast's values and tables
(`online/state_table.py`), what a state holds (`entity_state.py`).

All numbers are little-endian. A header of 16 bytes: `PAes`, the format's version, the kind, how many parts a key has, how many values
an event has (one byte each), the count of events (uint32), and the CRC-32 of what follows (uint32). Then, of events that lie inline,
their times (int64), each value's column (float64), and each key part's column: int64, float64, or for text the ends of the items
(uint32) and their UTF-8 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl

from platform_assets.features.aggregation.kernel import Float64Array, Int64Array
from platform_assets.features.entity_state import EVENT_TIMES, EntityEvents, StateLayout
from platform_assets.features.errors import StateError

FORMAT_VERSION = 2
"""Part of the name of the Feast view: states of another format lie elsewhere. 1 were lists of Feast's."""
INLINE, TREE, LEAF, INNER = 0, 1, 2, 3
"""Kinds: the events themselves; the root of a tree of pages (`online/tiles/`); a page with events; a page above others."""
HEADER = struct.Struct("<4sBBBBII")
MAGIC = b"PAes"
BEFORE_ALL_TIME = -(2**63)
_TIME = struct.Struct("<q")


def pack(events: EntityEvents, layout: StateLayout) -> bytes:
    """An entity's events as bytes."""
    parts = [events.times.astype("<i8", copy=False).tobytes(), events.values.astype("<f8", copy=False).tobytes()]
    parts += [pack_key(column, dtype) for column, dtype in zip(events.keys, key_types(layout), strict=True)]
    return with_header(layout, INLINE, len(events), b"".join(parts))


def with_header(layout: StateLayout, kind: int, count: int, body: bytes) -> bytes:
    """A body with its header in front.

    Args:
        layout: of the state.
        kind: what the body is.
        count: how many events it stands for.
        body: what follows the header.
    """
    shape = len(layout.key_columns), len(layout.value_columns)
    return HEADER.pack(MAGIC, FORMAT_VERSION, kind, *shape, count, crc32(body)) + body


def kind_of(data: bytes, layout: StateLayout, entity: Any) -> tuple[int, int]:
    """The kind of a state and how many events it stands for, once its header and checksum were found right.

    Raises:
        StateError: the bytes are damaged.
    """
    try:
        magic, version, kind, *shape, count, checksum = HEADER.unpack_from(data)
    except struct.error as error:
        raise damaged(layout, entity, f"{len(data)} bytes are no header") from error
    expected = [len(layout.key_columns), len(layout.value_columns)]
    if magic != MAGIC or version != FORMAT_VERSION:
        raise damaged(layout, entity, f"it begins with {data[:5]!r}, not with {MAGIC!r} and {FORMAT_VERSION}")
    if shape != expected:
        raise damaged(layout, entity, f"{shape} key parts and values, where {expected} are declared")
    if crc32(memoryview(data)[HEADER.size :]) != checksum:
        raise damaged(layout, entity, "its checksum does not fit")
    return kind, count


def unpack(data: bytes, layout: StateLayout, entity: Any) -> EntityEvents:
    """An entity's events from bytes that `pack` made.

    Raises:
        StateError: the bytes are damaged.
    """
    kind, count = kind_of(data, layout, entity)
    if kind != INLINE:
        raise damaged(layout, entity, f"its kind is {kind}, not {INLINE}")
    width = len(layout.value_columns)
    try:
        times: Int64Array = np.frombuffer(data, "<i8", count, HEADER.size)
        position = HEADER.size + 8 * count
        values: Float64Array = np.frombuffer(data, "<f8", width * count, position).reshape(width, count)
        position += 8 * width * count
        keys = []
        for dtype in key_types(layout):
            column, position = unpack_key(data, dtype, count, position)
            keys.append(column)
        if position != len(data):
            raise ValueError(f"{len(data)} bytes, where {count} events take {position}")
    except ValueError as error:
        raise damaged(layout, entity, str(error)) from error
    return EntityEvents(times, tuple(keys), values)


def last_time(data: bytes) -> int:
    """Time of the newest event of a state that lies inline, in microseconds; before all time where it has none."""
    count = HEADER.unpack_from(data)[-2]
    return int(_TIME.unpack_from(data, HEADER.size + 8 * (count - 1))[0]) if count else BEFORE_ALL_TIME


def ends_with(data: bytes, state: bytes, layout: StateLayout, oldest: int) -> bool:
    """Whether stored bytes hold the events of a state, and before them only events from before a time; both lie inline and are whole.

    Args:
        data: what is stored.
        state: the state.
        layout: of both.
        oldest: the time, in microseconds.
    """
    count, wanted = HEADER.unpack_from(data)[-2], HEADER.unpack_from(state)[-2]
    more = count - wanted
    if more < 0 or (more and _TIME.unpack_from(data, HEADER.size + 8 * (more - 1))[0] >= oldest):
        return False
    if pl.String() in key_types(layout):
        return pack(unpack(data, layout, "").after(more), layout) == state
    begin = end = HEADER.size
    for _ in range(1 + len(layout.value_columns) + len(layout.key_columns)):
        if data[begin + 8 * more : begin + 8 * count] != state[end : end + 8 * wanted]:
            return False
        begin, end = begin + 8 * count, end + 8 * wanted
    return True


def packed_states(layout: StateLayout, rows: pl.DataFrame, counts: Sequence[int]) -> list[bytes]:
    """The states of many entities.

    Args:
        layout: what they hold.
        rows: events with the columns of `StateLayout.list_types`, one entity after the other.
        counts: how many of each.
    """
    times = rows[EVENT_TIMES].to_numpy().astype("<i8", copy=False)
    values = [rows[name].to_numpy().astype("<f8", copy=False) for name in layout.value_fields]
    kinds = key_types(layout)
    keys = [
        rows[name].to_list() if dtype == pl.String() else rows[name].to_numpy()
        for name, dtype in zip(layout.key_fields, kinds, strict=True)
    ]
    packed, first = [], 0
    for count in counts:
        end = first + count
        parts = [column[first:end].tobytes() for column in (times, *values)]
        parts += [pack_key(column[first:end], dtype) for column, dtype in zip(keys, kinds, strict=True)]
        packed.append(with_header(layout, INLINE, count, b"".join(parts)))
        first = end
    return packed


def damaged(layout: StateLayout, entity: Any, why: str) -> StateError:
    """What is raised for a state that cannot be read."""
    return StateError(
        f"state of {layout.entity_key}={entity!r} in view {layout.view.name!r} is damaged ({why}); "
        "materialize the online store asset again"
    )


def key_types(layout: StateLayout) -> list[pl.DataType]:
    """The type of each part of an event's key: Int64, Float64 or String."""
    types = layout.list_types
    return [types[name] for name in layout.key_fields]


def pack_key(column: Any, dtype: pl.DataType) -> bytes:
    """The items of one part of events' keys as bytes."""
    if dtype != pl.String():
        return np.asarray(column, dtype="<f8" if dtype == pl.Float64() else "<i8").tobytes()
    items = [item.encode("utf-8", "surrogatepass") for item in column]
    ends = np.cumsum([len(item) for item in items], dtype="<u4")
    return b"".join([ends.tobytes(), *items])


def unpack_key(data: bytes, dtype: pl.DataType, count: int, position: int) -> tuple[list[Any], int]:
    """A key part's items, and where what follows begins.

    Raises:
        ValueError: the bytes end before.
    """
    if dtype != pl.String():
        column = np.frombuffer(data, "<f8" if dtype == pl.Float64() else "<i8", count, position)
        return column.tolist(), position + 8 * count
    ends = np.frombuffer(data, "<u4", count, position).tolist()
    begin = position + 4 * count
    starts = [0, *ends[:-1]]
    items = [data[begin + a : begin + b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=False)]
    return items, begin + (ends[-1] if ends else 0)
