"""Writing the online store: Feast's registry brought up to the declaration, and states written, verified and dated.

Belongs here: what the batch side does with Feast. Does not belong here: making a state (`entity_state.py`), looking one up for
a request (`online/request_features.py`), Feast's objects themselves (`online/feast_objects.py`).

What Feast leaves open and this module closes: it can report success having written nothing (feast#5745), so every chunk
is read back; it moves its watermark before the values are there (feast#3787), so ours moves last; its SQLite store lets
an older write replace a newer one, so a state older than the watermark is refused.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from platform_assets.declaration.sections.features import FeatureView
from platform_assets.declaration.use_case import UseCase
from platform_assets.features.entity_state import EVENT_TIMES, STATE_TIME, StateLayout, state_layout
from platform_assets.features.errors import OlderState, StateError
from platform_assets.features.event_frames import microseconds, require_columns
from platform_assets.features.online.feast_connection import (
    FeastSettings,
    feast_store,
    prepare_sqlite,
    redis_client_of,
    repo_config,
)
from platform_assets.features.online.feast_objects import feast_objects
from platform_assets.features.online.histories import replaced
from platform_assets.features.online.packed_state import packed_states
from platform_assets.features.online.redis_client import redis_lock
from platform_assets.features.online.state_table import OnlineTable, encode_state, online_table, packed

ENTITIES_PER_CHUNK = 500
SAMPLE_EVERY = 50
HOLD_SECONDS = 30.0
WAIT_SECONDS = 10.0
BATCH_WAIT_SECONDS = 600.0


def apply(use_case: UseCase, settings: FeastSettings) -> tuple[str, ...]:
    """Bring Feast's registry and online tables up to the declaration; nothing is taken away.

    Returns:
        Names of the Feast objects, the feature service last; nothing when no view keeps state.

    Raises:
        FeatureError: an entity's key has a type that Feast cannot look up.
    """
    objects = feast_objects(use_case)
    if not objects:
        return ()
    prepare_sqlite(settings)
    feast_store(settings).apply(objects)
    return tuple(str(item.name) for item in objects)


def watermark(view: FeatureView, settings: FeastSettings, use_case: UseCase) -> datetime | None:
    """Time of the newest verified state of a view, or None before the first.

    Raises:
        StateError: the view is not in Feast's registry.
    """
    return _watermark(online_table(state_layout(view, use_case), feast_store(settings)))


def write_state(
    view: FeatureView, state: pl.DataFrame, settings: FeastSettings, use_case: UseCase, *, anew: bool = False
) -> int:
    """Write a state made by `entity_state`, verify it, then move the watermark.

    Events that a running service recorded at or after the state's time are kept: the state cannot know them.
    Entities that are not part of the state keep what they have. That is harmless: their events have left all windows.

    Args:
        view: the windowed view.
        state: rows of `entity_state`, all made at one time.
        settings: where Feast keeps its registry and values.
        use_case: the declaration.
        anew: the store lost what it held: the watermark is about states that are gone.

    Returns:
        How many entities were written.

    Raises:
        OlderState: the state is older than the watermark; nothing was written.
        StateError: the state mixes times, or reads back differently.
        FeatureError: a column is missing.
    """
    layout = state_layout(view, use_case)
    require_columns(state.columns, list(layout.schema), f"state of view {view.name!r}")
    moments = state[STATE_TIME].unique().to_list()
    if len(moments) > 1:
        raise StateError(
            f"state of view {view.name!r} mixes {len(moments)} times; make it with one call of entity_state"
        )
    if not moments:
        return 0
    names, counts = list(layout.list_types), state[EVENT_TIMES].list.len()
    rows = state.filter(counts > 0).select(names).explode(names)
    states = States(layout, state[layout.entity_key].to_list(), counts.to_list(), rows, moments[0])
    return write_states(states, settings, anew=anew).written


@dataclass(frozen=True, eq=False)
class States:
    """The states of entities as of a midnight.

    Attributes:
        layout: what they hold.
        entities: whose they are.
        counts: how many events each has.
        rows: the events, one entity after the other, with the columns of `StateLayout.list_types`.
        moment: the midnight.
    """

    layout: StateLayout
    entities: Sequence[Any]
    counts: Sequence[int]
    rows: pl.DataFrame
    moment: datetime

    @classmethod
    def of_rows(cls, layout: StateLayout, rows: pl.DataFrame, moment: datetime) -> States:
        """States of events that are in order of entity, time and key; the entity's key is among the columns."""
        runs = rows.select(pl.col(layout.entity_key).rle().alias("run")).unnest("run")
        return cls(layout, runs["value"].to_list(), runs["len"].to_list(), rows, moment)

    def chunks(self, size: int) -> Iterator[tuple[list[Any], list[bytes]]]:
        """Entities and their packed states, so many at a time."""
        first = 0
        for begin in range(0, len(self.entities), size):
            counts = self.counts[begin : begin + size]
            rows = self.rows.slice(first, sum(counts))
            first += len(rows)
            yield list(self.entities[begin : begin + size]), packed_states(self.layout, rows, counts)


@dataclass(frozen=True)
class WrittenStates:
    """What became of states.

    Attributes:
        written: how many were written.
        unchanged: how many the store held already: but for events that no window reaches any more, the same bytes.
    """

    written: int
    unchanged: int = 0


