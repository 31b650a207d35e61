"""The next days of a feature table from what the day before left behind, instead of from the days that its windows reach back.

Belongs here: carrying a view's recent events from midnight to midnight. Does not belong here: storing them
(`offline/carried_state_file.py`), or the online store, which takes the same events as they are at midnight (`CarriedState.entity_state`).

What a day costs depends on the events in the windows' reach, never on the length of the history, and it reads one day of clean
rows (two where labels come later). The values are those of `compute_view`, to the bit: the same events go into the same kernel.

A carried state is right as long as nothing changed behind it. After a late row, a correction or a delete in an earlier day make
it anew with `carried_state`, and compute the days again whose windows reach it.

A whole history is days in a row: chunks of days (`day_chunks`) with the state carried from one to the next take memory for the
longest chunk and the windows' reach, however long the history is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.sections.sources import EVENT_DAY
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.event_values import roots_of
from platform_assets.features.aggregation.kernel import compute_windows
from platform_assets.features.entities import with_entity_columns
from platform_assets.features.entity_state import (
    EVENT_TIMES,
    StateLayout,
    as_entity_state,
    event_rows,
    known_labels,
    state_layout,
    state_rows,
)
from platform_assets.features.errors import FeatureError
from platform_assets.features.event_frames import event_order, in_order, microseconds, midnight
from platform_assets.features.offline.feature_table import check_events, compute_view, entity_order, with_row_features

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class CarriedState:
    """A view's events before a midnight that a window of a later event can reach.

    Attributes:
        layout: what is kept of an event.
        day: the midnight at which this day begins.
        rows: entity key and the columns of `StateLayout.list_types`, ordered by time and key: what is too old lies first, and what
            is new comes last.
        labels_day: labels known at 00:00 of this day are part of the events, later ones are not; `day` or earlier.
    """

    layout: StateLayout
    day: date
    rows: pl.DataFrame
    labels_day: date

    def entity_state(self) -> pl.DataFrame:
        """The same as the online store takes it; equal to `entity_state` at this midnight.

        Raises:
            FeatureError: labels that are known by this midnight are not part of the state yet.
        """
        if self.labels_day < self.day and holds_labels(self.layout):
            raise FeatureError(
                f"view {self.layout.view.name!r}: the state of {self.day} holds labels as of {self.labels_day}; bring in the "
                "later ones with `with_labels` first"
            )
        return as_entity_state(self.layout, self.rows, midnight(self.day, self.layout.use_case.time_zone))


def holds_labels(layout: StateLayout) -> bool:
    """Whether the label is among what the state keeps of an event."""
    return layout.use_case.label.column in roots_of(layout.plan.values)


def carried_state(
    view: FeatureView, use_case: UseCase, events: pl.DataFrame, day: date, labels_day: date | None = None
) -> CarriedState:
    """The state at 00:00 of `day`, made from clean rows of the days that windows reach back to.

    Args:
        view: a view with windows.
        use_case: the declaration.
        events: clean rows, in any order, with the label joined in where the view uses it; earlier and later ones change nothing.
        day: the midnight.
        labels_day: labels known at 00:00 of this day become part of it; by default those known at `day`.

    Raises:
        FeatureError: the view has no windows, or a condition fails.
    """
    layout = state_layout(view, use_case)
    moment, labels_day = midnight(day, use_case.time_zone), day if labels_day is None else labels_day
    rows = state_rows(layout, known_labels(layout, events, labels_day), moment)
    return CarriedState(layout, day, rows.filter(pl.col(EVENT_TIMES) < microseconds(moment)), labels_day)


def next_days(state: CarriedState, events: pl.DataFrame, last_day: date) -> tuple[pl.DataFrame, CarriedState]:
    """The feature rows of the days from the state's day to `last_day`, and the state at the midnight after.

    Args:
        state: as of the midnight at which the first of the days begins, with the labels known at 00:00 of `last_day`.
        events: clean rows of these days, in any order; with the label joined in where the view uses it.
        last_day: inclusive.

    Returns:
        Exactly what `compute_view` gives for these days, and the state, which has the labels known at 00:00 of `last_day`: those
        of the coming midnight have not arrived when the days are computed. See `with_labels`.

    Raises:
        FeatureError: events of other days, labels that the state lacks, or what `compute_view` refuses.
        PointInTimeError: a key appears twice.
    """
    layout = state.layout
    view, use_case, plan = layout.view, layout.use_case, layout.plan
    if holds_labels(layout) and state.labels_day < last_day:
        raise FeatureError(
            f"view {view.name!r}: the carried state has labels as of {state.labels_day}, the days up to {last_day} need those as of "
            f"{last_day}; bring them in with `with_labels` first"
        )
    if state.rows.is_empty():  # a beginning: there is nothing to put the events together with
        features = compute_view(view, use_case, events, state.day, last_day)
        _refuse_other_days(state, events, last_day)
        return features, carried_state(view, use_case, events, last_day + _ONE_DAY, last_day)
    events = in_order(with_entity_columns(events, use_case, [view]), event_order(use_case))
    check_events(view, use_case, events, plan)
    _refuse_other_days(state, events, last_day)
    both = pl.concat([state.rows, event_rows(layout, known_labels(layout, events, last_day))])
    starts, order = entity_order(both[layout.entity_key])
    values = np.empty((len(plan.values), len(both)))
    for index, field in enumerate(layout.value_fields):
        np.take(both[field].to_numpy(), order, out=values[index])
    windows = compute_windows(
        plan,
        times=both[EVENT_TIMES].to_numpy()[order],
        starts=starts,
        values=values,
        first_time=microseconds(midnight(state.day, use_case.time_zone)),
        last_time=microseconds(midnight(last_day + _ONE_DAY, use_case.time_zone)) - 1,
        positions=order - len(state.rows),
        row_count=len(events),
    )
    features = events.with_columns(pl.Series(name, windows[k], nan_to_null=True) for k, name in enumerate(plan.names))
    return with_row_features(view, use_case, features), _moved_on(layout, both, last_day)


def _refuse_other_days(state: CarriedState, events: pl.DataFrame, last_day: date) -> None:
    others = events.filter(~pl.col(EVENT_DAY).is_between(state.day, last_day))
    if not others.is_empty():
        raise FeatureError(
            f"view {state.layout.view.name!r}: {len(others)} of {len(events)} rows are not of {state.day} .. {last_day}, the days that "
            "follow the carried state"
        )


def with_labels(state: CarriedState, labelled: pl.DataFrame | None, labels_day: date) -> CarriedState:
    """The state with labels that have arrived since.

    Args:
        state: the state.
        labelled: clean rows, label joined in, of the events whose label became known after the state's `labels_day` up to 00:00
            of the new one. Others may be among them. None where there are none.
        labels_day: the new one.

    Raises:
        FeatureError: a condition fails on these rows.
    """
    layout = state.layout
    if not holds_labels(layout) or labelled is None or labelled.is_empty():
        return replace(state, labels_day=labels_day)
    labelled = with_entity_columns(labelled, layout.use_case, [layout.view])
    arrived = event_rows(layout, known_labels(layout, labelled, labels_day))
    return replace(state, rows=_with_values_of(layout, state.rows, arrived), labels_day=labels_day)


def day_chunks(
    counts: Mapping[date, int], first_day: date, last_day: date, most_rows: int
) -> Iterator[tuple[date, date]]:
    """The days from `first_day` to `last_day` in consecutive chunks of at most so many rows, or of a single day.

    Args:
        counts: rows by day; a day that is not named has none.
        first_day: inclusive.
        last_day: inclusive.
        most_rows: of a chunk.
    """
    begin, day, rows = first_day, first_day, 0
    while day <= last_day:
        count = counts.get(day, 0)
        if day > begin and rows + count > most_rows:
            yield begin, day - _ONE_DAY
            begin, rows = day, 0
        rows += count
        day += _ONE_DAY
    yield begin, last_day


def _moved_on(layout: StateLayout, both: pl.DataFrame, last_day: date) -> CarriedState:
    """The state at the midnight after `last_day`, from the rows of the earlier state and of the days since, in order of time."""
    day = last_day + _ONE_DAY
    oldest = microseconds(midnight(day, layout.use_case.time_zone) - timedelta(days=layout.span_days))
    kept = both.slice(int(both[EVENT_TIMES].search_sorted(oldest, side="right")))
    if kept[layout.entity_key].null_count():
        kept = kept.filter(pl.col(layout.entity_key).is_not_null())
    return CarriedState(layout, day, kept, last_day)


def _with_values_of(layout: StateLayout, rows: pl.DataFrame, labelled: pl.DataFrame) -> pl.DataFrame:
    """The rows with the values of those that a label has arrived for; they lie together, for rows are in order of time."""
    primary = layout.use_case.event_source.primary_key
    also = {layout.entity_key: layout.entity_key, layout.use_case.event_time: EVENT_TIMES}
    keys = [*layout.key_fields, *(field for name, field in also.items() if name in primary)]
    times = rows[EVENT_TIMES]
    arrived = labelled[EVENT_TIMES].to_numpy()
    begin = int(times.search_sorted(int(arrived.min()), side="left"))
    end = int(times.search_sorted(int(arrived.max()), side="right"))
    among = rows.slice(begin, end - begin)
    newer = among.select(keys).with_row_index("place").join(labelled, on=keys, how="inner", maintain_order="left")
    among = among.with_columns(among[field].scatter(newer["place"], newer[field]) for field in layout.value_fields)
    return pl.concat([rows.slice(0, begin), among, rows.slice(end)])
