"""Events that were scored and are on their way into the online store.

Belongs here: remembering them within this process until they are stored. Does not belong here: storing them
(`online/request_features.py`), or telling other processes (the store does).
"""

from __future__ import annotations

import threading
from typing import Any

from platform_assets.features.entity_state import EntityEvents, StateEvent


class PendingEvents:
    """For one view: events by entity, in the order in which they were added. Safe to use from several threads."""

    def __init__(self) -> None:
        """Nothing is pending."""
        self._lock = threading.Lock()
        self._events: dict[Any, tuple[StateEvent, ...]] = {}

    def add(self, entity: Any, event: StateEvent) -> None:
        """Remember an event."""
        with self._lock:
            self._events[entity] = (*self._events.get(entity, ()), event)

    def drop(self, entity: Any, event: StateEvent) -> None:
        """Forget an event, once; nothing when it is not there.

        Events are the same by time and key: a missing value is NaN, which equals nothing.
        """
        with self._lock:
            events = list(self._events.pop(entity, ()))
            for position, pending in enumerate(events):
                if (pending.time, pending.key) == (event.time, event.key):
                    del events[position]
                    break
            if events:
                self._events[entity] = tuple(events)

    def of(self, entity: Any) -> tuple[StateEvent, ...]:
        """The pending events of an entity."""
        return self._events.get(entity, ())


def merged(history: EntityEvents, pending: tuple[StateEvent, ...]) -> EntityEvents:
    """A stored history with pending events, each once: one that has been stored meanwhile changes nothing."""
    for event in pending:
        if history.find(event) is None:
            history = history.add(event)[0]
    return history
