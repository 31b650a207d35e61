"""Databases of a backup: consistent copies of SQLite files, dumps of PostgreSQL, and addresses that move with a home.

Belongs here: SQLite's online backup, `pg_dump` and `pg_restore`, paths within a copied database. Does not belong here: which databases an
installation has (`pipelines/back_up.py`).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from platform_assets.recovery.errors import RecoveryError, RestoreRefused

_MAGIC = b"SQLite format 3\0"
_BUSY_SECONDS = 30.0
_NO_LOG = "none"
SQLITE = "sqlite:///"
BESIDE_SQLITE = ("-wal", "-shm", "-journal")
"""What lies beside an SQLite file belongs to it, and is in no copy of its own."""


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def sqlite_path(address: str) -> Path | None:
    """The file of an SQLAlchemy address; None where it names another kind of database."""
    return Path(address.removeprefix(SQLITE)) if address.startswith(SQLITE) else None


def sqlite_stamp(path: Path) -> str:
    """What is known of a database without opening it: size and time of change of the file and of its write-ahead log."""
    found = []
    for name in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = name.stat()
        except FileNotFoundError:
            found.append(_NO_LOG)
        else:  # whoever only reads leaves an empty log behind
            found.append(f"{status.st_size}:{status.st_mtime_ns}" if status.st_size else _NO_LOG)
    return "+".join(found)


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database that others may be writing to, as of one moment.

    Raises:
        RecoveryError: it cannot be read.
    """
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise RecoveryError(f"the database {source} cannot be copied: {error}") from error


def is_postgresql(address: str) -> bool:
    """Whether an SQLAlchemy address names PostgreSQL, whatever the driver."""
    return address.partition("://")[0].partition("+")[0] in ("postgresql", "postgres")


def dump_postgresql(name: str, address: str, target: Path) -> None:
    """Dump a database as of one moment, in `pg_dump`'s own format.

    Raises:
        RecoveryError: the tool is not installed, or fails.
    """
    _run(name, address, ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(target)])


def load_postgresql(name: str, address: str, dump: Path) -> None:
    """Fill an empty database from a dump, in one transaction.

    Raises:
        RestoreRefused: the database has tables.
        RecoveryError: the tool is not installed, or fails.
    """
    if tables := postgresql_tables(address):
        raise RestoreRefused(
            f"the {name} database has {tables} tables; restore into an empty one: create it, and point its setting there"
        )
    options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    _run(name, address, ["pg_restore", *options, "--dbname", _database(address), str(dump)])


def postgresql_tables(address: str) -> int:
    """How many tables a database has.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it does not answer.
    """
    import sqlalchemy

    engine = sqlalchemy.create_engine(address.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        return len(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def relocate(path: Path, moved: Mapping[str, str]) -> int:
    """Let addresses in a copied SQLite file that begin with an old root begin with the new one.

    MLflow keeps the whole address of each run's artifacts, and has no call that changes it.

    Args:
        path: the file; nobody else has it open.
        moved: new root by old root.

    Returns:
        How many values were changed.
    """
    changed = 0
    with closing(sqlite3.connect(path)) as database, database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_rest in database.execute(f'PRAGMA table_info("{table}")').fetchall():
                if not any(word in str(kind).upper() for word in ("CHAR", "TEXT")):
                    continue
                for old, new in moved.items():
                    statement = (
                        f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                        f'WHERE "{column}" = ? OR substr("{column}", 1, ?) = ?'
                    )
                    values = (new, len(old) + 1, old, len(old) + 1, f"{old}/")
                    changed += database.execute(statement, values).rowcount
    return changed


def _run(name: str, address: str, command: list[str]) -> None:
    """Run one of PostgreSQL's tools; the address goes by the environment, for everybody sees arguments."""
    program = shutil.which(command[0])
    if program is None:
        raise RecoveryError(
            f"the {name} database is PostgreSQL, and {command[0]} is not installed here: install PostgreSQL's client"
        )
    done = subprocess.run(
        [program, *command[1:]], env=_environment(address), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RecoveryError(f"{command[0]} of the {name} database failed: {done.stderr.strip()[:500]}")


def _environment(address: str) -> dict[str, str]:
    parts = urlsplit(address)
    given = {
        "PGHOST": parts.hostname,
        "PGPORT": None if parts.port is None else str(parts.port),
        "PGUSER": None if parts.username is None else unquote(parts.username),
        "PGPASSWORD": None if parts.password is None else unquote(parts.password),
        "PGDATABASE": _database(address),
    }
    return {"PATH": os.defpath, "LC_ALL": "C", **{key: value for key, value in given.items() if value}}


def _database(address: str) -> str:
    return unquote(urlsplit(address).path.lstrip("/"))
