"""Places among an entity's events: bounds, and where they fall in a page.

Belongs here: comparing times and keys. Does not belong here: pages themselves (`tiles/pages.py`), going down a tree (`tiles/tree.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Any

from platform_assets.features.entity_state import EventIdentity
from platform_assets.features.online.tiles.pages import Children, Leaf


@dataclass(frozen=True)
class Bound:
    """A place among events: before the event of this time and key, or, without a key, after all events of this time."""

    time: int
    key: tuple[Any, ...] | None = None


def before(time: int) -> Bound:
    """The place before all events of a time."""
    return Bound(time - 1)


def place_in(leaf: Leaf, bound: Bound) -> int:
    """How many of a leaf's events lie before a bound."""
    return _place(leaf.times, leaf.events.keys, bound)


def children_begun(children: Children, bound: Bound) -> int:
    """How many children have an event before a bound."""
    return _place(children.firsts, children.keys, bound)


def ends_before(children: Children, child: int, bound: Bound) -> bool:
    """Whether all events below a child lie before a bound, as far as the times tell."""
    newest = children.lasts[child]
    return newest < bound.time or (bound.key is None and newest == bound.time)


def child_with(children: Children, identity: EventIdentity) -> int:
    """The child below which an event of this time and key lies, or would."""
    time, key = identity
    begun = _place(children.firsts, children.keys, Bound(time, key))
    is_first = begun < len(children) and (children.firsts[begun], _key(children.keys, begun)) == identity
    return begun if is_first else max(begun - 1, 0)


def position_of(leaf: Leaf, identity: EventIdentity) -> int | None:
    """Where an event of this time and key is in a leaf; None where it is not there."""
    position = place_in(leaf, Bound(*identity))
    is_there = position < leaf.count and (leaf.times[position], _key(leaf.events.keys, position)) == identity
    return position if is_there else None


def _place(times: list[int], keys: tuple[list[Any], ...], bound: Bound) -> int:
    if bound.key is None:
        return bisect_right(times, bound.time)
    position = bisect_left(times, bound.time)
    while position < len(times) and times[position] == bound.time and _key(keys, position) < bound.key:
        position += 1
    return position


def _key(keys: tuple[list[Any], ...], position: int) -> tuple[Any, ...]:
    return tuple(column[position] for column in keys)
