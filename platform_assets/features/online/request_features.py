"""Features of one request, in process, from the states in the online store and the request's own event.

Belongs here: looking up, computing and recording for a running service. Does not belong here: writing states in bulk
(`online/store.py`), HTTP, the model.

The same kernel and the same row expressions run here as over the whole history, so that the values agree to the bit.
Feast is called through its online store interface (`online_read`, `online_write_batch`): `get_online_features` resolves
names and copies values anew for every request, which costs more than the look-up itself.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.use_case import UseCase
from platform_assets.features.aggregation.kernel import compiled_kernel
from platform_assets.features.entity_state import state_layout
from platform_assets.features.errors import FeatureError, StateError
from platform_assets.features.online.exchange.opened import open_exchange
from platform_assets.features.online.feast_connection import FeastSettings, feast_store
from platform_assets.features.online.feast_objects import feast_view_name, feature_service_name, windowed_views
from platform_assets.features.online.generation import REMEDY, GenerationGuard, StoreReplaced, open_mark
from platform_assets.features.online.lookup_state import LookupTable, lookup_layouts, lookup_table
from platform_assets.features.online.recording import EventRecorder, entity_names
from platform_assets.features.online.request_reads import NOTHING_SEEN, RequestReads, StoredRequest
from platform_assets.features.online.request_windows import HistoryWindows
from platform_assets.features.online.single_request import RowComputation
from platform_assets.features.online.state_table import OnlineTable, online_table, packed
from platform_assets.features.online.store import WriteLock
from platform_assets.features.state_events import state_event


@dataclass(frozen=True, eq=False)
class FeatureVector:
    """A model's input for one request.

    Attributes:
        values: float64 [f], in the order of the use case's feature names; NaN stands for a missing value.
        unknown_entities: names of the entities that have no history, in declared order.
        unknown_lookups: names of the look-ups that have no row for the request, in declared order.
        too_late_for: names of the entities whose stored history does not reach as far back as a request of this age needs: it
            begins after the request's windows do. Their window features are missing, not guessed.
        mark: where the exchange of events stood when they were looked up; for `announce`. None where it was not asked.
    """

    values: NDArray[np.float64]
    unknown_entities: tuple[str, ...]
    unknown_lookups: tuple[str, ...] = ()
    too_late_for: tuple[str, ...] = ()
    mark: Any = None


class OnlineFeatures:
    """Looks up and computes a use case's features for requests, and records what was scored.

    `announce` makes an event count in the next look-up at once, of whatever process; `record` brings it into the store, which
    may take milliseconds and wait for other writers, and is best called from another thread.

    Safe to use from several threads. Reading and writing have a connection each, so that a look-up never waits for a
    record and never sees half of one.
    """

    def __init__(self, use_case: UseCase, settings: FeastSettings) -> None:
        """Open the store.

        Raises:
            StateError: Feast's registry has no feature service for this use case's feature contract.
        """
        self._use_case = use_case
        self._settings = settings
        self._opening = threading.Lock()
        self._open()
        layouts = [table.layout for table in self._readers]
        self._request_schema = {
            name: use_case.event_source.column(name).polars_type for name in use_case.serving.request
        }
        names = use_case.feature_names
        self._feature_count = len(names)
        self._positions = [np.array([names.index(n) for n in layout.plan.names], dtype=np.intp) for layout in layouts]
        self._lookup_positions = [
            [(names.index(name), name) for name in table.layout.lookup.feature_names] for table in self._lookups
        ]
        self._rows = RowComputation(use_case, self._request_schema, self._lookups)
        self._recorder.store_left_behind()

    def _open(self) -> None:
        """Open what the settings name, as it is now."""
        use_case, settings = self._use_case, self._settings
        layouts = [state_layout(view, use_case) for view in windowed_views(use_case)]
        self._readers: list[OnlineTable] = []
        self._lookups: list[LookupTable] = []
        self._guard: GenerationGuard | None = None
        writers: list[OnlineTable] = []
        exchange = mark = None
        if layouts or lookup_layouts(use_case):
            store = feast_store(settings)
            require_service(use_case, store)
            self._readers = [online_table(layout, store) for layout in layouts]
            writers = [online_table(layout, store) for layout in layouts]
            self._lookups = [lookup_table(layout, store) for layout in lookup_layouts(use_case)]
            exchange, mark = open_exchange(settings, store.config), open_mark(settings, store.config)
            self._guard = GenerationGuard(store, mark)
        self._histories = HistoryWindows(WriteLock(settings))
        self._reads = RequestReads([*self._readers, *self._lookups], exchange, mark)
        self._recorder = EventRecorder(use_case, writers, exchange, WriteLock(settings))

    def vector(self, event: Mapping[str, Any]) -> FeatureVector:
        """Features of a request.

        Args:
            event: the request's columns by name; the event time is a datetime with its zone.

        Raises:
            FeatureError: a column is missing or has a wrong type.
            StateError: a stored state is damaged.
            StoreLost: the store does not hold any more what was written to it.
        """
        return self._vector(event, asking=True)

    def without_history(self, event: Mapping[str, Any]) -> FeatureVector:
        """Features of a request as if the store knew nothing of its entities and held no row to look up; it is not read.

        Raises:
            FeatureError: a column is missing or has a wrong type.
        """
        return self._vector(event, asking=False)

    def _vector(self, event: Mapping[str, Any], *, asking: bool) -> FeatureVector:
        self._require_request(event)
        values = np.full(self._feature_count, np.nan)
        unknown: dict[str, None] = {}
        too_late: dict[str, None] = {}
        entities = [table.layout.entity_of(event) for table in self._readers]
        keys = [table.layout.key_of(event) for table in self._lookups]
        here = self._recorder.pending(
            entities
        )  # before the store: what is stored in between is seen twice, and counted once
        requested: list[Any] = [*entities, *keys] if asking else [None] * (len(entities) + len(keys))
        read = self._read(requested, event) if asking else StoredRequest(requested, NOTHING_SEEN, None)
        elsewhere = read.seen.waiting or [()] * len(entities)
        for table, positions, entity, fields, own_events, events in zip(
            self._readers, self._positions, entities, read.fields, here, elsewhere, strict=False
        ):
            own = state_event(table.layout, event)
            data = None if fields is None else packed(fields)
            found = self._histories.windows(table, entity, data, own, [*own_events, *events])
            if found.is_unknown:
                unknown[str(table.layout.view.entity)] = None
            if found.values is None:
                too_late[str(table.layout.view.entity)] = None
            else:
                values[positions] = found.values
        looked_up, absent = self._look_up(event, values, keys, read.fields[len(entities) :])
        if self._rows.names:
            values[self._rows.positions] = self._rows.values(event, values, looked_up)
        return FeatureVector(values, tuple(unknown), absent, tuple(too_late), read.seen.mark)

    def _read(self, requested: Sequence[Any], event: Mapping[str, Any]) -> StoredRequest:
        """What the store holds, opened again where it was replaced.

        Raises:
            StoreLost: it does not hold any more what was written to it.
        """
        names = entity_names(self._readers, event)
        try:
            read = self._reads.read(requested, names)
        except StoreReplaced:
            self._open_again()
            read = self._reads.read(requested, names)
        if self._guard is not None:
            self._guard.check(read.mark)
        return read

    def _open_again(self) -> None:
        with self._opening:
            recorder = self._recorder
            self._open()
            self._recorder.take_over(recorder)

    def announce(self, event: Mapping[str, Any], mark: Any = None) -> bool:
        """Let look-ups of every process count a scored event from now on; `record` or `forget` must follow.

        Args:
            event: the request's columns by name.
            mark: of the vector that it was scored from; None announces it in any case.

        Returns:
            False when an event of one of its entities was announced since the vector was made: nothing was done, look up and score again.

        Raises:
            FeatureError: a column is missing.
        """
        self._require_request(event)
        return self._recorder.announce(event, mark)

    def announce_here(self, event: Mapping[str, Any]) -> None:
        """Let look-ups of this process count a scored event, while the others cannot be reached.

        Raises:
            FeatureError: a column is missing.
        """
        self._require_request(event)
        self._recorder.announce_here(event)

    def forget(self, event: Mapping[str, Any]) -> None:
        """Take back an announcement, the newest of several of one event; nothing where there was none."""
        self._recorder.forget(event)

    @property
    def pending_count(self) -> int:
        """How many announced events are not stored yet, counted for each view."""
        return self._recorder.pending_count

    def record(self, event: Mapping[str, Any]) -> None:
        """Add a scored event to the states of its entities, once: an event whose key is there already changes nothing.

        An announcement of it in this process ends, also where recording fails: what the store does not hold does not count for ever. Other
        processes see it until it is stored.

        Raises:
            FeatureError: a column is missing, or the event lies in the future.
            StateError: a stored state is damaged.
            StoreLost: the store does not hold any more what was written to it; nothing was recorded.
        """
        (error,) = self.record_all([event])
        if error is not None:
            raise error

    def record_all(self, events: Sequence[Mapping[str, Any]]) -> list[Exception | None]:
        """Record events at the cost of few: the store is locked, read and written once for all of them; see `record`.

        Returns:
            For each event why it was not recorded, where that concerns it alone; None where it was.

        Raises:
            FeatureError: an event lacks a column.
            StoreLost: the store does not hold any more what was written to it; nothing was recorded.
        """
        for event in events:
            self._require_request(event)
        if self._guard is not None:
            try:
                self._guard.check(self._guard.mark.read())
            except StoreReplaced:
                self._open_again()
                self._guard.check(self._guard.mark.read())
        return self._recorder.record_all(events)

    def warm_up(self) -> None:
        """Load the kernel, open connections and plans, and keep what is loaded out of garbage collection for good.

        Collections are what makes a few look-ups take many times longer than the rest. Call once, before the first
        request.
        """
        compiled_kernel()
        example = {name: _example(dtype) for name, dtype in self._request_schema.items()}
        example[self._use_case.event_time] = datetime.now(UTC)  # whoever this is, it is not before its newest event
        for _ in range(3):
            self.vector(example)
        gc.collect()
        gc.freeze()

    def _look_up(
        self,
        event: Mapping[str, Any],
        values: NDArray[np.float64],
        keys: Sequence[str | None],
        stored: Sequence[dict[str, Any] | None],
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Looked-up values by name, defaults filled in, and the look-ups without a row; writes their features into `values`."""
        looked_up: dict[str, Any] = {}
        absent: dict[str, None] = {}
        time = event[self._use_case.event_time]
        for table, positions, key, fields in zip(self._lookups, self._lookup_positions, keys, stored, strict=True):
            lookup = table.layout.lookup
            row = None if key is None else table.value(key, fields, time)
            if row is None:
                absent[lookup.name] = None
                row = dict.fromkeys(table.layout.types)
            for column, default in lookup.defaults.items():
                if row[f"{lookup.name}_{column}"] is None:
                    row[f"{lookup.name}_{column}"] = default
            looked_up |= row
            for position, name in positions:
                values[position] = np.nan if row[name] is None else row[name]
        return looked_up, tuple(absent)

    def _require_request(self, event: Mapping[str, Any]) -> None:
        missing = [name for name in self._request_schema if name not in event]
        if missing:
            raise FeatureError(f"the request lacks {missing}; it must carry {list(self._request_schema)}")


