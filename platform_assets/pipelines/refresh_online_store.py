"""Refresh the online store: each entity's recent events, and what look-ups find, as of the end of a day.

Belongs here: what is written as of a midnight, and in which order. Does not belong here: making states (`pipelines/online_states.py`),
writing and verifying them (`features/online/store.py`).

A day that is refreshed again after a later one changes nothing: the store holds a newer state, and the latest day is refreshed
again after whatever changed the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from platform_assets.declaration import FeatureView, UseCase
from platform_assets.features.entity_state import state_layout, views_with_state
from platform_assets.features.errors import OlderState, StateError
from platform_assets.features.event_frames import midnight
from platform_assets.features.feast_repository.views import write_repository
from platform_assets.features.offline.feature_table import uses_label
from platform_assets.features.offline.lookups import days_to_read
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.feast_objects import feast_objects
from platform_assets.features.online.generation import (
    expected_generation,
    lost_because,
    note_filled,
    open_mark,
    why_lost,
)
from platform_assets.features.online.lookup_state import LookupLayout, lookup_layouts, write_lookup
from platform_assets.features.online.request_features import require_service
from platform_assets.features.online.store import States, WrittenStates, apply, write_states
from platform_assets.lake.catalog import Catalog
from platform_assets.pipelines.online_states import states_of_view
from platform_assets.pipelines.required_days import require_source_days
from platform_assets.pipelines.row_versions import known_rows

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class RefreshedStore:
    """What was written to the online store.

    Attributes:
        state_as_of: the midnight whose state it is.
        entities_written: how many, by table of the view or look-up.
        entities_unchanged: of how many the store held the same already, by table of the view.
        states: by table of the view, from which days its states were brought forward, or why they were rebuilt.
        newer_state_kept: tables of which the store holds a newer state.
        filled_because: why everything was written anew; None where the store held what it should.
    """

    state_as_of: date
    entities_written: dict[str, int]
    newer_state_kept: tuple[str, ...]
    filled_because: str | None = None
    entities_unchanged: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)


def refresh_online_store(
    catalog: Catalog, settings: FeastSettings, day: date, log: Callable[[str], None]
) -> RefreshedStore:
    """Write the states of all views and look-ups as of the end of a day, and mark the store as filled.

    A store that lost what it held is filled from nothing, whatever the day; what was scored since is not in it before the event stream or
    the next day brings it.

    Args:
        catalog: the tables.
        settings: where Feast keeps its registry and values.
        day: the day that ends.
        log: takes a line for each state that the store holds a newer one of, and one where the store lost what it held.

    Raises:
        DaysMissing: days that a state reaches back to were never published.
        StateError: a state reads back differently from what was written.
        FeatureError: a state cannot be made.
    """
    use_case, at = catalog.use_case, day + ONE_DAY
    _require_input(catalog, at)
    if not apply(use_case, settings):
        return RefreshedStore(at, {}, ())
    write_repository(use_case, settings, catalog.lake.root)
    store = feast_store(settings)
    mark = open_mark(settings, store.config)
    reason = lost_because(expected_generation(store), mark.read(), mark.evictions())
    if reason is not None:
        log(reason)
        mark.remove()  # until everything is written
    anew = reason is not None
    written: dict[str, int] = {}
    unchanged: dict[str, int] = {}
    states: dict[str, str] = {}
    newer: list[str] = []
    for view in views_with_state(use_case):
        try:
            outcome, states[view.table] = _write_view(catalog, view, settings, at, anew)
            written[view.table], unchanged[view.table] = outcome.written, outcome.unchanged
        except OlderState as error:
            log(str(error))
            newer.append(view.table)
    for layout in lookup_layouts(use_case, use_case.stored_views):
        table = f"{layout.view.table}_{layout.lookup.name}"
        try:
            written[table] = _write_lookup(catalog, layout, settings, at, anew)
        except OlderState as error:
            log(str(error))
            newer.append(table)
    note_filled(store, mark, at, anew=anew)
    return RefreshedStore(at, written, tuple(newer), reason, unchanged, states)


def _require_input(catalog: Catalog, at: date) -> None:
    """Refuse a state as of a midnight whose days were not all published: what is not there would count as not having happened.

    Raises:
        DaysMissing: days lack.
    """
    use_case = catalog.use_case
    what = f"online store of {use_case.name} as of the end of {at - ONE_DAY}"
    for view in views_with_state(use_case):
        first = at - timedelta(days=view.span_days + 1)
        require_source_days(catalog, use_case.event_source, first, at - ONE_DAY, what)
        if uses_label(view, use_case) and use_case.label_source.name != use_case.events:
            newest = at - timedelta(days=use_case.label_arrival_days)
            require_source_days(catalog, use_case.label_source, first, newest, what)
    for layout in lookup_layouts(use_case, use_case.stored_views):
        days = days_to_read(use_case, layout.lookup, at - ONE_DAY, at) or (at, at)
        require_source_days(catalog, use_case.source(layout.lookup.source), *days, what)


def _write_view(
    catalog: Catalog, view: FeatureView, settings: FeastSettings, at: date, anew: bool
) -> tuple[WrittenStates, str]:
    """What became of the states, and how they were made."""
    made = states_of_view(catalog, view, at)
    layout, moment = state_layout(view, catalog.use_case), midnight(at, catalog.use_case.time_zone)
    written = write_states(States.of_rows(layout, made.rows, moment), settings, anew=anew, changed_only=True)
    made.keep()
    return written, made.how


def _write_lookup(catalog: Catalog, layout: LookupLayout, settings: FeastSettings, at: date, anew: bool) -> int:
    days = days_to_read(catalog.use_case, layout.lookup, at - ONE_DAY, at)
    rows = known_rows(catalog, catalog.use_case.source(layout.lookup.source), days)
    return write_lookup(layout, rows, settings, at, anew=anew)


def why_to_fill(use_case: UseCase, settings: FeastSettings) -> str | None:
    """Why an online store that was filled does not serve the use case any more; None where it does.

    Raises:
        sqlite3.Error, redis.exceptions.RedisError: the store does not answer.
    """
    if not feast_objects(use_case):
        return None
    try:
        require_service(use_case, feast_store(settings))
    except StateError as error:
        return str(error)
    return why_lost(settings)
