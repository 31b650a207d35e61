"""States of a view as of a midnight: brought forward from those before by the days that changed.

Belongs here: what each day in reach is made from, and reading the days that changed. Does not belong here: putting them together
(`features/online/forward.py`), writing states to the store (`pipelines/refresh_online_store.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import FeatureView
from platform_assets.declaration.days import DayRange, consecutive_ranges
from platform_assets.declaration.time_zones import UTC_ZONE
from platform_assets.features.entity_state import StateLayout, state_layout
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.features.offline.known_labels import is_dated_by_decision
from platform_assets.features.online.forward import load, no_days, save
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.labelled_events import labelled_events, loaded_label_days

ONE_DAY = timedelta(days=1)
DATED_BY_DECISION = "labels are dated by their decision: those of every day may have changed"
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class StatesOfView:
    """The states of a view as of a midnight.

    Attributes:
        rows: events of the states, one entity after the other; see `DayEvents.states`.
        how: whether they were brought forward, from which days, or why all days were read.
        keep: stores the events for the midnight after; to be called once the store holds the states.
    """

    rows: pl.DataFrame
    how: str
    keep: Callable[[], None]


def states_of_view(catalog: Catalog, view: FeatureView, at: date) -> StatesOfView:
    """The states of a view at 00:00 of a day; equal to `entity_state` of all events in reach.

    Raises:
        FeatureError: a state cannot be made.
        LakeTableMissing: events or labels were never published.
    """
    layout, options = state_layout(view, catalog.use_case), catalog.lake.storage_options()
    uri = catalog.online_events_uri(view)
    marks = _marks(catalog, layout, at)
    dated = uses_label(view, catalog.use_case) and is_dated_by_decision(catalog.use_case)
    before, why_all = (no_days(layout), DATED_BY_DECISION) if dated else load(layout, uri, options)
    again = before.days_to_read(marks)
    parts = [_events(catalog, view, days, at) for days in consecutive_ranges(again)]
    now = before.brought_forward(pl.concat(parts) if parts else None, marks, at)
    how = f"rebuilt from {len(marks)} days: {why_all}" if why_all else _brought_forward(again, len(marks))

    def keep() -> None:
        if not dated:
            save(now, uri, options)

    return StatesOfView(now.states(at), how, keep)


def _events(catalog: Catalog, view: FeatureView, days: DayRange, at: date) -> pl.DataFrame:
    """Events of days: by a midnight the labels of one more day have arrived than the day's own features could know."""
    if uses_label(view, catalog.use_case):
        return labelled_events(catalog, days.first, days.last, at)
    return catalog.events.read(days.first, days.last)


def _marks(catalog: Catalog, layout: StateLayout, at: date) -> dict[date, str]:
    """What the states' events of each day in reach are made from, as the tables are now."""
    use_case = catalog.use_case
    reach = layout.span_days + (use_case.time_zone != UTC_ZONE)
    first = max(at - timedelta(days=reach), use_case.history.first_day)
    days = DayRange(first, at - ONE_DAY).days if first < at else []
    events = catalog.events.stored.files_by_partition(first, at - ONE_DAY)
    labelled = uses_label(layout.view, use_case)
    apart = labelled and use_case.label_source.name != use_case.events
    labels = catalog.labels.stored.files_by_partition(first, at) if apart and catalog.labels.exists() else {}
    loaded = loaded_label_days(catalog) if apart else None
    marks = {}
    for day in days:
        made_from: list[object] = [list(events.get(day, ()))]
        if labelled and day + timedelta(days=use_case.label_delay_days) <= at:
            made_from += [list(labels.get(day, ())), loaded is None or day in loaded]
        marks[day] = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
    return marks


def _brought_forward(again: list[date], reached: int) -> str:
    if not again:
        return f"brought forward: none of {reached} days changed"
    shown = ", ".join(str(days) for days in consecutive_ranges(again)[-_SHOWN:])
    return f"brought forward: {len(again)} of {reached} days read ({shown})"
