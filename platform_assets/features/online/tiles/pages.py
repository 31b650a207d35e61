"""Pages of a tree of events: leaves with events, inner pages with summaries of their children, and both as bytes.

Belongs here: what a page holds, and its bytes. Does not belong here: how pages make a tree (`tiles/tree.py`), the header and the keys'
bytes (`online/packed_state.py`).

Behind the header a page has its version (uint32): that of the tree which wrote it, and which its parent holds as well. A root holds what
the tree keeps about itself behind its children.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from platform_assets.features.aggregation.kernel import Float64Array
from platform_assets.features.aggregation.summaries import MOST_CODES, Codes, SummaryLayout
from platform_assets.features.entity_state import EntityEvents, StateLayout
from platform_assets.features.online.packed_state import (
    HEADER,
    INNER,
    LEAF,
    TREE,
    damaged,
    key_types,
    kind_of,
    pack,
    pack_key,
    unpack,
    unpack_key,
    with_header,
)

INLINE_EVENTS = 256
"""Events of an entity up to which its state holds them all; above, it holds the root of a tree."""
LEAF_EVENTS, FAN_OUT, TIMES_AT_ROOT = 40, 18, 5
"""Most events of a leaf, most children of an inner page, and how many times as many a root may have: a look-up reads it once, inner pages
at each edge of a window."""

_VERSION, _ABOUT, _CODES = struct.Struct("<I"), struct.Struct("<III"), struct.Struct("<H")
_GAPS = struct.Struct("<?")
_TOO_MANY_CODES = 0xFFFF
_ARRAYS = (("numbers", "<u4"), ("versions", "<u4"), ("counts", "<u4"), ("firsts", "<i8"), ("lasts", "<i8"))
_NAMES = tuple(name for name, _ in _ARRAYS)
FREE = np.dtype([("first", "<u4"), ("count", "<u4"), ("version", "<u4")])
"""Runs of page numbers that may be used again, and the version of the tree that gave them up."""


@dataclass(frozen=True, eq=False)
class TreeLayout:
    """What pages hold.

    Attributes:
        state: what is kept of an event.
        leaf_events: most events of a leaf.
        fan_out: most children of an inner page below the root.
        most_codes: most different codes that a summary keeps of a column.
    """

    state: StateLayout
    leaf_events: int = LEAF_EVENTS
    fan_out: int = FAN_OUT
    most_codes: int = MOST_CODES

    @property
    def root_fan_out(self) -> int:
        """Most children of a root."""
        return TIMES_AT_ROOT * self.fan_out

    @cached_property
    def summaries(self) -> SummaryLayout:
        """What a summary holds."""
        return SummaryLayout(self.state.plan, self.most_codes)


@dataclass(eq=False)
class Leaf:
    """Some events that follow one another. A changed one is not stored yet: number and version are of what it was read from."""

    events: EntityEvents
    number: int | None = None
    version: int = 0
    is_changed: bool = True
    _times: tuple[EntityEvents, list[int]] | None = None

    @property
    def count(self) -> int:
        """How many events."""
        return len(self.events)

    @property
    def times(self) -> list[int]:
        """Times of the events in microseconds."""
        if self._times is None or self._times[0] is not self.events:
            self._times = self.events, self.events.times.tolist()
        return self._times[1]


@dataclass(frozen=True, eq=False)
class Children:
    """What an inner page knows of its n children, in order.

    Attributes:
        numbers: the pages.
        versions: their versions.
        counts: events below each.
        firsts: time of the oldest event below each in microseconds.
        lasts: time of the newest.
        keys: for each part of the key n items, of the oldest event.
        summaries: float64 [n, w].
        codes: the codes of each child's summary.
        has_gaps: whether some summary lacks an exact sum.
    """

    numbers: list[int]
    versions: list[int]
    counts: list[int]
    firsts: list[int]
    lasts: list[int]
    keys: tuple[list[Any], ...]
    summaries: Float64Array
    codes: list[Codes]
    has_gaps: bool

    def __len__(self) -> int:
        return len(self.counts)

    def replaced(self, begin: int, end: int, others: Children) -> Children:
        """With others in place of those in [begin, end)."""

        arrays: dict[str, Any] = {}
        for name in _NAMES:
            mine = getattr(self, name)
            arrays[name] = [*mine[:begin], *getattr(others, name), *mine[end:]]
        keys = tuple([*mine[:begin], *theirs, *mine[end:]] for mine, theirs in zip(self.keys, others.keys, strict=True))
        summaries = np.concatenate([self.summaries[:begin], others.summaries, self.summaries[end:]])
        codes = [*self.codes[:begin], *others.codes, *self.codes[end:]]
        return Children(
            **arrays, keys=keys, summaries=summaries, codes=codes, has_gaps=self.has_gaps or others.has_gaps
        )

    def part(self, begin: int, end: int) -> Children:
        """Those in [begin, end)."""
        chosen = slice(begin, end)
        arrays: dict[str, Any] = {name: getattr(self, name)[chosen] for name in _NAMES}
        keys = tuple(column[chosen] for column in self.keys)
        summaries, codes = self.summaries[chosen], self.codes[chosen]
        return Children(**arrays, keys=keys, summaries=summaries, codes=codes, has_gaps=self.has_gaps)


@dataclass(eq=False)
class Inner:
    """An inner page: its children, and which of them are loaded."""

    children: Children
    nodes: list[Node | None]
    number: int | None = None
    version: int = 0
    is_changed: bool = True

    @property
    def count(self) -> int:
        """How many events lie below."""
        return sum(self.children.counts)


Node = Leaf | Inner


@dataclass(frozen=True, eq=False)
class Root:
    """The root, and what the tree keeps about itself.

    Attributes:
        page: the root's children.
        version: grows with every write.
        height: levels below the root, at least 1.
        next_number: the least page number that was never used.
        free: numbers to use again, in the order in which they were given up.
    """

    page: Inner
    version: int
    height: int
    next_number: int
    free: np.ndarray[Any, np.dtype[np.void]]


def pack_page(node: Node, layout: TreeLayout) -> bytes:
    """A page's bytes."""
    version = _VERSION.pack(node.version)
    if isinstance(node, Leaf):
        return with_header(layout.state, LEAF, node.count, version + pack(node.events, layout.state))
    return with_header(layout.state, INNER, len(node.children), version + _children_bytes(node.children, layout))


