"""A feature's value at a moment, and the events that made it: which counted, and why the others did not.

Belongs here: the account of an entity's events, window by window, and its value by the one kernel. Does not belong here: reading
tables or the online store, printing.

A moment at which the entity has an event is that event's: the value is the one in the feature table. At any other moment it is what
a window that ends there holds, without any event of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl

from platform_assets.declaration.expressions import sql_expression
from platform_assets.declaration.sections.features import FeatureView, Window
from platform_assets.declaration.time_zones import day_of
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.event_values import event_value
from platform_assets.features.consistency.few_windows import windows_of_each
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.entity_state import EntityEvents, StateEvent, StateLayout, event_rows, state_layout
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import event_order, microseconds, midnight

Verdict = Literal["counts", "too old", "delayed", "later", "own event left out", "filtered", "missing"]
VERDICTS: dict[Verdict, str] = {
    "counts": "inside the window",
    "too old": "at or before the window's oldest instant",
    "delayed": "after the window's newest instant: its delay keeps it out",
    "later": "after the moment, or behind its event in the order of keys",
    "own event left out": "the moment's own event, which this window leaves out",
    "filtered": "does not satisfy `where`",
    "missing": "carries no value to aggregate, or its condition is not known",
}
"""What keeps an event out of a window, or not, and what that means."""


@dataclass(frozen=True)
class JudgedEvent:
    """An event of the entity as one window sees it: its key, time, value (None without one), and whether it counts."""

    key: dict[str, Any]
    time: datetime
    value: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Explanation:
    """One window feature at a moment.

    Attributes:
        feature: its name.
        window: the window that it is of.
        oldest: the window's oldest instant, which is out.
        newest: its newest instant, which is in.
        value: None stands for null.
        events: every event of the entity that was handed in, in order.
    """

    feature: str
    window: Window
    oldest: datetime
    newest: datetime
    value: float | None
    events: tuple[JudgedEvent, ...]

    @property
    def counted(self) -> tuple[JudgedEvent, ...]:
        """The events that made the value."""
        return tuple(event for event in self.events if event.verdict == "counts")

    @property
    def left_out(self) -> Counter[Verdict]:
        """How many events did not count, by reason."""
        return Counter(event.verdict for event in self.events if event.verdict != "counts")


@dataclass(frozen=True, eq=False)
class EntityMoment:
    """An entity's events and a moment, for one view.

    Attributes:
        layout: what the view keeps of an event.
        entity: value of the entity's key.
        rows: the entity's events as rows, in order.
        events: the same as a state holds them.
        at: the moment.
        own: position of the moment's own event; None where it has none.
    """

    layout: StateLayout
    entity: Any
    rows: pl.DataFrame
    events: EntityEvents
    at: datetime
    own: int | None


def entity_moment(
    view: FeatureView, use_case: UseCase, events: pl.DataFrame, entity: Any, at: datetime
) -> EntityMoment:
    """One entity's events, out of rows of any entities, and a moment.

    Args:
        view: a windowed view.
        use_case: the declaration.
        events: clean rows of the event source, the label joined in where the view uses it.
        entity: value of the entity's key.
        at: the moment.

    Raises:
        FeatureError: the view has no windows, or the time carries no zone.
    """
    if at.tzinfo is None:
        raise FeatureError(f"the time {at} carries no zone; give it in UTC, such as 2018-04-01T12:00:00Z")
    layout = state_layout(view, use_case)
    events = with_entity_columns(events, use_case, [view])
    rows = events.filter(pl.col(layout.entity_key) == entity).sort(event_order(use_case))
    held = rows_as_events(layout, rows)
    same = np.flatnonzero(held.times == microseconds(at))
    return EntityMoment(layout, entity, rows, held, at.astimezone(UTC), int(same[-1]) if same.size else None)


def rows_as_events(layout: StateLayout, rows: pl.DataFrame) -> EntityEvents:
    """One entity's ordered rows as a state holds them."""
    held = event_rows(layout, rows)
    values = np.array([held[name].to_numpy() for name in layout.value_fields], dtype=np.float64)
    return EntityEvents(
        held["event_times"].to_numpy(),
        tuple(held[name].to_list() for name in layout.key_fields),
        values.reshape(len(layout.value_fields), len(rows)),
    )