def write_states(
    states: States, settings: FeastSettings, *, anew: bool = False, changed_only: bool = False
) -> WrittenStates:
    """Write states, verify them, then move the watermark; see `write_state`.

    Args:
        states: the states.
        settings: where Feast keeps its registry and values.
        anew: the store lost what it held: the watermark is about states that are gone.
        changed_only: leave those alone of which the store holds the same.

    Raises:
        OlderState: the states are older than the watermark; nothing was written.
        StateError: a state reads back differently.
    """
    layout, moment = states.layout, states.moment
    written = 0
    store = feast_store(settings)
    lock = WriteLock(settings)
    with WriteLock(settings, "batch", wait_seconds=BATCH_WAIT_SECONDS).held() as go_on:
        table = online_table(layout, store)  # its watermark is read now that no other batch writes
        newest = None if anew else _watermark(table)
        if newest is not None and moment < newest:
            raise OlderState(
                f"state of view {layout.view.name!r} as of {moment} is older than the one in the online store, as of {newest}; "
                "write states in time order"
            )
        for entities, packed_chunk in states.chunks(ENTITIES_PER_CHUNK):
            go_on()
            with lock.held():
                written += _write_chunk(table, entities, packed_chunk, moment, changed_only=changed_only)
        store.registry.apply_materialization(
            table.view, settings.project, moment - timedelta(days=layout.span_days), moment, commit=True
        )
    return WrittenStates(written, len(states.entities) - written)


class WriteLock:
    """One writer at a time, so that two who read, change and write back the same entity do not lose an event.

    Holds within a process always, between the processes of one machine where the online store is a file, and between all
    machines where it is Redis. Other stores have no lock that Feast knows: run one writer there.
    """

    def __init__(self, settings: FeastSettings, what: str = "entities", wait_seconds: float = WAIT_SECONDS) -> None:
        """Describe a lock; nothing is opened.

        Args:
            settings: where the online store is.
            what: what it guards: `entities`, or a whole `batch` of states.
            wait_seconds: the longest to wait for it where the store is Redis.
        """
        self._threads = threading.Lock()
        self._wait_seconds = wait_seconds
        path = settings.sqlite_path
        self._path = None if path is None else path.with_name(f"{path.name}.{what}.lock")
        self._name = f"platform_assets:{settings.project}:{what}"
        self._settings = settings

    @cached_property
    def _client(self) -> Any:
        """The redis client; None where the store is another one."""
        return redis_client_of(repo_config(self._settings))

    @contextmanager
    def held(self) -> Iterator[Callable[[], object]]:
        """Wait for the lock and hold it.

        Yields:
            To be called at least every 30 s where it is held for long.
        """
        with self._threads:
            if self._path is not None:
                with self._path.open("a") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    yield _nothing
            elif self._client is not None:
                with redis_lock(self._client, self._name, HOLD_SECONDS, self._wait_seconds) as go_on:
                    yield go_on
            else:
                yield _nothing


def _nothing() -> None:
    """A file's lock does not run out."""


def _watermark(table: OnlineTable) -> datetime | None:
    intervals: list[tuple[datetime, datetime]] = table.view.materialization_intervals
    if not intervals:
        return None
    return max(end if end.tzinfo else end.replace(tzinfo=UTC) for _, end in intervals)


def _write_chunk(
    table: OnlineTable, entities: list[Any], states: list[bytes], moment: datetime, *, changed_only: bool
) -> int:
    """Write some entities, keeping newer events that are stored, and read them back; how many were written."""
    boundary = microseconds(moment)
    rows: list[tuple[Any, dict[str, Any], datetime]] = []
    for entity, stored, state in zip(entities, table.read(entities), states, strict=True):
        data = None if stored is None else packed(stored)
        kept = replaced(table, entity, state, data, boundary, changed_only=changed_only)
        if kept is None:
            continue
        rows.append((entity, encode_state(kept), moment))
    if rows:
        table.write(rows)
        _verify(table, rows)
    return len(rows)


def _verify(table: OnlineTable, rows: list[tuple[Any, dict[str, Any], datetime]]) -> None:
    """Read a chunk back: every entity must be there, and every 50th must hold what was written."""
    name = table.layout.view.name
    read_back = table.read([entity for entity, _, _ in rows])
    missing = [entity for (entity, _, _), stored in zip(rows, read_back, strict=True) if stored is None]
    if missing:
        raise StateError(
            f"view {name!r}: {len(missing)} of {len(rows)} entities were not in the online store after writing, for "
            f"example {missing[:3]}; the watermark stays where it was: check the store and write again"
        )
    for (entity, fields, _), stored in list(zip(rows, read_back, strict=True))[::SAMPLE_EVERY]:
        # Compared as bytes: a NaN is not equal to itself.
        if stored is None or any(_bytes(stored.get(field)) != _bytes(value) for field, value in fields.items()):
            raise StateError(
                f"view {name!r}: the state of {table.layout.entity_key}={entity!r} reads back differently from what "
                "was written; the watermark stays where it was: check the store and write again"
            )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value.SerializeToString(deterministic=True))