def pack_root(root: Root, layout: TreeLayout) -> bytes:
    """A root's bytes: the state of its entity. The header counts its children, as that of an inner page does."""
    about = _ABOUT.pack(root.height, root.next_number, len(root.free))
    body = [_VERSION.pack(root.version), _children_bytes(root.page.children, layout), about, root.free.tobytes()]
    return with_header(layout.state, TREE, len(root.page.children), b"".join(body))


def _children_bytes(children: Children, layout: TreeLayout) -> bytes:
    parts = [_GAPS.pack(children.has_gaps)]
    parts += [np.array(getattr(children, name), kind).tobytes() for name, kind in _ARRAYS]
    parts.append(children.summaries.astype("<f8", copy=False).tobytes())
    parts += [pack_key(column, kind) for column, kind in zip(children.keys, key_types(layout.state), strict=True)]
    for codes in children.codes:
        for one in codes:
            kept = [] if one is None else sorted(one)
            parts += [_CODES.pack(_TOO_MANY_CODES if one is None else len(kept)), np.array(kept, "<f8").tobytes()]
    return b"".join(parts)


def unpack_page(data: bytes, layout: TreeLayout, entity: Any, number: int) -> Node:
    """A page from its bytes.

    Raises:
        StateError: they are no page of this layout.
    """
    kind, count = kind_of(data, layout.state, entity)
    try:
        (version,) = _VERSION.unpack_from(data, HEADER.size)
        at = HEADER.size + _VERSION.size
        if kind == LEAF:
            return Leaf(unpack(data[at:], layout.state, entity), number, version, is_changed=False)
        if kind != INNER:
            raise ValueError(f"page {number} is of kind {kind}")
        children, at = _children(data, layout, count, at)
    except (struct.error, ValueError) as error:
        raise damaged(layout.state, entity, f"page {number}: {error}") from error
    if at != len(data):
        raise damaged(layout.state, entity, f"page {number} has {len(data)} bytes, where its children take {at}")
    return Inner(children, [None] * count, number, version, is_changed=False)


def unpack_root(data: bytes, layout: TreeLayout, entity: Any) -> Root:
    """A root from its bytes.

    Raises:
        StateError: they are no root of this layout.
    """
    kind, count = kind_of(data, layout.state, entity)
    try:
        (version,) = _VERSION.unpack_from(data, HEADER.size)
        children, at = _children(data, layout, count, HEADER.size + _VERSION.size)
        height, next_number, runs = _ABOUT.unpack_from(data, at)
        free = np.frombuffer(data, FREE, runs, at + _ABOUT.size)
        if kind != TREE or at + _ABOUT.size + free.nbytes != len(data):
            raise ValueError(f"kind {kind}, {len(data)} bytes")
    except (struct.error, ValueError) as error:
        raise damaged(layout.state, entity, f"no root of a tree: {error}") from error
    return Root(Inner(children, [None] * count, None, version, is_changed=False), version, height, next_number, free)


def _children(data: bytes, layout: TreeLayout, count: int, at: int) -> tuple[Children, int]:
    arrays: dict[str, Any] = {}
    (has_gaps,) = _GAPS.unpack_from(data, at)
    at += _GAPS.size
    for name, kind in _ARRAYS:
        arrays[name] = np.frombuffer(data, kind, count, at).tolist()
        at += int(kind[-1]) * count
    width = layout.summaries.width
    summaries = np.frombuffer(data, "<f8", width * count, at).reshape(count, width)
    at += summaries.nbytes
    keys = []
    for key_type in key_types(layout.state):
        column, at = unpack_key(data, key_type, count, at)
        keys.append(column)
    codes: list[Codes] = []
    for _ in range(count if layout.summaries.code_count else 0):
        sets: list[frozenset[float] | None] = []
        for _ in range(layout.summaries.code_count):
            (size,) = _CODES.unpack_from(data, at)
            at += _CODES.size
            sets.append(None if size == _TOO_MANY_CODES else frozenset(np.frombuffer(data, "<f8", size, at).tolist()))
            at += 0 if size == _TOO_MANY_CODES else 8 * size
        codes.append(tuple(sets))
    return Children(**arrays, keys=tuple(keys), summaries=summaries, codes=codes or [()] * count, has_gaps=has_gaps), at
