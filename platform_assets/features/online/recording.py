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
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.event_frames import from_microseconds
from platform_assets.features.online.damage import is_damage
from platform_assets.features.online.exchange.base import EntityName, EventExchange
from platform_assets.features.online.histories import with_events
from platform_assets.features.online.pending import PendingEvents
from platform_assets.features.online.state_table import OnlineTable, encode_state, packed
from platform_assets.features.online.store import WriteLock
from platform_assets.features.state_events import event_identity, state_event

Announced = list[tuple[EntityName, StateEvent]]
"""An event as it is in each table."""


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
        self._made: dict[int, tuple[Mapping[str, Any], Announced]] = {}
        """What announced events are in the states, by the identity of the event's object, which is held here."""

    @property
    def pending_count(self) -> int:
        """How many announced events are not stored yet, counted for each view."""
        return sum(len(pending) for pending in self._pending)

    def take_over(self, other: EventRecorder) -> None:
        """Go on with what another one announced, whose store was replaced."""
        self._pending, self._made = other._pending, other._made

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
        self._remember(event, announced)
        return True

    def announce_here(self, event: Mapping[str, Any]) -> None:
        """Let look-ups of this process count an event that the exchange did not take."""
        self._remember(event, self._announced(event))

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
        (error,) = self.record_all([event])
        if error is not None:
            raise error

    def record_all(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        """Add events to the states of their entities, each once: one lock, one read and one write of each table for all of them.

        Returns:
            For each event what was wrong with it alone, or with the state of one of its entities; None where it was recorded.

        Raises:
            sqlite3.Error, redis.exceptions.RedisError: the store does not answer; nothing or a part was recorded, and none is announced
                any more.
        """
        outcomes: list[Exception | None] = [None] * len(events)
        own: dict[int, Announced] = {}
        try:
            for place, event in enumerate(events):
                try:
                    own[place] = self._announced(event)
                    self._refuse_future(event)
                except FeatureError as error:
                    outcomes[place] = error
                    self._take_back(
                        event, own.pop(place, None)
                    )  # before others of its entity are stored with what waits for it
            if own:
                with self._lock.held():
                    for place, wrong in self._store_all(own).items():
                        outcomes[place] = wrong
        finally:
            for place, announced in own.items():
                self._end_announcement(events[place], announced)
        return outcomes

    def _take_back(self, event: Mapping[str, Any], announced: Announced | None) -> None:
        self._end_announcement(event, announced)
        if announced is not None:
            self._withdraw(event)

    def _store_all(self, own: Mapping[int, Announced]) -> dict[int, Exception]:
        """Add events to the states of their entities; what was wrong with those that could not be added everywhere. The lock is held."""
        failed: dict[int, Exception] = {}
        for number, table in enumerate(self._tables):
            added: dict[EntityName, dict[int, StateEvent]] = {}
            for place, states in own.items():
                name, state = states[number]
                if name.entity is not None:
                    added.setdefault(name, {})[place] = state
            for name, error in self._store(table, {name: list(of.values()) for name, of in added.items()}).items():
                for place, state in added[name].items():
                    failed.setdefault(place, error)
                    if self._exchange is not None and is_damage(error):
                        self._exchange.withdraw(name, state)  # it will be in no state: it would wait for ever
        return failed

    def store_left_behind(self) -> int:
        """Bring events into the states that a process put into the exchange and did not live to record; how many entities had any."""
        if self._exchange is None:
            return 0
        tables = {str(table.view.name): table for table in self._tables}
        left = [name for name in self._exchange.left_behind() if name.view in tables]
        for name in left:
            table = tables[name.view]
            entity = name.entity if table.layout.entity_is_text else int(name.entity)
            with self._lock.held():
                for error in self._store(table, {EntityName(name.view, entity): []}).values():
                    if not is_damage(error):
                        raise error
        return len(left)

    def _store(
        self, table: OnlineTable, added: Mapping[EntityName, Sequence[StateEvent]]
    ) -> dict[EntityName, Exception]:
        """Add events to the states of entities of a table; what was wrong with those whose state is damaged. The lock is held."""
        if not added:
            return {}
        try:
            return self._store_together(table, added)
        except Exception as error:
            if not is_damage(error):
                raise
            if len(added) == 1:
                return dict.fromkeys(added, error)
        failed: dict[EntityName, Exception] = {}
        for name, events in added.items():  # damage of one entity's state keeps nobody else's events away
            failed |= self._store(table, {name: events})
        return failed

    def _store_together(
        self, table: OnlineTable, added: Mapping[EntityName, Sequence[StateEvent]]
    ) -> dict[EntityName, Exception]:
        """Add events, and whatever else waits for their entities, by one read and one write.

        What waits is another process's, and would be lost with it. It has to be asked for before the states are read.
        """
        names, failed = list(added), dict[EntityName, Exception]()
        waiting = self._exchange.seen(names).waiting if self._exchange is not None else [()] * len(names)
        rows, stored = [], []
        for name, others, fields in zip(names, waiting, table.read([name.entity for name in names]), strict=True):
            events = [*others, *added[name]]
            try:
                grown = with_events(table, name.entity, None if fields is None else packed(fields), events)
            except StateError as error:
                failed[name] = error
                continue
            stored.append((name, events))
            if grown is not None:
                newest = max(event.time for event in events)
                rows.append((name.entity, encode_state(grown), from_microseconds(newest)))
        if rows:
            table.write(rows)
        if self._exchange is not None:
            self._exchange.stored(stored)
        return failed

    def _announced(self, event: Mapping[str, Any]) -> Announced:
        """The event for each table; all of them, or an error."""
        made = self._made.pop(id(event), None)
        if made is not None and made[0] is event:
            return made[1]
        states = [state_event(table.layout, event) for table in self._tables]
        return list(zip(entity_names(self._tables, event), states, strict=True))

    def _remember(self, event: Mapping[str, Any], announced: Announced) -> None:
        self._made[id(event)] = event, announced
        for pending, (name, own) in zip(self._pending, announced, strict=True):
            if name.entity is not None:
                pending.add(name.entity, own)

    def _end_announcement(
        self, event: Mapping[str, Any], announced: Announced | None = None, *, newest: bool = False
    ) -> None:
        for number, (table, pending) in enumerate(zip(self._tables, self._pending, strict=True)):
            if announced is None:
                pending.drop(table.layout.entity_of(event), event_identity(table.layout, event), newest=newest)
            else:
                name, own = announced[number]
                pending.drop(name.entity, own.identity, newest=newest)

    def _refuse_future(self, event: Mapping[str, Any]) -> None:
        time = event[self._use_case.event_time]
        if isinstance(time, datetime) and time.tzinfo and time > latest_event_time(self._use_case, datetime.now(UTC)):
            raise FeatureError(
                f"event time {time} lies in the future: recording it would push the history out of its entities' states"
            )
