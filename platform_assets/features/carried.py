"""The next day of a feature table from what the day before left behind, instead of from the days that its windows reach back.

Belongs here: carrying a view's recent events from midnight to midnight. Does not belong here: storing them (`lake/`), or the
online store, which takes the same events as they are at midnight (`CarriedState.entity_state`).

What a day costs depends on the events in the windows' reach, never on the length of the history, and it reads one day of clean
rows (two where labels come later). The values are those of `compute_view`, to the bit: the same events go into the same kernel.

A carried state is right as long as nothing changed behind it. After a late row, a correction or a delete in an earlier day make
it anew with `carried_state`, and compute the days that `days_touched` names again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from platform_assets.features.errors import FeatureError
from platform_assets.features.kernel import MICROSECONDS_PER_DAY, compute_windows
from platform_assets.features.state import (
    EVENT_TIMES,
    StateLayout,
    as_entity_state,
    event_rows,
    known_labels,
    state_layout,
    state_rows,
)
from platform_assets.features.values import roots_of
from platform_assets.features.windows import (
    check_events,
    entity_order,
    event_order,
    in_order,
    microseconds,
    midnight,
    with_row_features,
)
from platform_assets.spec.features import FeatureView
from platform_assets.spec.sources import EVENT_DAY
from platform_assets.spec.use_case import UseCase

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class CarriedState:
    """A view's events before a midnight that a window of a later event can reach.

    Attributes:
        layout: what is kept of an event.
        day: the midnight at which this day begins; labels known by then are part of the events.
        rows: entity key and the columns of `StateLayout.list_types`, ordered by entity, time and key.
    """

    layout: StateLayout
    day: date
    rows: pl.DataFrame

    def entity_state(self) -> pl.DataFrame:
        """The same as the online store takes it; equal to `state.entity_state` at this midnight."""
        return as_entity_state(self.layout, self.rows, midnight(self.day))


def carried_state(view: FeatureView, use_case: UseCase, events: pl.DataFrame, day: date) -> CarriedState:
    """The state at 00:00 UTC of `day`, made from clean rows of the days that windows reach back to.

    Raises:
        FeatureError: the view has no windows, or a condition fails.
    """
    layout = state_layout(view, use_case)
    moment = midnight(day)
    rows = state_rows(layout, known_labels(layout, events, day), moment)
    return CarriedState(layout, day, rows.filter(pl.col(EVENT_TIMES) < microseconds(moment)))


def next_day(
    state: CarriedState, events: pl.DataFrame, labelled: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, CarriedState]:
    """The feature rows of the state's day, and the state at the next midnight.

    Args:
        state: as of the midnight at which the day begins.
        events: clean rows of the day, in any order; with the label joined in where the view uses it.
        labelled: for a view that uses the label: clean rows, label joined in, of the events whose label becomes known by the
            next midnight; see `newly_labelled_day`. Earlier days may be among them.

    Returns:
        Exactly what `compute_view` gives for that day, and the state at the next midnight.

    Raises:
        FeatureError: events of another day, or what `compute_view` refuses.
        PointInTimeError: a key appears twice.
    """
    layout, day = state.layout, state.day
    view, use_case, plan = layout.view, layout.use_case, layout.plan
    events = in_order(events, event_order(use_case))
    check_events(view, use_case, events, plan)
    others = events.filter(pl.col(EVENT_DAY) != day)
    if not others.is_empty():
        raise FeatureError(
            f"view {view.name!r}: {len(others)} of {len(events)} rows are not of {day}, the day that the carried state stands at"
        )
    both = pl.concat([state.rows, event_rows(layout, known_labels(layout, events, day + _ONE_DAY))])
    starts, order = entity_order(both[layout.entity_key])
    both = both[order]
    values = np.empty((len(plan.values), len(both)))
    for place, field in enumerate(layout.value_fields):
        values[place] = both[field].to_numpy()
    first = microseconds(midnight(day))
    windows = compute_windows(
        plan,
        times=both[EVENT_TIMES].to_numpy(),
        starts=starts,
        values=values,
        first_time=first,
        last_time=first + MICROSECONDS_PER_DAY - 1,
        places=order - len(state.rows),
        row_count=len(events),
    )
    features = events.with_columns(pl.Series(name, windows[k]).fill_nan(None) for k, name in enumerate(plan.names))
    return with_row_features(view, use_case, features), _moved_on(state, both, labelled)


def newly_labelled_day(use_case: UseCase, day: date) -> date | None:
    """The event day whose labels become known by the midnight that ends `day`; None where it is `day` itself or later."""
    labelled = day + _ONE_DAY - timedelta(days=use_case.label_delay_days)
    return labelled if labelled < day else None


def days_touched(view: FeatureView, day: date) -> tuple[date, date]:
    """First and last day of the feature table that a change of event day `day` touches, its label included."""
    return day, day + timedelta(days=view.span_days)


def _moved_on(state: CarriedState, both: pl.DataFrame, labelled: pl.DataFrame | None) -> CarriedState:
    """The state at the next midnight, from the state's rows and the day's."""
    layout, day = state.layout, state.day + _ONE_DAY
    moment = midnight(day)
    oldest = microseconds(moment - timedelta(days=layout.span_days))
    kept = pl.col(EVENT_TIMES) > oldest
    if both[layout.entity_key].null_count():
        kept = kept & pl.col(layout.entity_key).is_not_null()
    rows = both.filter(kept)
    if labelled is not None and layout.use_case.label.column in roots_of(layout.plan.values):
        rows = _with_labels(layout, rows, event_rows(layout, known_labels(layout, labelled, day)))
    return CarriedState(layout, day, rows)


def _with_labels(layout: StateLayout, rows: pl.DataFrame, labelled: pl.DataFrame) -> pl.DataFrame:
    """The rows with the values of those that a label has arrived for."""
    if labelled.is_empty():
        return rows
    primary = layout.use_case.event_source.primary_key
    also = {layout.entity_key: layout.entity_key, layout.use_case.event_time: EVENT_TIMES}
    keys = [*layout.key_fields, *(field for name, field in also.items() if name in primary)]
    span = pl.col(EVENT_TIMES).is_between(labelled[EVENT_TIMES].min(), labelled[EVENT_TIMES].max())
    places = rows.select(span.arg_true()).to_series()
    older = rows[places].select(keys)
    newer = older.with_columns(places.alias("place")).join(labelled, on=keys, how="inner", maintain_order="left")
    return rows.with_columns(rows[field].scatter(newer["place"], newer[field]) for field in layout.value_fields)
