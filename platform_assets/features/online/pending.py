"""Events that were scored and are on their way into the online store.

Belongs here: remembering them within this process until they are stored. Does not belong here: storing them
(`online/request_features.py`), or telling other processes (the store does).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from platform_assets.features.entity_state import EntityEvents, EventIdentity, StateEvent


class PendingEvents:
    """For one view: events by entity, in the order in which they were added. Safe to use from several threads.

    Events are the same by time and key, never by their values: a missing value is NaN, which equals nothing, and a correction that
    comes with the same time and key is the same event.
    """

    def __init__(self) -> None:
        """Nothing is pending."""
        self._lock = threading.Lock()
        self._events: dict[Any, dict[EventIdentity, list[StateEvent]]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many events are pending, repetitions counted."""
        return self._count

    def add(self, entity: Any, event: StateEvent) -> None:
        """Remember an event; once more where it is there already."""
        with self._lock:
            self._events.setdefault(entity, {}).setdefault(event.identity, []).append(event)
            self._count += 1

    def drop(self, entity: Any, identity: EventIdentity, *, newest: bool = False) -> None:
        """Forget an event, once; nothing when it is not there.

        Args:
            entity: whose.
            identity: of the event.
            newest: which of several that are the same: the newest, which is taken back, or the oldest, which is stored.
        """
        with self._lock:
            events = self._events.get(entity)
            same = None if events is None else events.get(identity)
            if events is None or same is None:
                return
            same.pop(-1 if newest else 0)
            self._count -= 1
            if not same:
                del events[identity]
            if not events:
                del self._events[entity]

    def holds(self, entity: Any, identity: EventIdentity) -> bool:
        """Whether an event is pending."""
        with self._lock:
            return identity in self._events.get(entity, {})

    def of(self, entity: Any) -> tuple[StateEvent, ...]:
        """The pending events of an entity, each once: the oldest of several that are the same, as the store will keep it."""
        if entity not in self._events:
            return ()
        with self._lock:
            return tuple(same[0] for same in self._events.get(entity, {}).values())


def merged(history: EntityEvents, pending: Iterable[StateEvent]) -> EntityEvents:
    """A stored history with pending events, each once: one that has been stored meanwhile changes nothing."""
    for event in pending:
        if history.find(event) is None:
            history = history.add(event)[0]
    return history
