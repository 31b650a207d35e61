"""Whether the online store still holds what was written to it: a mark in the store, and the same mark in Feast's registry.

Belongs here: the mark, where each kind of store keeps it, and what its absence means. Does not belong here: writing states
(`online/store.py`), or what a service answers meanwhile (`serving/online.py`).

A store that was emptied, replaced, set back to an older copy or that threw keys away answers as ever: of entities that it lost it says that
nobody knows them. So the mark is written after the states, read with every request, and compared with what the registry says was written.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from platform_assets.features.errors import StoreLost
from platform_assets.features.feast_import import feast_module
from platform_assets.features.online.feast_connection import FeastSettings, redis_client_of

GENERATION_SERVICE = "online_store_generation"
"""Feast object whose tags hold the mark in the registry; it has no features."""
EVICTIONS_EVERY_SECONDS = 5.0
REMEDY = "fill it again with `platform-assets run`"


@dataclass(frozen=True)
class Generation:
    """What the store held when it was last filled.

    Attributes:
        name: changes when the store is filled from nothing.
        as_of: the midnight whose state it is, ISO 8601.
        server: the running server of the store, where it has one: its counts begin anew with it.
        evicted: how many keys that server had thrown away by then.
    """

    name: str
    as_of: str
    server: str = ""
    evicted: int = 0

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Evictions:
    """How many keys a store's server has thrown away since it was started.

    Attributes:
        server: the running server.
        evicted: the count.
    """

    server: str = ""
    evicted: int = 0


class StoreMark(Protocol):
    """The mark in one kind of store."""

    def read(self) -> str | None:
        """The mark; None where there is none.

        Raises:
            StoreLost: what was opened is not the store any more.
        """

    def write(self, text: str) -> None:
        """Replace the mark."""

    def remove(self) -> None:
        """Take the mark away; nothing where there is none."""

    def evictions(self) -> Evictions:
        """Keys that the store threw away; none where it cannot tell."""


class SqliteMark:
    """The mark in a table of the SQLite file."""

    def __init__(self, path: Path, project: str) -> None:
        """Take the file; it is opened when it is first asked."""
        self._path, self._project = path, project
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def read(self) -> str | None:
        """See `StoreMark`."""
        connection = self._open()
        try:
            row = connection.execute(
                "SELECT mark FROM platform_assets_generation WHERE project = ?", (self._project,)
            ).fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
        return None if row is None else str(row[0])

    def write(self, text: str) -> None:
        """See `StoreMark`."""
        connection = self._open()
        connection.execute(
            "CREATE TABLE IF NOT EXISTS platform_assets_generation (project TEXT PRIMARY KEY, mark TEXT)"
        )
        connection.execute("INSERT OR REPLACE INTO platform_assets_generation VALUES (?, ?)", (self._project, text))

    def remove(self) -> None:
        """See `StoreMark`."""
        with suppress(sqlite3.OperationalError):
            self._open().execute("DELETE FROM platform_assets_generation WHERE project = ?", (self._project,))

    def evictions(self) -> Evictions:
        """None: a file throws nothing away."""
        return Evictions()

    def _open(self) -> sqlite3.Connection:
        try:
            status = os.stat(self._path)
        except FileNotFoundError as error:
            raise StoreLost(f"the online store's file {self._path} is gone; {REMEDY}") from error
        file = status.st_dev, status.st_ino
        if self._connection is None:
            self._connection = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
            self._file = file
        elif file != self._file:
            raise StoreReplaced(f"another file has taken the place of {self._path}")
        return self._connection


class StoreReplaced(StoreLost):
    """The store was replaced under this process, which has to open it again to know what it holds."""


class RedisMark:
    """The mark under a key of Redis."""

    def __init__(self, client: Any, project: str) -> None:
        """Take a client; nothing is asked."""
        self._client, self._key = client, f"platform_assets:{project}:generation"

    def read(self) -> str | None:
        """See `StoreMark`."""
        return self.answered(self._client.get(self._key))

    def queue(self, pipe: Any) -> None:
        """Ask in a pipeline of somebody else; one reply belongs to it."""
        pipe.get(self._key)

    def answered(self, reply: Any) -> str | None:
        """What the reply to `queue` says."""
        return None if reply is None else reply.decode() if isinstance(reply, bytes) else str(reply)

    def write(self, text: str) -> None:
        """See `StoreMark`."""
        self._client.set(self._key, text)

    def remove(self) -> None:
        """See `StoreMark`."""
        self._client.delete(self._key)

    def evictions(self) -> Evictions:
        """See `StoreMark`. Where only keys with an end may be evicted, none of ours is; where `INFO` is forbidden, nothing is known."""
        from redis.exceptions import ResponseError

        try:
            info = self._client.info()
        except ResponseError:
            return Evictions()
        if not isinstance(info, Mapping) or not str(info.get("maxmemory_policy", "")).startswith("allkeys"):
            return Evictions()
        return Evictions(str(info.get("run_id", "")), int(info.get("evicted_keys", 0)))


class NoMark:
    """Of a store that we know no place for a mark in: nothing is noticed."""

    def read(self) -> str | None:
        """None."""
        return None

    def write(self, text: str) -> None:
        """Nothing."""

    def remove(self) -> None:
        """Nothing."""

    def evictions(self) -> Evictions:
        """None."""
        return Evictions()


def open_mark(settings: FeastSettings, config: Any) -> StoreMark:
    """The mark of the store of the settings; nothing is asked."""
    client = redis_client_of(config)
    if client is not None:
        return RedisMark(client, settings.project)
    path = settings.sqlite_path
    return NoMark() if path is None else SqliteMark(path, settings.project)


def expected_generation(store: Any) -> Generation | None:
    """What Feast's registry says the store holds; None where it was never filled, or by code that knew no marks."""
    from feast.errors import FeatureServiceNotFoundException

    try:
        tags = store.registry.get_feature_service(GENERATION_SERVICE, store.project, allow_cache=False).tags
    except FeatureServiceNotFoundException:
        return None
    return Generation(str(tags["name"]), str(tags["as_of"]))


