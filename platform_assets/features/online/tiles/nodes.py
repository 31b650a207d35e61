"""Pages of a tree before they are stored: what a parent knows of them, splitting, and settling them for a new version.

Belongs here: pages put into their parents, split, summarized and numbered. Does not belong here: which pages change (`tiles/tree.py`),
their bytes (`tiles/pages.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from platform_assets.features.aggregation.summaries import Summary
from platform_assets.features.entity_state import EntityEvents, EventIdentity
from platform_assets.features.online.tiles.numbers import PageNumbers
from platform_assets.features.online.tiles.pages import Children, Inner, Leaf, Node, TreeLayout, pack_page


def settle(
    node: Node, version: int, layout: TreeLayout, numbers: PageNumbers, pages: dict[int, bytes], given_up: list[int]
) -> None:
    """Give changed pages below an inner one their numbers, summaries and bytes."""
    if isinstance(node, Leaf):
        return
    changed = [(i, child) for i, child in enumerate(node.nodes) if child is not None and child.is_changed]
    if not changed:
        return
    children = node.children
    numbered, versions, summaries = list(children.numbers), list(children.versions), children.summaries.copy()
    codes = list(children.codes)
    for position, child in changed:
        settle(child, version, layout, numbers, pages, given_up)
        if child.number is not None:
            given_up.append(child.number)
        child.number, child.version, child.is_changed = numbers.take(), version, False
        pages[child.number] = pack_page(child, layout)
        numbered[position], versions[position] = child.number, version
        summary = summary_of(child, layout)
        summaries[position], codes[position] = summary.numbers, summary.codes
    node.children = Children(
        numbered, versions, children.counts, children.firsts, children.lasts, children.keys, summaries, codes,
        layout.summaries.has_gaps(summaries),
    )  # fmt: skip


def summary_of(node: Node, layout: TreeLayout) -> Summary:
    """The summary of all events below a page."""
    if isinstance(node, Leaf):
        return layout.summaries.of_events(node.events.times, node.events.values)
    return layout.summaries.merged(node.children.summaries, node.children.codes)


def entries(nodes: Sequence[Node], layout: TreeLayout) -> Children:
    """What their parent knows of pages that are not stored yet; numbers, versions and summaries come with `settle`."""
    count = len(nodes)
    ends = [ends_of(node) for node in nodes]
    key_parts = len(layout.state.key_columns)
    return Children(
        numbers=[0] * count,
        versions=[0] * count,
        counts=[node.count for node in nodes],
        firsts=[first for first, _, _ in ends],
        lasts=[last for _, last, _ in ends],
        keys=tuple([key[part] for _, _, key in ends] for part in range(key_parts)),
        summaries=np.zeros((count, layout.summaries.width)),
        codes=[(frozenset(),) * layout.summaries.code_count] * count,
        has_gaps=False,
    )


def part_of(events: EntityEvents, begin: int, end: int) -> EntityEvents:
    """The events in [begin, end)."""
    keys = tuple(column[begin:end] for column in events.keys)
    return EntityEvents(events.times[begin:end], keys, events.values[:, begin:end])


def ends_of(node: Node) -> tuple[int, int, tuple[Any, ...]]:
    """Time of the oldest event and of the newest, and the oldest's key."""
    if isinstance(node, Leaf):
        events = node.events
        return int(events.times[0]), int(events.times[-1]), tuple(column[0] for column in events.keys)
    children = node.children
    return children.firsts[0], children.lasts[-1], tuple(column[0] for column in children.keys)


def splice(parent: Inner, begin: int, end: int, nodes: Sequence[Node], layout: TreeLayout) -> None:
    """Put changed pages in the place of the children in [begin, end)."""
    parent.children = parent.children.replaced(begin, end, entries(nodes, layout))
    parent.nodes[begin:end] = nodes
    parent.is_changed = True


def halves(node: Node, layout: TreeLayout, newest_change: EventIdentity | None = None) -> list[Node]:
    """The page, or two where it holds too much; where it grows at its end, the first stays full.

    Args:
        node: the page.
        layout: what it may hold.
        newest_change: the event that was put into it.
    """
    if isinstance(node, Leaf):
        size, most = node.count, layout.leaf_events
    else:
        size, most = len(node.children), layout.fan_out
    if size <= most:
        return [node]
    middle = size - 1 if newest_change is not None and _last_of(node) <= newest_change else size // 2
    if isinstance(node, Leaf):
        first = Leaf(part_of(node.events, 0, middle), node.number)
        return [first, Leaf(part_of(node.events, middle, size))]
    below = Inner(node.children.part(0, middle), node.nodes[:middle], node.number)
    return [below, Inner(node.children.part(middle, size), node.nodes[middle:])]


def pieces(root: Inner, most: int) -> list[Node]:
    """What hung on a root, on inner pages of at most `most` children and about as many each."""
    size = len(root.children)
    cuts = [size * piece // -(-size // most) for piece in range(-(-size // most) + 1)]
    return [Inner(root.children.part(begin, end), root.nodes[begin:end]) for begin, end in pairwise(cuts)]


def _last_of(node: Node) -> EventIdentity:
    """Time and key of a leaf's newest event, or of the oldest one below the last child of an inner page."""
    if isinstance(node, Leaf):
        return int(node.events.times[-1]), tuple(column[-1] for column in node.events.keys)
    return node.children.firsts[-1], tuple(column[-1] for column in node.children.keys)
