"""Entity state: the recent events of each entity from which the online side computes the same windows.

Belongs here: what a state holds, making it from clean events, and adding one event to it. Does not belong here: how a
store keeps it (`online/state_table.py`, `online/store.py`), or the aggregation (`aggregation/kernel.py`).

A state made at time `at` gives the exact windows of any event at or after `at`: it holds all events that such a window
can reach. It keeps one day more, so that a request that is up to a day late is exact too. Events that have left every
window change nothing, so an entity whose state was not renewed because it has no recent event is still right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from platform_assets.declaration.sections.columns import POLARS_TYPES
from platform_assets.declaration.sections.features import Entity, FeatureView
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.time_zones import UTC_ZONE, day_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.event_numbers import EventNumbers
from platform_assets.features.aggregation.event_values import event_values, roots_of
from platform_assets.features.aggregation.kernel import (
    MICROSECONDS_PER_DAY,
    Float64Array,
    Int64Array,
    WindowPlan,
    decimal_scales,
    plan_windows,
)
from platform_assets.features.entities import entity_of, with_entity_columns
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import event_order, in_order, microseconds, midnight, require_columns

STATE_TIME = "state_time"
EVENT_TIMES = "event_times"
LATE_REQUEST_DAYS = 1

_KEY_LISTS: Mapping[str, pl.DataType] = {"string": pl.String(), "float64": pl.Float64()}


@dataclass(frozen=True)
class StateLayout:
    """What the state of a view's entity holds; derived from the declaration alone.

    Attributes:
        view: the windowed view.
        entity_key: column that names the entity; for a combined one, the column that stands for the combination.
        key_columns: parts of the event's primary key that distinguish an entity's events at one time.
        value_columns: names of the aggregated values; a plain column's is its own.
        span_days: how far back the events reach, the late-request day included.
    """

    view: FeatureView
    use_case: UseCase
    entity_key: str
    key_columns: tuple[str, ...]
    value_columns: tuple[str, ...]
    span_days: int

    @cached_property
    def plan(self) -> WindowPlan:
        """The view's windows as arrays."""
        return plan_windows(self.view, self.use_case.time_zone, decimal_scales(self.use_case.event_source))

    @cached_property
    def compiled_values(self) -> dict[tuple[str, ...], EventNumbers]:
        """What was compiled for single events so far, by the names of the values that they have."""
        return {}

    @property
    def late_days(self) -> int:
        """How many days behind its entity's newest event a request may come and still find every event that its windows reach."""
        return late_days(self.use_case)

    @cached_property
    def entity(self) -> Entity:
        """The entity whose events are kept."""
        return self.use_case.entity(str(self.view.entity))

    def entity_of(self, event: Mapping[str, Any]) -> Any:
        """What identifies the entity of a request or event row; None where it has none."""
        return entity_of(self.entity, event)

    @cached_property
    def entity_is_text(self) -> bool:
        """Whether the entity's key is a string; else it is a whole number."""
        return self.use_case.key_type(self.entity_key) == "string"

    @cached_property
    def key_fields(self) -> tuple[str, ...]:
        """State columns with the events' keys."""
        return tuple(f"key_{name}" for name in self.key_columns)

    @cached_property
    def value_fields(self) -> tuple[str, ...]:
        """State columns with the events' values."""
        return tuple(f"value_{name}" for name in self.value_columns)

    @cached_property
    def list_types(self) -> dict[str, pl.DataType]:
        """Item type of each list column: times, keys, values."""
        events = self.use_case.event_source
        types: dict[str, pl.DataType] = {EVENT_TIMES: pl.Int64()}
        for name, field in zip(self.key_columns, self.key_fields, strict=True):
            types[field] = _KEY_LISTS.get(events.column(name).type, pl.Int64())
        return types | dict.fromkeys(self.value_fields, pl.Float64())

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns of `entity_state`."""
        entity_type = POLARS_TYPES[self.use_case.key_type(self.entity_key)]
        lists = {name: pl.List(item) for name, item in self.list_types.items()}
        return {self.entity_key: entity_type, STATE_TIME: pl.Datetime("us", "UTC"), **lists}


def state_layout(view: FeatureView, use_case: UseCase) -> StateLayout:
    """What a view's state holds.

    Raises:
        FeatureError: the view has no windows, so there is no state to keep.
    """
    if not view.windows or view.entity is None:
        raise FeatureError(f"view {view.name!r} has no windows: it needs no state")
    entity_key = use_case.entity(view.entity).key
    constant = {entity_key, use_case.event_time}
    return StateLayout(
        view=view,
        use_case=use_case,
        entity_key=entity_key,
        key_columns=tuple(name for name in use_case.event_source.primary_key if name not in constant),
        value_columns=plan_windows(view).value_columns,
        # Days of a time zone may have 25 hours, and windows of whole days are as long.
        span_days=view.span_days + late_days(use_case) + (use_case.time_zone != UTC_ZONE),
    )


def late_days(use_case: UseCase) -> int:
    """`LATE_REQUEST_DAYS`; where a service is asked about events that are declared to come ahead, so many days more."""
    return LATE_REQUEST_DAYS + (use_case.history.days_ahead if use_case.is_realtime else 0)


def views_with_state(use_case: UseCase) -> list[FeatureView]:
    """Views whose entities' events the online store keeps: those with windows, older versions included."""
    return [view for view in use_case.stored_views if view.windows]