def require_service(use_case: UseCase, store: Any) -> None:
    """Refuse to work with a registry that does not know this feature contract, or knows it with states in another format.

    Raises:
        StateError: it has no feature service for it; both hashes stand in the message. Or none of its views is the one that is read.
    """
    name = feature_service_name(use_case)
    services = {str(service.name): service for service in store.registry.list_feature_services(store.project)}
    if name not in services:
        raise StateError(
            f"Feast's registry has no feature service {name!r}, which this feature contract needs; it has {sorted(services)}. "
            "Materialize the online store asset from the declaration that the model was trained with"
        )
    held = {str(projection.name) for projection in services[name].feature_view_projections}
    needed = {feast_view_name(state_layout(view, use_case)) for view in windowed_views(use_case)}
    if needed - held:
        raise StateError(
            f"the online store of {use_case.name!r} was filled by a version of the platform with another format of states: it has "
            f"{sorted(held)}, and {sorted(needed - held)} is read; {REMEDY}"
        )


def _example(dtype: pl.DataType) -> Any:
    """Some value of a type, for a request that only warms up."""
    if dtype == pl.String():
        return ""
    if isinstance(dtype, pl.Datetime):
        return datetime(1970, 1, 2, tzinfo=UTC)
    if dtype == pl.Date():
        return datetime(1970, 1, 2, tzinfo=UTC).date()
    return False if dtype == pl.Boolean() else 0
