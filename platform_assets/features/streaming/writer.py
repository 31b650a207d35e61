"""The event stream's side of the online store: events become part of the states of their entities within a second.

Belongs here: what a batch of streamed events does to the states, and the loop that does it. Does not belong here: where messages come
from (`streaming/event_sources.py`), where the stream stands (`streaming/offsets.py`), states made from tables (`entity_state.py`).

A message is taken apart, cast and judged by the code of the batch loads, and its row is encoded by the expressions of the batch
states: a look-up after it gives to the bit what the feature table will hold. Events lie in a state in the order of time and key,
each key once, so that neither the order nor the number of deliveries changes what comes out.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from platform_assets.connectors.conforming import conform
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.json_changes import frame_of_changes
from platform_assets.declaration.delivered_columns import CHANGE_OPERATION, CHANGE_SEQUENCE, DELETE, DELIVERED_DAY
from platform_assets.declaration.time_zones import days_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.kernel import MICROSECONDS_PER_DAY
from platform_assets.features.clock_skew import latest_event_time
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.entity_state import (
    EntityEvents,
    StateEvent,
    event_rows,
    state_layout,
    trimmed,
    views_with_state,
)
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import event_order
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.feast_objects import feast_view_name
from platform_assets.features.online.histories import all_events, is_tree, open_tree, stored_events, stored_tree
from platform_assets.features.online.request_features import require_service
from platform_assets.features.online.state_table import OnlineTable, encode_state, online_table, packed
from platform_assets.features.online.store import WriteLock
from platform_assets.features.streaming.event_sources import QUEUE, Arrival, EventSource
from platform_assets.features.streaming.offsets import Position, StreamOffsets
from platform_assets.validation.row_rules import find_violations

logger = logging.getLogger(__name__)

ADDED, CHANGED, SEEN, TOO_OLD, REFUSED, FUTURE, DELETED = (
    *("added", "changed", "seen before", "too old", "refused", "future", "deletes left to the batch"),
)
"""What became of an event. Too old: beyond what any window can still reach. Refused: its row broke a rule, as in the batch. Future:
further ahead of this machine's clock than clocks differ. A delete names no entity: the next batch state brings it."""

_RANK = (SEEN, TOO_OLD, CHANGED, ADDED)
"""What an event counts as, of what it is to several views."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 3


@dataclass
class AppliedEvents:
    """What became of events, one count for each event.

    Attributes:
        counts: events by outcome; an event counts as added where it was added to any view's states.
        examples: a few reasons of refused events.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, other: AppliedEvents) -> None:
        """Add what became of more events."""
        self.counts.update(other.counts)
        self.examples = [*self.examples, *other.examples][:_SHOWN]

    def __str__(self) -> str:
        text = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items()) if count) or "nothing"
        return f"{text} ({'; '.join(self.examples)})" if self.examples else text