def values_at(
    layout: StateLayout, events: EntityEvents, at: datetime, own: StateEvent | None = None
) -> dict[str, float | None]:
    """Window features of an entity at a moment.

    Args:
        layout: of the view.
        events: the entity's events, the own one among them or not.
        at: the moment.
        own: the moment's own event; without one no window has any.
    """
    plan = layout.plan
    if own is None:
        windows = plan.windows.copy()
        windows[:, 4] = 0
        plan = replace(plan, windows=windows)
        nothing = StateEvent(microseconds(at), tuple(None for _ in layout.key_columns), (np.nan,) * len(plan.values))
        position = int(np.searchsorted(events.times, nothing.time, side="right"))
        times = np.insert(events.times, position, nothing.time)
        values = np.insert(events.values, position, np.nan, axis=1)
    else:
        recorded = events.find(own)
        others = events if recorded is None else events.without(recorded)
        held, position = others.add(own)
        times, values = held.times, held.values
    starts = np.array([0, len(times)], dtype=np.int64)
    computed = windows_of_each(plan, times, starts, values, np.array([position], dtype=np.int64))[:, 0]
    return {name: None if np.isnan(value) else float(value) for name, value in zip(plan.names, computed, strict=True)}


def own_event(moment: EntityMoment) -> StateEvent | None:
    """The moment's own event as a state holds it."""
    if moment.own is None:
        return None
    events, position = moment.events, moment.own
    key = tuple(column[position] for column in events.keys)
    return StateEvent(int(events.times[position]), key, tuple(events.values[:, position].tolist()))


def explain_view(moment: EntityMoment) -> list[Explanation]:
    """Every window feature of the view at the moment, in the order of its features."""
    values = values_at(moment.layout, moment.events, moment.at, own_event(moment))
    explained = []
    for window in moment.layout.view.windows:
        value = event_value(window)
        numbers = None if value is None else moment.events.values[moment.layout.plan.values.index(value)]
        passes = _passing(window, moment.rows)
        for name, length in zip(window.feature_names, window.lengths_microseconds, strict=True):
            oldest, newest = _edges(moment, window, length)
            events = tuple(
                _judged(moment, window, position, (oldest, newest), numbers, passes)
                for position in range(len(moment.events))
            )
            explained.append(Explanation(name, window, oldest, newest, values[name], events))
    return explained


def _edges(moment: EntityMoment, window: Window, length: int) -> tuple[datetime, datetime]:
    """The window is later than the first, up to and including the second; windows of whole days end with a day's last instant."""
    ages = (window.delay_microseconds + length, window.delay_microseconds)
    if not window.covers_whole_days:
        oldest, newest = (moment.at - timedelta(microseconds=age) for age in ages)
        return oldest, newest
    zone = moment.layout.use_case.time_zone
    after = day_of(moment.at, zone) + timedelta(days=1)
    oldest, newest = (midnight(after - timedelta(microseconds=age), zone) - timedelta(microseconds=1) for age in ages)
    return oldest, newest


def _passing(window: Window, rows: pl.DataFrame) -> Sequence[bool]:
    """Whether each row satisfies the window's filter."""
    if window.where is None or rows.is_empty():
        return [True] * len(rows)
    holds = rows.select(sql_expression(window.where, rows.schema).cast(pl.Boolean).fill_null(False).alias("holds"))[
        "holds"
    ]
    return list(holds.to_list())


def _judged(
    moment: EntityMoment,
    window: Window,
    position: int,
    edges: tuple[datetime, datetime],
    numbers: np.ndarray[Any, np.dtype[np.float64]] | None,
    passes: Sequence[bool],
) -> JudgedEvent:
    """One event as one window sees it."""
    time = moment.rows[moment.layout.use_case.event_time][position]
    number = None if numbers is None or np.isnan(numbers[position]) else float(numbers[position])
    behind = position > moment.own if moment.own is not None else time > moment.at
    verdict: Verdict = "counts"
    if time > moment.at or (behind and not window.delay_microseconds):
        verdict = "later"
    elif time > edges[1]:
        verdict = "delayed"
    elif time <= edges[0]:
        verdict = "too old"
    elif position == moment.own and not window.counts_own_event:
        verdict = "own event left out"
    elif not passes[position]:
        verdict = "filtered"
    elif numbers is not None and number is None:
        verdict = "missing"
    keys = moment.layout.use_case.event_source.primary_key
    return JudgedEvent({name: moment.rows[name][position] for name in keys}, time, number, verdict)
