"""Compute the days of a feature table: from the view's carried state where that is right, else from the days that its windows reach.

Belongs here: which rows of which versions are read, in chunks that fit in memory, and what the stored state was made from. Does not
belong here: computing (`features/`), or the asset (`orchestration/assets/features.py`).

All tables are read as they are when the run begins. A range of days takes one pass: the state before it, then chunk after chunk; a range
that would not fit into memory at once goes to `shard_backfill.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from platform_assets.declaration import EVENT_DAY, FeatureView
from platform_assets.declaration.contract import view_meaning_hash
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.sections.features import Lookup
from platform_assets.features.entity_state import state_layout
from platform_assets.features.errors import FeatureError
from platform_assets.features.offline.carried_state import (
    CarriedState,
    carried_state,
    day_chunks,
    holds_labels,
    next_days,
    with_labels,
)
from platform_assets.features.offline.carried_state_file import MadeFrom, StoredState, load, save
from platform_assets.features.offline.feature_table import compute_days, compute_view, join_labels, uses_label
from platform_assets.features.offline.known_labels import is_dated_by_decision
from platform_assets.features.offline.lookups import days_to_read, join_lookups
from platform_assets.features.offline.sharding.plan import Capacity, ShardPlan
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.commits import Commit
from platform_assets.pipelines.completeness import Completeness, feature_completeness
from platform_assets.pipelines.labelled_events import has_versions, label_rows, loaded_label_days
from platform_assets.pipelines.required_days import require_source_days
from platform_assets.pipelines.row_versions import known_rows
from platform_assets.pipelines.shard_backfill import planned, shard_backfill

MOST_ROWS = 2_000_000
"""Events that are computed at once; a day with more is computed whole."""
VIEW_MEANING = "view_meaning"
_UNFINISHED = "being rewritten"
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ComputedFeatures:
    """Days of a feature table that were computed and written.

    Attributes:
        commit: the last write.
        uri: the table's address.
        rows: how many were written in all.
        carried_state: whether the stored state was used; else why not.
        versions: the Delta version that wrote each day.
        completeness: each stored day against the published events.
    """

    commit: Commit
    uri: str
    rows: int
    carried_state: str
    versions: Mapping[date, int]
    completeness: Mapping[date, Completeness]


def compute_features(
    catalog: Catalog, view: FeatureView, days: DayRange, capacity: Capacity | None = None
) -> ComputedFeatures:
    """Compute days of a view's feature table and write them, chunk by chunk; in shards and one commit where they do not fit into memory.

    Args:
        catalog: the tables.
        view: the features.
        days: the days.
        capacity: what the run may take; None where that is no concern.

    Raises:
        FeatureError: the view cannot be computed, or its meaning changed and other days of the table keep the older one.
        DaysMissing: days that the view reads were never published.
        LakeTableMissing: a table that the view reads was never published.
    """
    table = catalog.features(view)
    rewritten = refuse_mixed_meanings(catalog, view, days)
    computed = FeatureDays(catalog, view)
    computed.require_input(days)
    plan = None if capacity is None else computed.shard_plan(days, capacity)
    if plan is not None and capacity is not None:
        commit = shard_backfill(view, catalog.use_case, computed, table, plan, capacity, commit_record(computed))
        state, rows, versions = "history in shards", commit.rows, dict.fromkeys(days.days, commit.version)
        events_version = computed.versions[catalog.use_case.events]
        whole = feature_completeness(catalog, view, days, events_version=events_version)
        return ComputedFeatures(commit, table.uri, rows, state, versions, whole)
    rows, versions = 0, dict[date, int]()
    for first, last, frame in computed.frames(days.first, days.last):
        record = commit_record(computed, finished=not rewritten or last == days.last)
        commit = table.write_partitions(frame, first, last, allow_empty=True, metadata=record)
        rows += frame.height
        versions |= dict.fromkeys(DayRange(first, last).days, commit.version)
    events_version = computed.versions[catalog.use_case.events]
    whole = feature_completeness(catalog, view, days, events_version=events_version)
    return ComputedFeatures(commit, table.uri, rows, computed.state_used or "used", versions, whole)


class FeatureDays:
    """Computes days of one view's table, and keeps its state for the day after.

    Attributes:
        versions: Delta versions of the tables that are read, by name of their source.
        meaning: hash of what the view means.
        state_used: for a view with windows, whether its stored state was right; else why not.
    """

    def __init__(self, catalog: Catalog, view: FeatureView, most_rows: int = MOST_ROWS) -> None:
        """Pin the versions of the tables as they are now."""
        use_case = catalog.use_case
        self._catalog, self._case, self._view, self._most_rows = catalog, use_case, view, most_rows
        label = use_case.label_source
        self._joins_label = uses_label(view, use_case) and label.name != use_case.events
        names = [use_case.events, *([label.name] if self._joins_label else []), *(item.source for item in view.lookups)]
        self.versions = {name: catalog.clean(name).version() for name in names}
        changing = [name for name in names if use_case.source(name).is_incremental]
        self._raw_versions = {name: catalog.raw(name).stored.version() for name in changing}
        self.meaning = view_meaning_hash(use_case, view)
        self._layout = state_layout(view, use_case) if view.windows else None
        self._is_dated = uses_label(view, use_case) and is_dated_by_decision(use_case)
        self._loaded = loaded_label_days(catalog) if self._joins_label else None
        self._listed: dict[str, dict[date, tuple[str, ...]]] = {}
        self.state_used = ""
        self._uri = catalog.carried_state_uri(view)
        self._storage_options = catalog.lake.storage_options()

    def require_input(self, days: DayRange) -> None:
        """Refuse to compute days from days that were never published.

        Raises:
            DaysMissing: days of the events, the labels or a looked-up table lack.
        """
        use_case, view = self._case, self._view
        what = f"features {use_case.name}/features/{view.table} of {days}"
        oldest = days.first - timedelta(days=view.span_days if view.windows else 0)
        self._require_events(DayRange(oldest, days.last), what)
        if self._joins_label:
            label, newest = use_case.label_source, days.last - timedelta(days=use_case.label_arrival_days)
            require_source_days(self._catalog, label, oldest, newest, what, version=self.versions[label.name])
        for lookup in view.lookups:
            first, last = days_to_read(use_case, lookup, days.first, days.last) or (days.first, days.first)
            source = use_case.source(lookup.source)
            require_source_days(self._catalog, source, first, last, what, version=self.versions[lookup.source])

    def _require_events(self, days: DayRange, what: str) -> None:
        events, version = self._case.event_source, self.versions[self._case.events]
        require_source_days(self._catalog, events, days.first, days.last, what, version=version)

    def shard_plan(self, days: DayRange, capacity: Capacity) -> ShardPlan | None:
        """How these days are to be cut into shards; None where they fit into memory at once, or each day has labels of its own."""
        if self._is_dated or days.first == days.last:
            return None
        counts = self._catalog.events.stored.count_by_partition(version=self.versions[self._case.events])
        return planned(self._view, self._case, days, counts, capacity)

    def shard_events(self, first: date, last: date, newest: date) -> pl.DataFrame:
        """Events of these days with the labels that are known at 00:00 of `newest`; windows end before those that are not."""
        known = min(newest, last + timedelta(days=self._case.label_delay_days))
        return self._with_known_labels(self._events(first, last), first, known)

    def looked_up_events(self, first: date, last: date) -> pl.DataFrame:
        """Events of these days with what the view looks up for them."""
        return self._looked_up(self._events(first, last), first, last)

    def frames(self, first: date, last: date) -> Iterator[tuple[date, date, pl.DataFrame]]:
        """Rows of the feature table, chunk by chunk: first and last day, both included, and exactly `compute_view` of these.

        Once all chunks are taken, the state at the midnight after `last` is stored for the day that follows.

        Raises:
            FeatureError: a view cannot be computed.
            LakeTableMissing: a table was never published.
        """
        if self._layout is None:
            for begin, end in self._chunks(first, last):
                events = self._looked_up(self._events(begin, end), begin, end)
                yield begin, end, compute_view(self._view, self._case, events, begin, end)
            return
        if self._is_dated:
            yield from self._dated_frames(first, last)
            return
        stored = self._stored_state(first)
        self.state_used = stored.why_not
        state = self._state_from_events(first) if stored.state is None else stored.state
        for begin, end in self._chunks(first, last):
            state = self._with_labels(state, begin, end)
            events = self._looked_up(self._with_known_labels(self._events(begin, end), begin, end), begin, end)
            features, state = next_days(state, events, end)
            yield begin, end, features
        self._keep(state, stored)

    def _dated_frames(self, first: date, last: date) -> Iterator[tuple[date, date, pl.DataFrame]]:
        """The same for labels that are dated by their decision: they differ from midnight to midnight, so no state is carried."""
        self.state_used = (
            "labels are dated by their decision: each day is computed from the events that its windows reach"
        )
        for begin, end in self._chunks(first, last):
            oldest = max(self._case.history.first_day, begin - timedelta(days=self._view.span_days))
            events = self._events(oldest, end)
            of_days = pl.col(EVENT_DAY).is_between(begin, end)
            looked_up = self._looked_up(events.filter(of_days), begin, end)
            rows = pl.concat([events.filter(~of_days), looked_up], how="diagonal")
            name = self._case.label_source.name
            labels = rows
            if self._joins_label or has_versions(self._case):
                labels = label_rows(self._catalog, oldest, end, self.versions[name], self._raw_versions.get(name))
            yield begin, end, compute_days(self._view, self._case, rows, labels, begin, end, self._loaded)

    def _stored_state(self, first: date) -> StoredState:
        assert self._layout is not None, "only views with windows have state"
        return load(self._layout, self._uri, self._made_from(first, first - _ONE_DAY), self._storage_options)

    def _keep(self, state: CarriedState, stored: StoredState) -> None:
        """Store a state unless a later day's is there: that one was made from days that this run did not touch, or is refused."""
        if stored.day is None or stored.day <= state.day:
            made_from = self._made_from(state.day, state.labels_day)
            save(state, made_from, self._uri, self._storage_options)

    def _chunks(self, first: date, last: date) -> Iterator[tuple[date, date]]:
        if first == last:
            return iter([(first, last)])
        counts = self._catalog.events.stored.count_by_partition(version=self.versions[self._case.events])
        return day_chunks(counts, first, last, self._most_rows)

    def _made_from(self, day: date, labels_day: date) -> MadeFrom:
        """What a state of this midnight has to be made from, with the tables as they are in this run."""
        assert self._layout is not None, "only views with windows have state"
        oldest = day - timedelta(days=self._layout.span_days)
        reach = [self._files(self._case.events, oldest, day - _ONE_DAY)]
        known = day - _ONE_DAY
        if holds_labels(self._layout):
            known = labels_day
            if self._joins_label:
                newest = labels_day - timedelta(days=self._case.label_delay_days)
                reach.append(self._files(self._case.label_source.name, oldest, newest))
                if self._loaded is not None:
                    reach.append([sorted(day.isoformat() for day in self._loaded if oldest <= day <= newest)])
        digest = hashlib.sha256(json.dumps(reach).encode()).hexdigest()
        return MadeFrom(self.meaning, day.isoformat(), known.isoformat(), digest)

    def _files(self, source: str, first: date, last: date) -> list[list[str]]:
        if last < max(first, self._case.history.first_day):
            return []
        if source not in self._listed:
            table = self._catalog.clean(source).stored
            self._listed[source] = table.files_by_partition(version=self.versions[source])
        return [[day.isoformat(), *names] for day, names in self._listed[source].items() if first <= day <= last]

    def _state_from_events(self, day: date) -> CarriedState:
        """The state at a midnight from the days that windows reach."""
        assert self._layout is not None, "only views with windows have state"
        last = day - _ONE_DAY
        first = min(last, max(self._case.history.first_day, day - timedelta(days=self._layout.span_days)))
        events = self._with_known_labels(self._events(first, last), first, day)
        return carried_state(self._view, self._case, events, day)

    def _with_labels(self, state: CarriedState, first: date, last: date) -> CarriedState:
        """The state before `first` with the labels that are known at 00:00 of `last`."""
        delay = timedelta(days=self._case.label_delay_days)
        begin, end = state.labels_day - delay + _ONE_DAY, min(last - delay, first - _ONE_DAY)
        if not holds_labels(state.layout) or end < begin:
            return with_labels(state, None, last)
        return with_labels(state, self._with_known_labels(self._events(begin, end), begin, last), last)

    def _with_known_labels(self, events: pl.DataFrame, first: date, day: date) -> pl.DataFrame:
        """Events from `first` on with the labels that are known at 00:00 of `day`."""
        if not self._joins_label:
            return events
        last = day - timedelta(days=self._case.label_delay_days)
        source = self._case.label_source
        as_of = None if self._case.label.absent is None else day
        if last < max(first, self._case.history.first_day):  # none of them is known yet, and the table may not be there
            return join_labels(events, pl.DataFrame(schema=source.polars_schema()), self._case, as_of, self._loaded)
        return join_labels(events, self._rows(source.name, first, last), self._case, as_of, self._loaded)

    def _looked_up(self, events: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
        tables = {lookup.source: self._lookup_rows(lookup, first, last) for lookup in self._view.lookups}
        return join_lookups(events, tables, self._view, self._case)

    def _lookup_rows(self, lookup: Lookup, first: date, last: date) -> pl.DataFrame:
        days = [
            days_to_read(self._case, other, first, last)
            for other in self._view.lookups
            if other.source == lookup.source
        ]
        declared = self._case.source(lookup.source)
        reached = None
        if days[0] is not None:
            begin = min(needed[0] for needed in days if needed is not None)
            reached = begin, max(begin, days[0][1])
        return known_rows(
            self._catalog, declared, reached, self.versions[lookup.source], self._raw_versions.get(lookup.source)
        )

    def _events(self, first: date, last: date) -> pl.DataFrame:
        return self._rows(self._case.events, first, last)

    def _rows(self, source: str, first: date | None, last: date | None) -> pl.DataFrame:
        return self._catalog.clean(source).read(first, last, version=self.versions[source])


def commit_record(days: FeatureDays, *, finished: bool = True) -> dict[str, str]:
    """What a commit to a feature table records: what the view means, and the versions it was made from."""
    return {
        VIEW_MEANING: days.meaning if finished else f"{days.meaning}, {_UNFINISHED}",
        "data_versions": json.dumps(days.versions, sort_keys=True),
    }


def refuse_mixed_meanings(catalog: Catalog, view: FeatureView, days: DayRange) -> bool:
    """Refuse to write days of a table whose other days were computed from a declaration that meant something else.

    Returns:
        Whether the table is being rewritten as a whole because its meaning changed.

    Raises:
        FeatureError: the meaning changed, and days outside of the range would keep the older one.
    """
    table = catalog.features(view)
    if not table.exists():
        return False
    recorded = (entry.metadata.get(VIEW_MEANING) for entry in table.history(20))
    written, meaning = next(filter(None, recorded), None), view_meaning_hash(catalog.use_case, view)
    if written is None or written == meaning:
        return False
    others = [day for day in table.partitions() if not days.first <= day <= days.last]
    if others:
        raise FeatureError(
            f"view {view.name!r}: the features' meaning changed (from {written} to {meaning}), and the table {view.table!r} has "
            f"{len(others)} days besides {days.first} .. {days.last} that were computed from the older declaration. Declare `version: "
            f"{view.version + 1}` for a table of its own (the older one can be kept up under `previous_features`), or materialize "
            f"all days from {min([*others, days.first])} to {max([*others, days.last])} in one run"
        )
    return True
