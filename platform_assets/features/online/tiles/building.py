"""A tree built at once from all of an entity's events.

Belongs here: full leaves and the levels above them. Does not belong here: changing a tree (`tiles/tree.py`).
"""

from __future__ import annotations

from platform_assets.features.entity_state import EntityEvents
from platform_assets.features.online.tiles.nodes import entries, part_of, settle
from platform_assets.features.online.tiles.numbers import PageNumbers
from platform_assets.features.online.tiles.pages import Inner, Leaf, Node, Root, TreeLayout, pack_root
from platform_assets.features.online.tiles.tree import TreeVersion


def build(events: EntityEvents, layout: TreeLayout, before: Root | None = None) -> TreeVersion:
    """A tree of at least one event.

    Args:
        events: in order.
        layout: what pages hold.
        before: the root of the entity's tree that is replaced; readers still find its pages for a while.
    """
    version = 1 if before is None else before.version + 1
    numbers = PageNumbers(0, (), version)
    if before is not None:
        numbers = PageNumbers(before.next_number, before.free.tolist(), version)
    level: list[Node] = [
        Leaf(part_of(events, begin, min(begin + layout.leaf_events, len(events))))
        for begin in range(0, len(events), layout.leaf_events)
    ]
    height = 0
    while len(level) > layout.root_fan_out:
        parts = [level[begin : begin + layout.fan_out] for begin in range(0, len(level), layout.fan_out)]
        level, height = [Inner(entries(part, layout), [*part]) for part in parts], height + 1
    page, height = Inner(entries(level, layout), [*level]), height + 1
    pages: dict[int, bytes] = {}
    settle(page, version, layout, numbers, pages, [])
    if before is not None:
        numbers.give_all_others(pages, before.next_number)
    return TreeVersion(pack_root(Root(page, version, height, numbers.next_number, numbers.free()), layout), pages)
