"""A scored event's way into the states: announced to every process, then recorded, once.

Belongs here: what one event does to exchange, pending events and states. Does not belong here: looking features up
(`online/request_features.py`), the exchange itself (`online/exchange/`), states in bulk (`online/store.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from platform_assets.declaration.use_case import UseCase
from platform_assets.features.clock_skew import latest_event_time
from platform_assets.features.entity_state import StateEvent
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import from_microseconds
from platform_assets.features.online.damage import is_damage
from platform_assets.features.online.exchange.base import EntityName, EventExchange
from platform_assets.features.online.histories import with_events
from platform_assets.features.online.pending import PendingEvents
from platform_assets.features.online.state_table import OnlineTable, encode_state, packed
from platform_assets.features.online.store import WriteLock
from platform_assets.features.state_events import event_identity, state_event


def entity_names(tables: Sequence[OnlineTable], event: Mapping[str, Any]) -> list[EntityName]:
    """The event's entity in each table, as the exchange knows it; an entity of None where it has none."""
    return [EntityName(str(table.view.name), table.layout.entity_of(event)) for table in tables]


class EventRecorder:
    """Brings scored events into the states of their entities. Safe to use from several threads."""

    def __init__(
        self, use_case: UseCase, tables: Sequence[OnlineTable], exchange: EventExchange | None, lock: WriteLock
    ) -> None:
        """Take the tables to write, with connections of their own; without windows there are none, and no exchange."""
        self._use_case = use_case
        self._tables = list(tables)
        self._exchange = exchange
        self._lock = lock
        self._pending = [PendingEvents() for _ in self._tables]

    @property
    def pending_count(self) -> int:
        """How many announced events are not stored yet, counted for each view."""
        return sum(len(pending) for pending in self._pending)

    def take_over(self, other: EventRecorder) -> None:
        """Go on with what another one announced, whose store was replaced."""
        self._pending = other._pending

    def pending(self, entities: Sequence[Any]) -> list[tuple[StateEvent, ...]]:
        """Announced events of this process, of an entity for each table."""
        return [pending.of(entity) for pending, entity in zip(self._pending, entities, strict=True)]

    def announce(self, event: Mapping[str, Any], mark: Any) -> bool:
        """Let look-ups of every process count an event; see `OnlineFeatures.announce`."""
        announced = self._announced(event)
        if self._exchange is not None:
            known = [(name, own) for name, own in announced if name.entity is not None]
            if not self._exchange.put(known, mark):
                return False
        self._remember(announced)
        return True

    def announce_here(self, event: Mapping[str, Any]) -> None:
        """Let look-ups of this process count an event that the exchange did not take."""
        self._remember(self._announced(event))

    def forget(self, event: Mapping[str, Any]) -> None:
        """Take back an announcement, the newest of several of one event; nothing where there was none."""
        self._end_announcement(event, newest=True)
        self._withdraw(event)

    def _withdraw(self, event: Mapping[str, Any]) -> None:
        """Take an event back from the other processes, unless this one was asked about it again meanwhile."""
        if self._exchange is None:
            return
        for pending, (name, own) in zip(self._pending, self._announced(event), strict=True):
            if name.entity is not None and not pending.holds(name.entity, own.identity):
                self._exchange.withdraw(name, own)

    def record(self, event: Mapping[str, Any]) -> None:
        """Add an event to the states of its entities, once; see `OnlineFeatures.record`."""
        refused = True
        try:
            self._refuse_future(event)
            own = self._announced(event)
            refused = False
            with self._lock.held():
                self._store_all(own)
        finally:
            self._end_announcement(event, newest=False)
            if refused:
                self._withdraw(event)

    def _store_all(self, own: Sequence[tuple[EntityName, StateEvent]]) -> None:
        """Add an event to the states of its entities; where one is damaged, to those of the others all the same."""
        damaged: Exception | None = None
        for table, (name, state) in zip(self._tables, own, strict=True):
            try:
                if name.entity is not None:
                    self._store(table, name, [state])
            except Exception as error:
                if not is_damage(error):
                    raise
                damaged = damaged or error
                if self._exchange is not None:
                    self._exchange.withdraw(name, state)  # it will be in no state: it would wait for ever
        if damaged is not None:
            raise damaged

    def store_left_behind(self) -> int:
        """Bring events into the states that a process put into the exchange and did not live to record; how many entities had any."""
        if self._exchange is None:
            return 0
        tables = {str(table.view.name): table for table in self._tables}
        left = [name for name in self._exchange.left_behind() if name.view in tables]
        for name in left:
            table = tables[name.view]
            entity = name.entity if table.layout.entity_is_text else int(name.entity)
            try:
                with self._lock.held():
                    self._store(table, EntityName(name.view, entity), [])
            except Exception as error:
                if not is_damage(error):
                    raise
        return len(left)

    def _store(self, table: OnlineTable, name: EntityName, own: Sequence[StateEvent]) -> None:
        """Add events, and whatever else waits for the entity; the lock is held.

        What waits is another process's, and would be lost with it. It has to be asked for before the state is read.
        """
        waiting = self._exchange.seen([name]).waiting[0] if self._exchange is not None else ()
        fields = table.read([name.entity])[0]
        events = [*waiting, *own]
        state = with_events(table, name.entity, None if fields is None else packed(fields), events)
        if state is not None:
            newest = max(event.time for event in events)
            table.write([(name.entity, encode_state(state), from_microseconds(newest))])
        if self._exchange is not None:
            self._exchange.stored(name, events)

    def _announced(self, event: Mapping[str, Any]) -> list[tuple[EntityName, StateEvent]]:
        """The event for each table; all of them, or an error."""
        states = [state_event(table.layout, event) for table in self._tables]
        return list(zip(entity_names(self._tables, event), states, strict=True))

    def _remember(self, announced: Sequence[tuple[EntityName, StateEvent]]) -> None:
        for pending, (name, own) in zip(self._pending, announced, strict=True):
            if name.entity is not None:
                pending.add(name.entity, own)

    def _end_announcement(self, event: Mapping[str, Any], *, newest: bool) -> None:
        for table, pending in zip(self._tables, self._pending, strict=True):
            pending.drop(table.layout.entity_of(event), event_identity(table.layout, event), newest=newest)

    def _refuse_future(self, event: Mapping[str, Any]) -> None:
        time = event[self._use_case.event_time]
        if isinstance(time, datetime) and time.tzinfo and time > latest_event_time(self._use_case, datetime.now(UTC)):
            raise FeatureError(
                f"event time {time} lies in the future: recording it would push the history out of its entities' states"
            )
