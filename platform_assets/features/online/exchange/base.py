"""The exchange of scored events between serving processes.

Belongs here: what every exchange does, and how an event is written down. Does not belong here: any exchange (a module each), or when one is
asked (`online/request_features.py`).

An event becomes part of its entities' states a moment after it was answered. Until then it lies in the exchange, where the next request of
whatever process finds it. An event is put there on condition that nobody else put one for its entities since their events were looked
up; else the request is scored again. So whatever was scored before counts, however many processes serve one entity at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from platform_assets.features.entity_state import StateEvent

KEPT_SECONDS = 60.0
"""How long the exchange remembers that an event came by, once it is stored; no request lies so long between its look-up and its put."""


class EntityName(NamedTuple):
    """An entity as the exchange knows it: the view whose states hold its events, by its name in Feast, and the entity's value."""

    view: str
    entity: Any


@dataclass(frozen=True, slots=True)
class Seen:
    """What the exchange held when it was asked.

    Attributes:
        waiting: for each name that was asked for its events that are in no state yet.
        mark: where the exchange stood; given back with the event that was scored from this.
    """

    waiting: tuple[tuple[StateEvent, ...], ...]
    mark: Any


class EventExchange(Protocol):
    """Events on their way into the states, for all processes that serve. Safe to use from several threads."""

    def seen(self, names: Sequence[EntityName]) -> Seen:
        """What waits for each name; asked before the states are read, so that an event between the two is seen twice, never not at all."""

    def put(self, events: Sequence[tuple[EntityName, StateEvent]], mark: Any) -> bool:
        """Let every process see a scored event, in each of the views that it is part of, all at once.

        Args:
            events: the event, for each of its entities.
            mark: of what was seen of these names in the same order; None puts it in any case.

        Returns:
            False when another event was put for one of the names since: nothing was put, look again.
        """

    def stored(self, events: Sequence[tuple[EntityName, Sequence[StateEvent]]]) -> None:
        """Events of entities have become part of their states."""

    def withdraw(self, name: EntityName, event: StateEvent) -> None:
        """Take an event back; nothing where it is not waiting."""

    def left_behind(self) -> list[EntityName]:
        """Names for which events wait, as far as that can be told: whoever put them may have died since."""


def written(event: StateEvent) -> str:
    """An event as text, to the bit."""
    return json.dumps([event.time, event.key, event.values], separators=(",", ":"))


def read_back(text: str | bytes) -> StateEvent:
    """The event of a text."""
    time, key, values = json.loads(text)
    return StateEvent(time, tuple(key), tuple(values))


def identity(event: StateEvent) -> str:
    """Text that two deliveries of one event share: time and key."""
    return json.dumps([event.time, event.key], separators=(",", ":"))
