"""Dagster's SQLite event log, with connections that are kept.

Dagster opens and closes a connection, and makes a new SQLAlchemy engine with an empty statement cache, for every event;
each close checkpoints the write-ahead log to disk. A range of 170 partitions of three assets stores 510 events that way,
20 ms each (compare dagster#19618, bulk writes, which help PostgreSQL only). Here an engine for each file keeps one
connection, and events that come together are written together. Belongs here: this workaround, until Dagster keeps its
connections. Does not belong here: anything else about Dagster's storage; PostgreSQL does not need it.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

OPEN_ENGINES = 16
"""Each run has a file of its own; the least recently used are closed."""


class KeptConnectionsEventLogStorage(SqliteEventLogStorage):
    """SQLite event log whose connections stay open between events."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """See `SqliteEventLogStorage`; the configuration is the same."""
        self._engines: OrderedDict[tuple[int, str], Engine] = OrderedDict()
        self._tables: set[str] = set()
        self._has_index_columns = False
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Made by Dagster from `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        # A forked process must not share a SQLite connection with its parent.
        key = (os.getpid(), shard)
        if key not in self._engines:
            self._engines[key] = _engine(self.conn_string_for_shard(shard))
        self._engines.move_to_end(key)
        while len(self._engines) > OPEN_ENGINES:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[key]

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; one that is there is not asked for again, as Dagster does for every event."""
        if table_name not in self._tables:
            if not super().has_table(table_name):
                return False
            self._tables.add(table_name)
        return True

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        # Looked up by Dagster for every event; a schema that has the columns keeps them.
        if not self._has_index_columns:
            self._has_index_columns = bool(super()._has_asset_key_index_cols_on_connection(conn))
        return self._has_index_columns

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events of many partitions in one transaction for each file, where Dagster makes one for each event.

        Dagster calls it when DAGSTER_EVENT_BATCH_SIZE is set, for events of assets that come together.
        """
        of_assets = [entry for entry in events if entry.dagster_event_type in ASSET_EVENTS]
        for run_id, group in groupby(of_assets, key=lambda entry: entry.run_id):
            self._store_together(run_id, list(group))
        for entry in events:
            if entry.dagster_event_type not in ASSET_EVENTS:
                self.store_event(entry)

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        number = SqlEventLogStorageTable.c.id
        insert = SqlEventLogStorageTable.insert().returning(number, sort_by_parameter_order=True)
        with self.index_transaction() as connection:
            ids = connection.execute(insert, rows).scalars().all()
            self._store_asset_event_tags(connection, events, ids)
            # A row for each asset is kept beside its events: the last event of each kind makes it what it is.
            last = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): index
                for index, event in enumerate(events)
            }
            for index in sorted(last.values()):
                self._store_asset_event(connection, events[index], ids[index])

    def run_log_bytes(self, run_id: str) -> int:
        """What the log of a run takes on disk; 0 where it is gone."""
        return sum(path.stat().st_size for path in self._run_files(run_id) if path.exists())

    def remove_run_log(self, run_id: str) -> int:
        """Remove the log of a run that has ended, and nothing else: materializations and checks have a second copy, by asset, that stays.

        Args:
            run_id: the run, whose page in the UI then shows no events.

        Returns:
            The bytes that are free again.
        """
        freed = self.run_log_bytes(run_id)
        with self._db_lock:
            engine = self._engines.pop((os.getpid(), run_id), None)
            if engine is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            for path in self._run_files(run_id):
                path.unlink(missing_ok=True)
        return freed

    def _run_files(self, run_id: str) -> list[Path]:
        return [Path(self.path_for_shard(run_id) + ending) for ending in ("", "-wal", "-shm")]

    def wipe(self) -> None:
        """Remove all events; a connection that stayed open would go on writing to a file that is gone."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close every connection."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _engine(address: str) -> Engine:
    # All use is serialised by the storage's lock, so one connection may serve all threads.
    engine = create_engine(
        address,
        poolclass=StaticPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def write_to_disk_at_checkpoints(connection: Any, _record: Any) -> None:
        # With a write-ahead log this cannot corrupt the file; a power cut may lose the last events.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
