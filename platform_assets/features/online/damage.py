"""Telling a damaged part of the online store from a store that does not answer.

Belongs here: which of the clients' errors mean that what lies under one key cannot be read. Does not belong here: what a service does
then (`serving/online.py`), states whose lists do not fit together (`state_table.py`).

A store that does not answer costs everybody who waits for it, so it is left alone for a moment. Damage is found at once and concerns
those whose state lies there: the others go on.
"""

from __future__ import annotations

import sqlite3
import sys
from typing import Any

_PRIMARY = 0xFF
_SQLITE_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_SQLITE_UNREADABLE = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)
_WRONG_TYPE = "WRONGTYPE"


def is_damage(error: Exception) -> bool:
    """Whether an error of a store's client is about what is stored under the keys that were read or written, not about the store."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and (code & _PRIMARY in _SQLITE_DAMAGE or code in _SQLITE_UNREADABLE)
    redis: Any = sys.modules.get("redis.exceptions")
    if redis is not None and isinstance(error, redis.ResponseError):
        return str(error).startswith(_WRONG_TYPE)
    return isinstance(error, decode_errors())


def decode_errors() -> tuple[type[Exception], ...]:
    """What is raised for stored bytes that are no value; nothing as long as nothing was read."""
    protobuf: Any = sys.modules.get("google.protobuf.message")
    return () if protobuf is None else (protobuf.DecodeError,)
