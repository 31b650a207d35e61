"""A counted B+ tree of an entity's events, ordered by time and key, of which only those pages are read that a question needs.

Belongs here: going down to events and bounds, putting, replacing and removing events, and writing what changed. Does not belong here: a
page's bytes (`tiles/pages.py`), a tree built at once (`tiles/building.py`), windows (`tiles/windows.py`).

Nothing stored is changed in place: changed pages go under free numbers, and the new root, which is the entity's state, is written last.
So a reader sees the tree as it was or as it is, and a writer that dies in between leaves the tree as it was.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from platform_assets.features.aggregation.kernel import Float64Array
from platform_assets.features.aggregation.summaries import Codes, Rows, Summary
from platform_assets.features.entity_state import EntityEvents, EventIdentity, StateEvent
from platform_assets.features.online.packed_state import damaged
from platform_assets.features.online.tiles.nodes import entries, halves, part_of, pieces, settle, splice
from platform_assets.features.online.tiles.numbers import PageNumbers
from platform_assets.features.online.tiles.pages import (
    Inner,
    Leaf,
    Node,
    Root,
    TreeLayout,
    pack_root,
    unpack_page,
    unpack_root,
)
from platform_assets.features.online.tiles.places import (
    Bound,
    child_with,
    children_begun,
    ends_before,
    place_in,
    position_of,
)

TRIM_EVERY = 16
"""Versions of a tree between two looks at its oldest leaf."""
MOST_PAGES_TRIMMED = 8
"""Pages above leaves of which old leaves are taken out at once."""


class PageReader(Protocol):
    """Reads an entity's pages."""

    def read(self, numbers: Sequence[int]) -> list[bytes | None]:
        """The pages with these numbers, in one round trip; None where there is none."""


class TreeMoved(Exception):
    """A page is of another version than its parent says: the tree was written meanwhile; begin again at its root."""


@dataclass(frozen=True)
class TreeVersion:
    """A new version of a tree: its root, and the pages that must be stored before it."""

    root: bytes
    pages: Mapping[int, bytes]


