"""Databases that the tests of SQL sources run on, each with the same two operations.

Belongs here: SQLite files and the shared PostgreSQL behind one face. Does not belong here: starting servers
(`servers.py`).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Protocol

from platform_assets.connectors import Access
from platform_assets.testing.servers import PostgreSQL

VARIABLE = "SHOP_DATABASE"


class Database(Protocol):
    """A database with SQL that both kinds understand."""

    url: str

    def execute(self, statements: str) -> None:
        """Run statements and commit."""
        ...


class SQLite:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        sqlite3.connect(path).execute("VACUUM")  # makes the file

    def execute(self, statements: str) -> None:
        """As `Database.execute`."""
        connection = sqlite3.connect(self.path)
        connection.executescript(statements)
        connection.commit()
        connection.close()


class Schema:
    """A fresh schema of the shared PostgreSQL."""

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        self.url = server.url
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")

    def execute(self, statements: str) -> None:
        """As `Database.execute`."""
        self.server.execute(statements)


def access(database: Database) -> Access:
    """What an installation hands to readers of this database."""
    return Access(variables={VARIABLE: database.url})
