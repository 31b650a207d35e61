"""Window features of one request over its entity's history.

Belongs here: the request's own event put in its place, and the kernel called for it, or the tree of a busy entity read. Does not belong
here: where the state comes from (`online/request_features.py`), row features (`online/single_request.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from platform_assets.features.aggregation.kernel import MICROSECONDS_PER_DAY, Float64Array, compute_windows
from platform_assets.features.entity_state import LATE_REQUEST_DAYS, EntityEvents, StateEvent, StateLayout, no_events
from platform_assets.features.online.histories import is_tree, open_tree
from platform_assets.features.online.packed_state import damaged, unpack
from platform_assets.features.online.pending import merged
from platform_assets.features.online.state_table import OnlineTable, packed
from platform_assets.features.online.store import WriteLock
from platform_assets.features.online.tiles.tree import EventTree, TreeMoved
from platform_assets.features.online.tiles.windows import TreeWindows

MOST_READS = 5
"""How often a tree that is written meanwhile is read from its root before a reader waits for the writers."""


@dataclass(frozen=True, eq=False)
class RequestWindows:
    """Window features of a request from one entity's history.

    Attributes:
        values: float64 [k], in the order of the plan's names, NaN for null; None where the history begins too late for them.
        is_unknown: whether the entity has no history but the request's own event.
        bytes_read: of state and pages.
    """

    values: Float64Array | None
    is_unknown: bool
    bytes_read: int


class HistoryWindows:
    """Computes window features over stored histories of either form."""

    def __init__(self, lock: WriteLock) -> None:
        """Take the writers' lock, for a tree that is written again and again while it is read."""
        self._lock = lock
        self._windows: dict[str, TreeWindows] = {}

    def windows(
        self, table: OnlineTable, entity: Any, data: bytes | None, own: StateEvent, waiting: Sequence[StateEvent]
    ) -> RequestWindows:
        """Window features of a request's event.

        Args:
            table: where state and pages are.
            entity: whose history.
            data: its state; None where there is none.
            own: the request's event.
            waiting: events of the entity that are on their way into the store, or there already.

        Raises:
            StateError: the state or a page of it is damaged.
        """
        layout = table.layout
        if data is not None and is_tree(data, layout, entity):
            return self._of_tree(table, entity, data, own, waiting)
        history = no_events(layout) if data is None else unpack(data, layout, entity)
        history = merged(history, waiting)
        # The event itself is no history: it was sent again, or another version answered it.
        is_unknown = not len(history) or (len(history) == 1 and history.find(own) is not None)
        values = window_values(layout, history, own) if reaches_back(history, own, layout.late_days) else None
        return RequestWindows(values, is_unknown, len(data or b""))

    def _of_tree(
        self, table: OnlineTable, entity: Any, data: bytes, own: StateEvent, waiting: Sequence[StateEvent]
    ) -> RequestWindows:
        for _ in range(MOST_READS):
            try:
                return self._of_root(table, entity, data, own, waiting)
            except TreeMoved:
                data = _stored(table, entity)
        with self._lock.held():
            try:
                return self._of_root(table, entity, _stored(table, entity), own, waiting)
            except TreeMoved as error:
                raise damaged(table.layout, entity, "a page of its events is of another version") from error

    def _of_root(
        self, table: OnlineTable, entity: Any, data: bytes, own: StateEvent, waiting: Sequence[StateEvent]
    ) -> RequestWindows:
        if not is_tree(data, table.layout, entity):
            return self.windows(table, entity, data, own, waiting)
        tree = open_tree(table, entity, data)
        for event in waiting:
            tree.put(event)
        is_unknown = len(tree) == 1 and tree.holds(own.identity)
        if own.time < tree.newest_time - table.layout.late_days * MICROSECONDS_PER_DAY:
            return RequestWindows(None, is_unknown, tree.bytes_read)
        return RequestWindows(self._values(table, tree, own), is_unknown, tree.bytes_read)

    def _values(self, table: OnlineTable, tree: EventTree, own: StateEvent) -> Float64Array:
        name = str(table.view.name)
        if name not in self._windows:
            self._windows[name] = TreeWindows(table.layout.plan, table.tree_layout.summaries)
        return self._windows[name].values(tree, own)


def _stored(table: OnlineTable, entity: Any) -> bytes:
    """The state as it is now.

    Raises:
        StateError: it is not there any more.
    """
    fields = table.read([entity])[0]
    if fields is None:
        raise damaged(table.layout, entity, "it was there a moment ago and is no more")
    return packed(fields)


def reaches_back(history: EntityEvents, own: StateEvent, late_days: int = LATE_REQUEST_DAYS) -> bool:
    """Whether a history holds every event that a window of this event can reach; see `entity_state.py` on how far it goes back."""
    return not len(history) or own.time >= int(history.times[-1]) - late_days * MICROSECONDS_PER_DAY


def window_values(layout: StateLayout, history: EntityEvents, own: StateEvent) -> Float64Array:
    """Window features of an event over its entity's history, the event itself added in its place, once.

    Returns:
        float64 [k], in the order of the plan's names; NaN stands for null.
    """
    recorded = history.find(own)
    if recorded is not None:
        history = history.without(recorded)
    events, position = history.add(own)
    starts = np.array([0, len(events)], dtype=np.int64)
    values: Float64Array = compute_windows(layout.plan, events.times, starts, events.values, own.time, own.time)[
        :, position
    ]
    return values