def entity_state(view: FeatureView, use_case: UseCase, events: pl.DataFrame, at: datetime | date) -> pl.DataFrame:
    """Each entity's events before `at` that a window of an event at or after `at` can reach.

    Args:
        view: a windowed view.
        use_case: the declaration.
        events: clean rows of the event source, in any order, with the label joined in where the view uses it; earlier
            and later rows change nothing.
        at: the moment of knowledge; a date means its 00:00. Labels that are not known by then are left out.

    Returns:
        One row for each entity with an event in reach, ordered by entity: the entity's key, `state_time`, and lists in
        event order: `event_times` (microseconds since 1970 UTC), `key_<column>` for each part of the event's key, and
        `value_<column>` for each aggregated column (float64, NaN where missing or not known).

    Raises:
        FeatureError: the view has no windows, or a column is missing.
    """
    layout = state_layout(view, use_case)
    events = with_entity_columns(events, use_case, [view])
    moment = at if isinstance(at, datetime) else midnight(at, use_case.time_zone)
    if moment.tzinfo is None:
        raise FeatureError(f"state of view {view.name!r}: the time {moment} carries no zone; give it in UTC")
    needed = [layout.entity_key, EVENT_DAY, *event_order(use_case), *roots_of(layout.plan.values)]
    require_columns(events.columns, needed, f"view {view.name!r}: events of {use_case.events!r}")
    events = known_labels(layout, events, day_of(moment, use_case.time_zone))
    rows = state_rows(layout, events, moment).filter(pl.col(EVENT_TIMES) < microseconds(moment))
    return as_entity_state(layout, rows, moment)


