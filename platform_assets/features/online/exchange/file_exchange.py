"""The exchange of the processes of one machine: a small SQLite file beside the online store.

Belongs here: this exchange. Does not belong here: what every exchange does (`base.py`).

The file survives processes that are killed, not a power cut, after which it is begun anew: all it holds is on its way into the states.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.exchange.base import (
    KEPT_SECONDS,
    EntityName,
    Seen,
    identity,
    read_back,
    written,
)

WAIT_SECONDS = 1.0
"""The longest to wait for another process's put."""
CLEANED_EVERY = 256
_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
  number INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, view TEXT NOT NULL, entity TEXT NOT NULL, identity TEXT NOT NULL,
  event TEXT NOT NULL, stored_at REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS in_no_state ON waiting (project, view, entity, identity) WHERE stored_at IS NULL;
CREATE INDEX IF NOT EXISTS by_entity ON waiting (project, view, entity, number);
CREATE INDEX IF NOT EXISTS stored ON waiting (stored_at) WHERE stored_at IS NOT NULL;
"""
_ENTITY = "project = ? AND view = ? AND entity = ?"
_MARK = "SELECT seq FROM sqlite_sequence WHERE name = 'waiting'"
_WAITING = f"SELECT event FROM waiting WHERE {_ENTITY} AND stored_at IS NULL ORDER BY number"
_LATER = f"SELECT 1 FROM waiting WHERE {_ENTITY} AND number > ? LIMIT 1"
_PUT = "INSERT OR IGNORE INTO waiting (project, view, entity, identity, event) VALUES (?, ?, ?, ?, ?)"
_STORED = f"UPDATE waiting SET stored_at = ? WHERE {_ENTITY} AND identity = ? AND stored_at IS NULL"
_WITHDRAW = f"DELETE FROM waiting WHERE {_ENTITY} AND identity = ? AND stored_at IS NULL"
_CLEAN = "DELETE FROM waiting WHERE stored_at < ?"
_LEFT = "SELECT DISTINCT view, entity FROM waiting WHERE project = ? AND stored_at IS NULL"


class FileExchange:
    """An `EventExchange` in a file. Each thread has a connection of its own."""

    def __init__(self, path: Path, project: str) -> None:
        """Open it, or make it.

        Raises:
            sqlite3.Error: it can be neither opened nor made.
        """
        self._path, self._project = path, project
        self._threads = threading.local()
        self._calls = 0
        try:
            self._connection()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            for broken in path.parent.glob(f"{path.name}*"):  # the write-ahead log too
                broken.unlink(missing_ok=True)
            self._connection()

    def seen(self, names: Sequence[EntityName]) -> Seen:
        """See `EventExchange`. The mark is the number of the newest event of all."""
        connection = self._connection()
        newest = connection.execute(_MARK).fetchone()
        waiting = []
        for name in names:
            rows = connection.execute(_WAITING, self._key(name)).fetchall() if name.entity is not None else ()
            waiting.append(tuple(read_back(text) for (text,) in rows))
        return Seen(tuple(waiting), newest[0] if newest else 0)

    def put(self, events: Sequence[tuple[EntityName, StateEvent]], mark: Any) -> bool:
        """See `EventExchange`."""
        with self._writing() as connection:
            if mark is not None:
                for name, _ in events:
                    if connection.execute(_LATER, (*self._key(name), mark)).fetchone() is not None:
                        return False
            connection.executemany(
                _PUT, [(*self._key(name), identity(event), written(event)) for name, event in events]
            )
        return True

    def stored(self, name: EntityName, events: Sequence[StateEvent]) -> None:
        """See `EventExchange`; now and then what was stored long ago is forgotten."""
        now = time.time()
        with self._writing() as connection:
            connection.executemany(_STORED, [(now, *self._key(name), identity(event)) for event in events])
            self._calls += 1
            if self._calls % CLEANED_EVERY == 0:
                connection.execute(_CLEAN, (now - KEPT_SECONDS,))

    def withdraw(self, name: EntityName, event: StateEvent) -> None:
        """See `EventExchange`."""
        with self._writing() as connection:
            connection.execute(_WITHDRAW, (*self._key(name), identity(event)))

    def left_behind(self) -> list[EntityName]:
        """See `EventExchange`; entities as text."""
        return [EntityName(*row) for row in self._connection().execute(_LEFT, (self._project,))]

    def _key(self, name: EntityName) -> tuple[str, str, str]:
        return self._project, name.view, str(name.entity)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the file from its begin on; nothing is written where the block raises."""
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection, opened anew where another file has taken the place of the one it is about."""
        known: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if known is not None and self._threads.file == _file(self._path):
            return known
        if known is not None:
            known.close()
        connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(_SCHEMA)
        self._threads.connection, self._threads.file = connection, _file(self._path)
        return connection


def _file(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one in its place; None where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