class EventTree:
    """An entity's events. Changes are made in memory; `write` gives what has to be stored."""

    def __init__(self, data: bytes, layout: TreeLayout, entity: Any, pages: PageReader) -> None:
        """Take a root.

        Raises:
            StateError: it is damaged.
        """
        self._layout, self._entity, self._pages = layout, entity, pages
        self.root: Root = unpack_root(data, layout, entity)
        self._page = self.root.page
        self._given_up: list[int] = []
        self._slices: dict[tuple[int, int, int, tuple[int, ...]], Summary] = {}
        self.bytes_read = len(data)

    def __len__(self) -> int:
        """How many events it holds."""
        return self._page.count

    @property
    def newest_time(self) -> int:
        """Time of the newest event in microseconds."""
        return self._page.children.lasts[-1]

    @property
    def oldest_time(self) -> int:
        """Time of the oldest event in microseconds."""
        return self._page.children.firsts[0]

    def fetch(self, bounds: Sequence[Bound]) -> None:
        """Read the pages that bounds lie in, one round trip for each level.

        Raises:
            TreeMoved: the tree was written meanwhile.
            StateError: a page is damaged or not there.
        """
        level = [self._page]
        while level:
            wanted: dict[tuple[int, int], Inner] = {}
            for node in level:
                for bound in bounds:
                    child = children_begun(node.children, bound) - 1
                    if child >= 0 and not ends_before(node.children, child, bound):
                        wanted[id(node), child] = node
            below = self._loaded([(node, child) for (_, child), node in wanted.items()])
            level = [node for node in below if isinstance(node, Inner)]

    def runs(self, low: Bound, high: Bound, rows: Rows) -> tuple[Float64Array, list[Codes]]:
        """Summaries of the events between two bounds, enough for some operations of the plan.

        Returns:
            float64 [n, w] and the codes of n runs that follow one another.

        Raises:
            TreeMoved: the tree was written meanwhile.
            StateError: a page is damaged or not there.
        """
        blocks: list[Float64Array] = []
        codes: list[Codes] = []
        self._collect(self._page, low, high, rows, blocks, codes)
        return np.concatenate(blocks) if blocks else np.empty((0, self._layout.summaries.width)), codes

    def events(self, low: Bound, high: Bound) -> Iterator[EntityEvents]:
        """The events between two bounds, leaf by leaf."""
        yield from self._events(self._page, low, high)

    def holds(self, identity: EventIdentity) -> bool:
        """Whether an event of this time and key is there."""
        return position_of(self._leaf_with(identity), identity) is not None

    def find(self, identity: EventIdentity) -> StateEvent | None:
        """The event of this time and key; None where it is not there."""
        leaf = self._leaf_with(identity)
        position = position_of(leaf, identity)
        return None if position is None else StateEvent(*identity, tuple(leaf.events.values[:, position].tolist()))

    def put(self, event: StateEvent, *, replacing: bool = False) -> bool:
        """Add an event; False where one of its time and key is there, unless that is to be replaced."""
        return self._change(event.identity, event if replacing else None, event)

    def remove(self, identity: EventIdentity) -> bool:
        """Take an event out; False where there is none of this time and key. The last event of a tree stays."""
        return len(self) > 1 and self._change(identity, None, None)

    def drop_before(self, time: int) -> None:
        """Take out leaves of which all events are older: some in every `TRIM_EVERY`th version, so that it costs little each time."""
        if self.root.version % TRIM_EVERY:
            return
        for _ in range(MOST_PAGES_TRIMMED):
            if self.oldest_time >= time or not self._drop_oldest(time):
                return

    def _drop_oldest(self, time: int) -> int:
        """Take out old leaves below the first page above leaves; how many."""
        path: list[Inner] = [self._page]
        for _ in range(self.root.height - 1):
            (node,) = self._loaded([(path[-1], 0)])
            path.append(node)  # type: ignore[arg-type]
        bottom = path[-1].children
        expired = bisect_left(bottom.lasts, time)
        if not expired:
            return 0
        self._given_up += bottom.numbers[:expired]
        splice(path[-1], 0, expired, [], self._layout)
        for above, below in zip(path[-2::-1], path[:0:-1], strict=True):
            if len(below.children):
                splice(above, 0, 1, [below], self._layout)
            else:
                self._give_up(below)
                splice(above, 0, 1, [], self._layout)
        return expired

    def write(self) -> TreeVersion:
        """The next version of the tree, as it is now."""
        version = self.root.version + 1
        numbers = PageNumbers(self.root.next_number, self.root.free.tolist(), version)
        pages: dict[int, bytes] = {}
        height = self.root.height
        while len(self._page.children) > self._layout.root_fan_out:
            below = pieces(self._page, self._layout.fan_out)
            self._page, height = Inner(entries(below, self._layout), [*below]), height + 1
        while height > 1 and len(self._page.children) == 1:
            (only,) = self._loaded([(self._page, 0)])
            self._give_up(only)
            self._page, height = only, height - 1  # type: ignore[assignment]
        settle(self._page, version, self._layout, numbers, pages, self._given_up)
        numbers.give(self._given_up)
        self._page.version = version
        root = Root(self._page, version, height, numbers.next_number, numbers.free())
        return TreeVersion(pack_root(root, self._layout), pages)

    def _leaf_with(self, identity: EventIdentity) -> Leaf:
        node: Node = self._page
        while isinstance(node, Inner):
            (node,) = self._loaded([(node, child_with(node.children, identity))])
        return node

    def _loaded(self, wanted: Sequence[tuple[Inner, int]]) -> list[Node]:
        """Children of inner pages, read where they are not there yet."""
        missing = [(node, child) for node, child in wanted if node.nodes[child] is None]
        if missing:
            numbers = [node.children.numbers[child] for node, child in missing]
            for (node, child), number, data in zip(missing, numbers, self._pages.read(numbers), strict=True):
                if data is None:
                    raise damaged(self._layout.state, self._entity, f"page {number} of its events is not there")
                self.bytes_read += len(data)
                page = unpack_page(data, self._layout, self._entity, number)
                if page.version != node.children.versions[child]:
                    raise TreeMoved
                node.nodes[child] = page
        return [node.nodes[child] for node, child in wanted]  # type: ignore[misc]

    def _collect(
        self, node: Node, low: Bound, high: Bound, rows: Rows, blocks: list[Float64Array], codes: list[Codes]
    ) -> None:
        summaries = self._layout.summaries
        if isinstance(node, Leaf):
            begin, end = place_in(node, low), place_in(node, high)
            while begin < end:
                whole = self._slice(node, begin, end, rows)
                alone = end - begin > 1 and not summaries.is_enough(rows, whole)
                run = self._slice(node, begin, begin + 1, rows) if alone else whole
                blocks.append(run.numbers[None])
                codes.append(run.codes)
                begin = begin + 1 if alone else end
            return
        children = node.children
        whole_from, end = children_begun(children, low), children_begun(children, high)
        cut_low = whole_from > 0 and not ends_before(children, whole_from - 1, low)
        begin = whole_from - 1 if cut_low else whole_from
        if begin >= end:
            return
        partly = {begin} if cut_low else set()
        if not ends_before(children, end - 1, high):
            partly.add(end - 1)
        loaded = enumerate(node.nodes[begin:end], begin)
        partly.update(position for position, below in loaded if below is not None and below.is_changed)
        if children.has_gaps or rows.codes:
            runs = children.summaries[begin:end], children.codes[begin:end]
            partly.update(begin + run for run in summaries.lacking(rows, *runs, gaps=children.has_gaps))
        at = begin
        for child in (*sorted(partly), end):
            if at < child:
                blocks.append(children.summaries[at:child])
                codes += children.codes[at:child]
            if child < end:
                self._collect(self._loaded([(node, child)])[0], low, high, rows, blocks, codes)
            at = child + 1

    def _slice(self, leaf: Leaf, begin: int, end: int, rows: Rows) -> Summary:
        key = id(leaf), begin, end, rows.numbers
        if key not in self._slices:
            times, values = leaf.events.times[begin:end], leaf.events.values[:, begin:end]
            self._slices[key] = self._layout.summaries.of_events(times, values, rows)
        return self._slices[key]

    def _events(self, node: Node, low: Bound, high: Bound) -> Iterator[EntityEvents]:
        if isinstance(node, Leaf):
            begin, end = place_in(node, low), place_in(node, high)
            if begin < end:
                yield part_of(node.events, begin, end)
            return
        for child in range(max(children_begun(node.children, low) - 1, 0), children_begun(node.children, high)):
            yield from self._events(self._loaded([(node, child)])[0], low, high)

    def _change(self, identity: EventIdentity, replacement: StateEvent | None, added: StateEvent | None) -> bool:
        """Put, replace or remove, depending on what is there and what is given."""
        path: list[tuple[Inner, int]] = []
        node: Node = self._page
        while isinstance(node, Inner):
            child = child_with(node.children, identity)
            path.append((node, child))
            (node,) = self._loaded([(node, child)])
        position = position_of(node, identity)
        if position is None and added is not None:
            node.events = node.events.add(added)[0]
        elif position is not None and replacement is not None:
            values = node.events.values.copy()
            values[:, position] = replacement.values
            node.events = EntityEvents(node.events.times, node.events.keys, values)
        elif position is not None and added is None:
            node.events = node.events.without(position)
        else:
            return False
        node.is_changed = True
        self._slices.clear()
        self._settle_path(path, node, identity)
        return True

    def _settle_path(self, path: Sequence[tuple[Inner, int]], node: Node, identity: EventIdentity) -> None:
        """Let the pages above a changed leaf know; split what is too large, drop what is empty."""
        for parent, child in reversed(path):
            if not (node.count if isinstance(node, Leaf) else len(node.children)):
                self._give_up(node)
                splice(parent, child, child + 1, [], self._layout)
            else:
                splice(parent, child, child + 1, halves(node, self._layout, identity), self._layout)
            node = parent

    def _give_up(self, node: Node) -> None:
        if node.number is not None:
            self._given_up.append(node.number)
            node.number = None
