"""An entity's history as it is stored, whichever form it has: its events in the state itself, or a tree of pages whose root the state is.

Belongs here: what the two forms have in common (adding events, windows, listing events), and when one becomes the other. Does not belong
here: the forms (`online/packed_state.py`, `online/tiles/`), who reads and writes states (`online/request_features.py`,
`online/recording.py`, `online/store.py`).

An entity with more than `INLINE_EVENTS` events gets a tree when it is next written. Whoever writes holds the write lock; pages are stored
before the state, so that a reader finds every page that a state names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from platform_assets.features.aggregation.kernel import MICROSECONDS_PER_DAY
from platform_assets.features.entity_state import EntityEvents, StateEvent, StateLayout, no_events, trimmed
from platform_assets.features.errors import StateError
from platform_assets.features.event_frames import from_microseconds
from platform_assets.features.online.packed_state import TREE, ends_with, kind_of, last_time, pack, unpack
from platform_assets.features.online.pending import merged
from platform_assets.features.online.state_table import OnlineTable
from platform_assets.features.online.tiles.building import build
from platform_assets.features.online.tiles.pages import INLINE_EVENTS
from platform_assets.features.online.tiles.places import Bound
from platform_assets.features.online.tiles.tree import EventTree, TreeVersion

_BEFORE_ALL, _AFTER_ALL = Bound(-(2**63)), Bound(2**63 - 1)


def is_tree(data: bytes, layout: StateLayout, entity: Any) -> bool:
    """Whether a state is the root of a tree.

    Raises:
        StateError: it is damaged.
    """
    return kind_of(data, layout, entity)[0] == TREE


def open_tree(table: OnlineTable, entity: Any, data: bytes) -> EventTree:
    """The tree of a state that is a root.

    Raises:
        StateError: it is damaged.
    """
    return EventTree(data, table.tree_layout, entity, table.pages.of(entity))


def with_events(table: OnlineTable, entity: Any, data: bytes | None, events: Sequence[StateEvent]) -> bytes | None:
    """An entity's state with more events, each once; pages are stored already. The write lock is held.

    Args:
        table: where states and pages are.
        entity: whose state.
        data: the state; None where there is none.
        events: to be added; one that is there already changes nothing.

    Returns:
        The state to store; None where nothing changed.

    Raises:
        StateError: what is stored is damaged.
    """
    layout = table.layout
    if data is not None and is_tree(data, layout, entity):
        tree = open_tree(table, entity, data)
        if not sum([tree.put(event) for event in events]):
            return None
        return stored_tree(table, entity, tree)
    history = no_events(layout) if data is None else unpack(data, layout, entity)
    grown = merged(history, events)
    return None if len(grown) == len(history) else stored_events(table, entity, trimmed(grown, layout))


def stored_tree(table: OnlineTable, entity: Any, tree: EventTree) -> bytes:
    """The state of a tree that was changed; its pages are stored, old leaves are left behind. The write lock is held."""
    tree.drop_before(tree.newest_time - table.layout.span_days * MICROSECONDS_PER_DAY + 1)
    version = tree.write()
    table.pages.of(entity).write(version.pages, from_microseconds(tree.newest_time))
    return version.root


def replaced(
    table: OnlineTable, entity: Any, state: bytes, before: bytes | None, since: int, *, changed_only: bool = False
) -> bytes | None:
    """The state to store for one that was made from the lake, with the events at or after `since` that the store has; pages are stored.

    Args:
        table: where states and pages are.
        entity: whose state.
        state: its events, inline, whatever their number.
        before: the state that is replaced; None where there is none. A damaged one has no newer events.
        since: time of the new state in microseconds.
        changed_only: write nothing where the store holds the same, but for events that no window reaches any more.

    Returns:
        None where nothing is to be written.

    Raises:
        StateError: a page reads back differently.
    """
    layout = table.layout
    if changed_only and before == state:
        return None
    oldest = since - layout.span_days * MICROSECONDS_PER_DAY + 1
    kept, whole, in_tree = state, before is not None, False
    try:
        in_tree = before is not None and is_tree(before, layout, entity)
        if before is not None and (in_tree or last_time(before) >= since):
            held = all_events(table, entity, before, oldest if changed_only else since)
            newer = held.since(since)
            kept = pack(unpack(state, layout, entity).followed_by(newer), layout) if len(newer) else state
            if in_tree and changed_only and pack(held, layout) == kept:
                return None
    except StateError:
        whole = False
    if before is not None and changed_only and whole and not in_tree and ends_with(before, kept, layout, oldest):
        return None
    if kind_of(kept, layout, entity)[1] <= INLINE_EVENTS:
        return kept
    return stored_events(table, entity, unpack(kept, layout, entity), before)


def stored_events(table: OnlineTable, entity: Any, events: EntityEvents, before: bytes | None = None) -> bytes:
    """The state of events, whatever their number; where it is a tree, its pages are stored. The write lock is held.

    Args:
        table: where states and pages are.
        entity: whose state.
        events: all of them, in order.
        before: the state that is replaced, where it may be a tree: its readers go on finding their pages.
    """
    if len(events) <= INLINE_EVENTS:
        return pack(events, table.layout)
    version = built(table, entity, events, before)
    pages, numbers = table.pages.of(entity), list(version.pages)
    pages.write(version.pages, from_microseconds(int(events.times[-1])))
    different = sum(data != version.pages[n] for n, data in zip(numbers, pages.read(numbers), strict=True))
    if different:
        raise StateError(
            f"view {table.layout.view.name!r}: {different} of {len(numbers)} pages of {table.layout.entity_key}={entity!r} read back "
            "differently from what was written; the state stays what it was: check the store and write again"
        )
    return version.root


def built(table: OnlineTable, entity: Any, events: EntityEvents, before: bytes | None) -> TreeVersion:
    """A tree of all events, under numbers of pages that no reader of the state before looks under."""
    root = None
    try:
        if before is not None and is_tree(before, table.layout, entity):
            root = open_tree(table, entity, before).root
    except StateError:
        root = None  # what it named cannot be known: nobody can read it either
    return build(events, table.tree_layout, root)


def all_events(table: OnlineTable, entity: Any, data: bytes | None, since: int | None = None) -> EntityEvents:
    """The events of a state, of either form, read as they are.

    Args:
        table: where states and pages are.
        entity: whose state.
        data: the state; None where there is none.
        since: time in microseconds from which on events are read; None: all.

    Raises:
        StateError: what is stored is damaged.
        TreeMoved: the tree was written meanwhile.
    """
    if data is None:
        return no_events(table.layout)
    if not is_tree(data, table.layout, entity):
        events = unpack(data, table.layout, entity)
        return events if since is None else events.since(since)
    begin = _BEFORE_ALL if since is None else Bound(since - 1)
    return joined([no_events(table.layout), *open_tree(table, entity, data).events(begin, _AFTER_ALL)])


def joined(parts: Sequence[EntityEvents]) -> EntityEvents:
    """Events that follow one another, together; at least one part."""
    keys = tuple(
        [item for column in columns for item in column] for columns in zip(*(p.keys for p in parts), strict=True)
    )
    return EntityEvents(
        np.concatenate([part.times for part in parts]), keys, np.concatenate([part.values for part in parts], axis=1)
    )