def as_entity_state(layout: StateLayout, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Rows of `state_rows` as one row for each entity; see `entity_state`."""
    return (
        rows.group_by(layout.entity_key, maintain_order=True)
        .agg(list(layout.list_types))
        .sort(layout.entity_key)
        .with_columns(pl.lit(moment).cast(pl.Datetime("us", "UTC")).alias(STATE_TIME))
        .select(pl.col(name).cast(dtype) for name, dtype in layout.schema.items())
    )


def state_rows(layout: StateLayout, events: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Events within the layout's reach of `moment`, later ones too, as a state keeps them: one row each.

    Returns:
        The entity's key, then the columns of `StateLayout.list_types`, ordered by time and key.

    Raises:
        FeatureError: a condition fails on these events, or looks at other rows.
    """
    time_name = layout.use_case.event_time
    events = with_entity_columns(events, layout.use_case, [layout.view])
    reached = events.filter(
        pl.col(time_name) > moment - timedelta(days=layout.span_days), pl.col(layout.entity_key).is_not_null()
    )
    return event_rows(layout, in_order(reached, event_order(layout.use_case)))


def event_rows(layout: StateLayout, events: pl.DataFrame) -> pl.DataFrame:
    """Events as a state keeps them, one row each, in the order they come in; columns as of `state_rows`.

    Raises:
        FeatureError: a condition fails on these events, or looks at other rows.
    """
    columns = [pl.col(layout.entity_key), pl.col(layout.use_case.event_time).dt.epoch("us").alias(EVENT_TIMES)]
    for name, field in zip(layout.key_columns, layout.key_fields, strict=True):
        columns.append(pl.col(name).cast(layout.list_types[field]).alias(field))
    rows = events.select(columns)
    if layout.plan.values:
        values = event_values(layout.plan.values, events, layout.use_case)
        rows = rows.hstack(values.rename(dict(zip(layout.value_columns, layout.value_fields, strict=True))))
    return rows


def known_labels(layout: StateLayout, events: pl.DataFrame, day: date) -> pl.DataFrame:
    """`events` with the labels that are not known at 00:00 UTC of `day` left out, where the state holds labels at all."""
    label = layout.use_case.label.column
    if label not in roots_of(layout.plan.values) or layout.use_case.label.decided_at is not None:
        return events  # labels that are dated by their decision are joined in as they were known on the day
    known = pl.col(EVENT_DAY) + pl.duration(days=layout.use_case.label_delay_days) <= day
    return events.with_columns(pl.when(known).then(pl.col(label)).alias(label))


@dataclass(frozen=True, eq=False)
class EntityEvents:
    """The recent events of one entity, in order.

    Attributes:
        times: int64 [n], microseconds since 1970 UTC.
        keys: for each key column n items.
        values: float64 [c, n], NaN where missing.
    """

    times: Int64Array
    keys: tuple[list[Any], ...]
    values: Float64Array

    def __len__(self) -> int:
        return int(self.times.shape[0])

    def find(self, event: StateEvent) -> int | None:
        """Position of the event with this key, or None."""
        if not self.keys:
            position = int(np.searchsorted(self.times, event.time))
            return position if position < len(self) and self.times[position] == event.time else None
        try:
            position = self.keys[0].index(event.key[0])
            while any(column[position] != part for column, part in zip(self.keys, event.key, strict=True)):
                position = self.keys[0].index(event.key[0], position + 1)
        except ValueError:
            return None
        return position

    def add(self, event: StateEvent) -> tuple[EntityEvents, int]:
        """These events with one more, in order, and its position."""
        position = int(np.searchsorted(self.times, event.time))
        while position < len(self) and self.times[position] == event.time and self._key(position) < event.key:
            position += 1
        count = len(self) + 1
        times = np.empty(count, dtype=np.int64)
        times[:position], times[position], times[position + 1 :] = (
            self.times[:position],
            event.time,
            self.times[position:],
        )
        values = np.empty((len(event.values), count), dtype=np.float64)
        values[:, :position], values[:, position + 1 :] = self.values[:, :position], self.values[:, position:]
        values[:, position] = event.values
        keys = tuple(
            [*column[:position], part, *column[position:]] for column, part in zip(self.keys, event.key, strict=True)
        )
        return EntityEvents(times, keys, values), position

    def without(self, position: int) -> EntityEvents:
        """These events without the one at a position."""
        keys = tuple([*column[:position], *column[position + 1 :]] for column in self.keys)
        return EntityEvents(np.delete(self.times, position), keys, np.delete(self.values, position, axis=1))

    def since(self, oldest_microseconds: int) -> EntityEvents:
        """The events at or after a time."""
        return self.after(int(np.searchsorted(self.times, oldest_microseconds)))

    def after(self, position: int) -> EntityEvents:
        """The events from a position on."""
        return EntityEvents(
            self.times[position:], tuple(column[position:] for column in self.keys), self.values[:, position:]
        )

    def followed_by(self, later: EntityEvents) -> EntityEvents:
        """These events and then others, none of which is before any of these."""
        keys = tuple([*mine, *theirs] for mine, theirs in zip(self.keys, later.keys, strict=True))
        return EntityEvents(
            np.concatenate([self.times, later.times]), keys, np.concatenate([self.values, later.values], axis=1)
        )

    def _key(self, position: int) -> tuple[Any, ...]:
        return tuple(column[position] for column in self.keys)


EventIdentity = tuple[int, tuple[Any, ...]]
"""What makes two events of an entity the same: time in microseconds, and the parts of the key."""


@dataclass(frozen=True, eq=False)
class StateEvent:
    """One event as a view's state keeps it: time in microseconds, key parts, and values with NaN where missing.

    Two are compared by their `identity`: by their values they would not even equal themselves where one is missing.
    """

    time: int
    key: tuple[Any, ...]
    values: tuple[float, ...]

    @property
    def identity(self) -> EventIdentity:
        """Time and key."""
        return self.time, self.key


def no_events(layout: StateLayout) -> EntityEvents:
    """The history of an entity that is not known."""
    return EntityEvents(
        np.empty(0, dtype=np.int64), tuple([] for _ in layout.key_columns), np.empty((len(layout.value_columns), 0))
    )


def trimmed(events: EntityEvents, layout: StateLayout) -> EntityEvents:
    """The events that a window of the newest of them, or of one up to a day earlier, can reach."""
    if not len(events):
        return events
    return events.since(int(events.times[-1]) - layout.span_days * MICROSECONDS_PER_DAY + 1)