def note_filled(store: Any, mark: StoreMark, as_of: date, *, anew: bool) -> Generation:
    """Mark a store that was just filled: itself first, so that a crash in between leaves a mark that is newer than what is expected.

    Args:
        store: Feast's facade.
        mark: the store's.
        as_of: the midnight whose state was written.
        anew: whether it held nothing before.
    """
    before, evictions = expected_generation(store), mark.evictions()
    name = uuid4().hex if anew or before is None else before.name
    newest = as_of.isoformat() if anew or before is None else max(as_of.isoformat(), before.as_of)
    generation = Generation(name, newest, evictions.server, evictions.evicted)
    feast = feast_module()
    tags = {"name": generation.name, "as_of": generation.as_of}
    mark.write(generation.text())
    store.registry.apply_feature_service(
        feast.FeatureService(name=GENERATION_SERVICE, features=[], tags=tags), store.project
    )
    return generation


def lost_because(expected: Generation | None, found: str | None, evictions: Evictions | None = None) -> str | None:
    """Why a store does not hold what was written to it; None where it does, or where nothing is known about it.

    Args:
        expected: what the registry says.
        found: the mark in the store.
        evictions: keys that the store has thrown away; None where that was not asked.
    """
    if expected is None:
        return None
    if found is None:
        return (
            f"the online store lost its data: it was filled as of {expected.as_of}, and holds no mark of it; {REMEDY}"
        )
    generation = Generation(**json.loads(found))
    if generation.as_of < expected.as_of:
        held = f"it holds the state as of {generation.as_of}, and was filled as of {expected.as_of}"
        return f"the online store is an older copy: {held}; {REMEDY}"
    if evictions is not None:
        before = generation.evicted if generation.server == evictions.server else 0
        if evictions.evicted > before:
            return (
                f"the online store threw {evictions.evicted - before} keys away since it was filled: give Redis more memory, or "
                f"`maxmemory-policy noeviction`, and {REMEDY}"
            )
    return None


def why_lost(settings: FeastSettings) -> str | None:
    """Why the online store of the settings does not hold what was written to it; None where it does, or was never filled.

    Raises:
        sqlite3.Error, redis.exceptions.RedisError: it does not answer.
    """
    from platform_assets.features.online.feast_connection import feast_store

    store = feast_store(settings)
    expected = expected_generation(store)
    if expected is None:
        return None
    mark = open_mark(settings, store.config)
    try:
        return lost_because(expected, mark.read(), mark.evictions())
    except StoreLost as error:
        return str(error)


class GenerationGuard:
    """Compares the mark that came with a request; used by one thread."""

    def __init__(self, store: Any, mark: StoreMark) -> None:
        """Ask the registry what is expected, and bind the mark to the store as it is now."""
        self.mark = mark
        mark.read()
        self._expected = expected_generation(store)
        self._accepted: str | None = None
        self._evictions: Evictions | None = None
        self._asked_at = 0.0

    def check(self, found: str | None) -> None:
        """Refuse a store that lost what it held.

        A mark of another generation, or of a later day, is one that was filled again since: from now on it is what is expected.

        Raises:
            StoreLost: it did; the message says what is seen, and the remedy.
        """
        if self._expected is None and found is None:
            return
        now = time.monotonic()
        if now - self._asked_at >= EVICTIONS_EVERY_SECONDS:
            self._asked_at = now
            self._evictions, self._accepted = self.mark.evictions(), None
        if found is not None and found == self._accepted:
            return
        reason = lost_because(self._expected, found, self._evictions)
        if reason is not None:
            raise StoreLost(reason)
        assert found is not None, "without a mark there is a reason, or nothing is expected"
        generation = Generation(**json.loads(found))
        self._accepted, self._expected = found, Generation(generation.name, generation.as_of)