class StreamWriter:
    """Brings streamed events into the online store. One thread at a time; any number of processes."""

    def __init__(
        self, use_case: UseCase, settings: FeastSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Open the online store.

        Args:
            use_case: the declaration.
            settings: where Feast keeps its registry and values.
            now: the clock.

        Raises:
            FeatureError: no view keeps state, so there is nothing to keep fresh.
            StateError: Feast's registry does not know this feature contract.
        """
        views = views_with_state(use_case)
        if not views:
            raise FeatureError(f"{use_case.name} declares no windows: there is no state that a stream could keep fresh")
        store = feast_store(settings)
        require_service(use_case, store)
        self._use_case = use_case
        events = use_case.event_source
        # Cells of a stream are JSON, whatever the batch's connector is.
        self._source = events.model_copy(update={"connector": events.event_topic or QUEUE})
        nullable = tuple(column.model_copy(update={"nullable": True}) for column in self._source.columns)
        self._empty = self._source.model_copy(update={"columns": nullable})  # so that no column lacks where no row is
        layouts = {feast_view_name(layout): layout for layout in (state_layout(view, use_case) for view in views)}
        self._tables = [online_table(layout, store) for layout in layouts.values()]
        self._views = views
        self._lock = WriteLock(settings)
        self._now = now
        self.offsets = StreamOffsets(use_case, store)

    def warm_up(self) -> None:
        """Load what the first batch would: libraries that judge rows take seconds."""
        from platform_assets.validation.schema import row_schema, unique_schema

        row_schema(self._source, {})
        unique_schema(self._source)
        self._conformed([], AppliedEvents())

    def write(self, arrivals: Sequence[Arrival]) -> AppliedEvents:
        """Write a batch of messages: states first, then where the stream stands.

        Raises:
            StateError: a stored state is damaged.
            sqlite3.Error, redis.exceptions.RedisError: the store does not answer; nothing is lost, write them again.
        """
        if not arrivals:
            return AppliedEvents()
        events, written = self._rows(arrivals)
        outcomes: list[str] = [SEEN] * len(events)
        if len(events):
            with self._lock.held():
                for table in self._tables:
                    _write_view(table, events, outcomes)
        written.counts.update(outcomes)
        self.offsets.write(self._positions(arrivals, events), self._now())
        return written

    def _rows(self, arrivals: Sequence[Arrival]) -> tuple[pl.DataFrame, AppliedEvents]:
        """Good rows of events, each key's newest, in order of time and key; the label is not known."""
        written = AppliedEvents()
        frame = self._conformed(arrivals, written)
        deletes = frame[CHANGE_OPERATION] == DELETE
        written.counts[DELETED] += int(deletes.sum())
        keys = list(self._source.primary_key)
        rows = frame.filter(~deletes).sort(CHANGE_SEQUENCE, maintain_order=True)
        nameless = pl.any_horizontal(pl.col(keys).is_null())  # judged one by one: they break a rule
        named = rows.filter(~nameless).unique(keys, keep="last", maintain_order=True)
        newest = pl.concat([named, rows.filter(nameless)])
        written.counts[SEEN] += len(rows) - len(newest)
        time = pl.col(self._use_case.event_time)
        newest = newest.with_columns(
            days_of(time, self._source.time_zone).fill_null(_EPOCH.date()).alias(DELIVERED_DAY)
        )
        violations = find_violations(newest, self._source, {})
        if violations.height:
            refused = violations["#row"].unique()
            written.counts[REFUSED] += len(refused)
            for line in violations.head(_SHOWN).iter_rows(named=True):
                written.examples.append(f"{line['column']}={line['value']!r} breaks {line['rule']}")
            newest = newest.with_row_index("#row").filter(~pl.col("#row").is_in(refused.implode())).drop("#row")
        good = newest.filter(time <= latest_event_time(self._use_case, self._now()))
        written.counts[FUTURE] += len(newest) - len(good)
        label = self._use_case.label
        dtype = self._use_case.label_source.column(label.column).polars_type
        good = good.sort(event_order(self._use_case)).with_columns(pl.lit(None, dtype).alias(label.column))
        return with_entity_columns(good, self._use_case, self._views), written

    def _conformed(self, arrivals: Sequence[Arrival], written: AppliedEvents) -> pl.DataFrame:
        """Rows in declared columns and types; each alone where together they are taken for rows of another table."""
        if not arrivals:
            return conform(frame_of_changes([], self._empty), self._empty).frame
        rows = frame_of_changes(((f"{a.partition}@{a.offset}", a.change) for a in arrivals), self._source)
        try:
            return conform(rows, self._source).frame
        except SourceError as error:
            if len(arrivals) > 1:
                return pl.concat([self._conformed([arrival], written) for arrival in arrivals])
            written.counts[REFUSED] += 1
            written.examples = [*written.examples, str(error)][:_SHOWN]
            return self._conformed([], written)

    def _positions(self, arrivals: Sequence[Arrival], events: pl.DataFrame) -> list[tuple[str, Position]]:
        """Where each partition stands after these messages."""
        following: dict[str, int] = {}
        for arrival in arrivals:
            following[arrival.partition] = max(arrival.offset + 1, following.get(arrival.partition, 0))
        stored = self.offsets.read(sorted(following))
        known = [position.newest for position in stored.values()]
        if len(events):
            known.append(events[self._use_case.event_time].to_list()[-1])  # in order of time
        newest = max(known, default=_EPOCH)
        return [(name, Position(offset, newest)) for name, offset in sorted(following.items())]


def run_stream(
    source: EventSource,
    writer: StreamWriter,
    stop: threading.Event,
    on_batch: Callable[[AppliedEvents], object] = lambda written: None,
    retry_seconds: float = 1.0,
) -> AppliedEvents:
    """Bring events into the online store until `stop` is set; a write to a store that does not answer is retried, nothing is skipped.

    Returns:
        What became of all events.
    """
    total = AppliedEvents()
    outages = _outages()
    while not stop.is_set():
        arrivals = source.take()
        while arrivals:
            try:
                written = writer.write(arrivals)
            except outages as error:
                logger.error("the online store does not answer (%s); asked again in %g s", error, retry_seconds)
                if stop.wait(retry_seconds):
                    return total
                continue
            total.add(written)
            on_batch(written)
            break
    return total


def _outages() -> tuple[type[Exception], ...]:
    """What a store raises that does not answer."""
    import sqlite3

    from redis.exceptions import RedisError

    return (sqlite3.OperationalError, RedisError, OSError)


def _write_view(table: OnlineTable, events: pl.DataFrame, outcomes: list[str]) -> None:
    """Bring events into the states of one view's entities; what became of each is noted in `outcomes`."""
    layout = table.layout
    by_entity: dict[Any, list[tuple[int, StateEvent]]] = {}
    for position, (entity, event) in enumerate(_state_events(table, events)):
        if entity is not None:
            by_entity.setdefault(entity, []).append((position, event))
    if not by_entity:
        return
    entities = list(by_entity)
    label = layout.use_case.label.column
    labelled = [position for position, value in enumerate(layout.plan.values) if label in value.roots]
    rows = []
    for entity, stored in zip(entities, table.read(entities), strict=True):
        data = None if stored is None else packed(stored)
        arrived = [event for _, event in by_entity[entity]]
        if data is not None and is_tree(data, layout, entity):
            state, newest, became = _into_tree(table, entity, data, arrived, labelled)
        else:
            state, newest, became = _into_events(table, entity, data, arrived, labelled)
        for (position, _), outcome in zip(by_entity[entity], became, strict=True):
            outcomes[position] = max(outcomes[position], outcome, key=_RANK.index)
        if state is not None:
            rows.append((entity, encode_state(state), _EPOCH + timedelta(microseconds=newest)))
    if rows:
        table.write(rows)


_Upserted = tuple[bytes | None, int, list[str]]
"""An entity's state, None where it is as it was; time of its newest event in microseconds; what became of each event."""


def _into_events(
    table: OnlineTable, entity: Any, data: bytes | None, events: Sequence[StateEvent], labelled: Sequence[int]
) -> _Upserted:
    before = history = all_events(table, entity, data)
    became = []
    for event in events:
        changed, outcome = upserted(history, event, labelled)
        if outcome != SEEN:
            changed = trimmed(changed, table.layout)
            outcome, history = (TOO_OLD, history) if changed.find(event) is None else (outcome, changed)
        became.append(outcome)
    if history is before:
        return None, 0, became
    return stored_events(table, entity, history), int(history.times[-1]), became


def _into_tree(
    table: OnlineTable, entity: Any, data: bytes, events: Sequence[StateEvent], labelled: Sequence[int]
) -> _Upserted:
    """The same for a busy entity; an event is known by its time and key there."""
    tree, became = open_tree(table, entity, data), []
    for event in events:
        stored = tree.find(event.identity)
        if event.time <= tree.newest_time - table.layout.span_days * MICROSECONDS_PER_DAY:
            became.append(TOO_OLD if stored is None else SEEN)
        elif stored is None:
            tree.put(event)
            became.append(ADDED)
        else:
            kept = [stored.values[n] if n in labelled else value for n, value in enumerate(event.values)]
            same = np.array_equal(kept, stored.values, equal_nan=True)
            if not same:
                tree.put(StateEvent(event.time, event.key, tuple(kept)), replacing=True)
            became.append(SEEN if same else CHANGED)
    if not {ADDED, CHANGED} & set(became):
        return None, 0, became
    return stored_tree(table, entity, tree), tree.newest_time, became


def _state_events(table: OnlineTable, events: pl.DataFrame) -> Iterable[tuple[Any, StateEvent]]:
    """Events as the view's state keeps them, by the expressions that make batch states."""
    keys = len(table.layout.key_fields)
    for entity, time, *rest in event_rows(table.layout, events).iter_rows():
        yield entity, StateEvent(time, tuple(rest[:keys]), tuple(rest[keys:]))


def upserted(history: EntityEvents, event: StateEvent, labelled: Sequence[int] = ()) -> tuple[EntityEvents, str]:
    """A history with an event: added in its place, or in place of the one with its key where that differs.

    Args:
        history: an entity's events.
        event: the event.
        labelled: positions of values that need the label: the stored event's are kept, a stream knows no label.

    Returns:
        The history, the same object where nothing changed, and what became of the event.
    """
    position = history.find(event)
    if position is None:
        return history.add(event)[0], ADDED
    stored = history.values[:, position]
    values = np.array(event.values, dtype=np.float64)
    values[list(labelled)] = stored[list(labelled)]
    if history.times[position] == event.time and np.array_equal(values, stored, equal_nan=True):
        return history, SEEN
    changed = StateEvent(event.time, event.key, tuple(values.tolist()))
    return history.without(position).add(changed)[0], CHANGED
