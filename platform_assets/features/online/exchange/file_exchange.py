"""The exchange of the processes of one machine: a small SQLite file beside the online store.

Belongs here: this exchange. Does not belong here: what every exchange does (`base.py`).

The file survives processes that are killed, not a power cut or a bad disk. Whoever meets a damaged file begins it anew, when it is opened
as while it is open: all it holds is on its way into the states. The others notice that another file has taken its place.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.damage import is_damage
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
TRIES = 3
"""How often a call is made where the file is damaged or replaced under it."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
  number INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, view TEXT NOT NULL, entity TEXT NOT NULL, identity TEXT NOT NULL,
  event TEXT NOT NULL, stored_at REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS in_no_state ON waiting (project, view, entity, identity) WHERE stored_at IS NULL;
CREATE INDEX IF NOT EXISTS by_entity ON waiting (project, view, entity, number);
CREATE INDEX IF NOT EXISTS stored ON waiting (stored_at) WHERE stored_at IS NOT NULL;
"""
_FIRST = """
INSERT INTO sqlite_sequence (name, seq) SELECT 'waiting', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'waiting')
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


Result = TypeVar("Result")


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
        self._connection()

    def seen(self, names: Sequence[EntityName]) -> Seen:
        """See `EventExchange`. The mark is the number of the newest event of all."""

        def read(connection: sqlite3.Connection) -> Seen:
            newest = connection.execute(_MARK).fetchone()
            waiting = []
            for name in names:
                rows = connection.execute(_WAITING, self._key(name)).fetchall() if name.entity is not None else ()
                waiting.append(tuple(read_back(text) for (text,) in rows))
            return Seen(tuple(waiting), newest[0] if newest else 0)

        return self._answered(read)

    def put(self, events: Sequence[tuple[EntityName, StateEvent]], mark: Any) -> bool:
        """See `EventExchange`."""

        def put(connection: sqlite3.Connection) -> bool:
            with _transaction(connection):
                if mark is not None:
                    for name, _ in events:
                        if connection.execute(_LATER, (*self._key(name), mark)).fetchone() is not None:
                            return False
                rows = [(*self._key(name), identity(event), written(event)) for name, event in events]
                connection.executemany(_PUT, rows)
            return True

        return self._answered(put)

    def stored(self, events: Sequence[tuple[EntityName, Sequence[StateEvent]]]) -> None:
        """See `EventExchange`; now and then what was stored long ago is forgotten."""
        now = time.time()
        self._calls += 1
        clean = self._calls % CLEANED_EVERY == 0

        def mark_stored(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                rows = [(now, *self._key(name), identity(event)) for name, of_entity in events for event in of_entity]
                connection.executemany(_STORED, rows)
                if clean:
                    connection.execute(_CLEAN, (now - KEPT_SECONDS,))

        self._answered(mark_stored)

    def withdraw(self, name: EntityName, event: StateEvent) -> None:
        """See `EventExchange`."""

        def delete(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute(_WITHDRAW, (*self._key(name), identity(event)))

        self._answered(delete)

    def left_behind(self) -> list[EntityName]:
        """See `EventExchange`; entities as text."""
        rows = self._answered(lambda connection: connection.execute(_LEFT, (self._project,)).fetchall())
        return [EntityName(*row) for row in rows]

    def _key(self, name: EntityName) -> tuple[str, str, str]:
        return self._project, name.view, str(name.entity)

    def _answered(self, call: Callable[[sqlite3.Connection], Result]) -> Result:
        """What a call gives; made again where the file is damaged, and begun anew then, or where another took its place meanwhile."""
        for _ in range(TRIES - 1):
            connection = self._connection()
            try:
                result = call(connection)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                with self._alone():
                    self._take_away(self._threads.file)
            else:
                if self._threads.file == _file(self._path):
                    return result
        return call(self._connection())

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection, opened anew where another file has taken the place of the one it is about."""
        known: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if known is not None and self._threads.file == _file(self._path):
            return known
        with self._alone():
            try:
                opened = self._opened()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._take_away(_file(self._path))
                opened = self._opened()
            self._threads.connection, self._threads.file = opened, _file(self._path)
        if known is not None:
            known.close()
        return opened

    def _opened(self) -> sqlite3.Connection:
        """A connection to the file as it is, or to a new one whose numbers are higher than those of any before it."""
        connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=OFF")
            connection.executescript(_SCHEMA)
            if connection.execute(_MARK).fetchone() is None:
                connection.execute(_FIRST, (time.time_ns(),))
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _take_away(self, damaged: tuple[int, int] | None) -> None:
        """Remove the damaged file, unless another one has taken its place: somebody else met the damage first.

        As long as a connection holds the damaged file, no other one can have its identity.
        """
        if damaged == _file(self._path):
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While the file is opened, or taken away: no other thread or process does either.

        Raises:
            sqlite3.OperationalError: the folder is gone.
        """
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
        except OSError as error:
            raise sqlite3.OperationalError(f"unable to open database file: {error}") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that holds the file from its begin on; nothing is written where the block raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # of a damaged file: what made it necessary says more
            connection.execute("ROLLBACK")
        raise


def _file(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one in its place; None where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
