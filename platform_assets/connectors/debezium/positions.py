"""Where a change stands in its database's own log, by the fields that each Debezium connector sends.

Belongs here: from the `source` of an envelope to one whole number. Does not belong here: several numberings of one feed, and
snapshots (`order.py`).

Published in the connectors' documentation (debezium.io/documentation/reference/connectors, "Change events"). Row locks order the
changes of one row by any of these numbers, also where transactions are interleaved.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from platform_assets.connectors.json_changes import whole_number

PLACE_BITS = 63

_FILE_BITS, _RUN_BITS_MONGODB, _RUN_BITS_ORACLE, _RUN_BITS_GTID = 40, 11, 14, 20
_LSN = re.compile(r"^([0-9a-fA-F]{8}):([0-9a-fA-F]{8}):([0-9a-fA-F]{4})$")
_LSN_BITS = (24, 25, 12)
"""Of a SQL Server LSN: 16 million virtual log files, of 16 GiB, blocks of at most 4,096 records (a block has 60 KiB)."""
_SERIAL_BITS = 2
_PG_LSN = re.compile(r"^([0-9a-fA-F]{1,8})/([0-9a-fA-F]{1,8})$")
_RESUME_TOKEN = re.compile(r"^82([0-9a-fA-F]{8})([0-9a-fA-F]{8})")


class PositionError(ValueError):
    """A position that cannot be read, or is too large for a whole number of 63 bits."""


@dataclass(frozen=True)
class LogPosition:
    """Where a change stands in a numbering."""

    numbering: str
    """What counts: positions of different numberings cannot be compared."""
    place: int
    """Grows with every change of one row."""
    mark: int | None = None
    """Never falls from one message to the next while the numbering lasts; None where nothing sent does so."""
    room: int = 1
    """How many changes may share a place: those behind the first are numbered in the order in which they come."""

    def __str__(self) -> str:
        return f"{self.numbering} {self.place if self.mark is None else self.mark}"


def position_of(origin: Mapping[str, Any]) -> LogPosition | None:
    """The position in an envelope's `source`; None where it has none.

    Raises:
        PositionError: If it has one that cannot be read.
    """
    for read in _READERS:
        position = read(origin)
        if position is not None:
            if position.place >> PLACE_BITS:
                raise PositionError(f"the position {position} is too large: name a field by connector.sequence")
            return position
    return None


def _postgresql(origin: Mapping[str, Any]) -> LogPosition | None:
    """`lsn` of the change; `sequence` has the LSN of the commit before, then that of the change."""
    commit, change = None, origin.get("lsn")
    pair = origin.get("sequence")
    if isinstance(pair, str) and pair.startswith("["):
        try:
            pair = json.loads(pair)
        except ValueError:
            pair = None
    if isinstance(pair, list) and len(pair) == 2:
        commit, change = _postgresql_lsn(pair[0]), pair[1] if change is None else change
    place = _postgresql_lsn(change)
    return None if place is None else LogPosition("lsn", place, commit)


def _postgresql_lsn(value: Any) -> int | None:
    parts = _PG_LSN.match(value) if isinstance(value, str) else None
    return int(parts[1], 16) << 32 | int(parts[2], 16) if parts else whole_number(value)


def _mysql(origin: Mapping[str, Any]) -> LogPosition | None:
    """Binlog file, position and row within the event; a transaction's GTID where there is no file.

    Every row of an event takes a byte at least, so that position plus row stays below the next event's position.
    """
    number = re.search(r"\.(\d+)$", str(origin.get("file") or ""))
    offset = whole_number(origin.get("pos"))
    if number is not None and offset is not None:
        place = int(number[1]) << _FILE_BITS | (offset + (whole_number(origin.get("row")) or 0))
        return LogPosition("binlog", place, place)
    gtid = origin.get("gtid")
    if not isinstance(gtid, str) or not gtid:
        return None
    # MySQL: server:transaction, or server:tag:transaction. MariaDB: domain-server-transaction, which every server of a domain shares.
    separator = ":" if ":" in gtid else "-"
    server, _, last = gtid.rpartition(separator)
    transaction = whole_number(last)
    if transaction is None:
        raise PositionError(f"gtid {gtid!r} is not one of a single transaction: name a field by connector.sequence")
    name = server if separator == ":" else server.partition("-")[0]
    return LogPosition(f"gtid {name}", transaction << _RUN_BITS_GTID, transaction, 1 << _RUN_BITS_GTID)


def _sql_server(origin: Mapping[str, Any]) -> LogPosition | None:
    """The pair `commit_lsn` and `change_lsn`; `event_serial_no`, from 1, tells changes of one LSN apart."""
    change, commit = _sql_server_lsn(origin.get("change_lsn")), _sql_server_lsn(origin.get("commit_lsn"))
    if change is None:
        return None
    serial = min((whole_number(origin.get("event_serial_no")) or 1) - 1, (1 << _SERIAL_BITS) - 1)
    return LogPosition("change_lsn", change << _SERIAL_BITS | max(serial, 0), commit)


def _sql_server_lsn(value: Any) -> int | None:
    """An LSN of three hexadecimal parts as a number; those of other databases are one number."""
    if not isinstance(value, str) or value in ("", "NULL"):
        return whole_number(value)
    parts = _LSN.match(value)
    if parts is None:
        number = whole_number(value)
        if number is None:
            raise PositionError(f"LSN {value!r} is neither a whole number nor of the form 00000027:00000758:0005")
        return number
    place = 0
    for text, bits in zip(parts.groups(), _LSN_BITS, strict=True):
        if int(text, 16) >> bits:
            raise PositionError(f"LSN {value!r} is too large: name a field by connector.sequence")
        place = place << bits | int(text, 16)
    return place


def _mongodb(origin: Mapping[str, Any]) -> LogPosition | None:
    """Cluster time: the second in `ts_ms`, and `ord` within it, which all operations of a transaction share."""
    second, order = whole_number(origin.get("ts_ms")), whole_number(origin.get("ord"))
    token = _RESUME_TOKEN.match(str(origin.get("resume_token") or ""))
    if token is not None:
        second, order = int(token[1], 16) * 1000, int(token[2], 16)
    if second is None or order is None:
        return None
    bits = PLACE_BITS - 32 - _RUN_BITS_MONGODB
    if order >> bits:
        raise PositionError(f"ord {order} is too large: name a field by connector.sequence")
    place = (second // 1000 << bits | order) << _RUN_BITS_MONGODB
    return LogPosition("cluster time", place, place, 1 << _RUN_BITS_MONGODB)


def _oracle(origin: Mapping[str, Any]) -> LogPosition | None:
    """The system change number, which changes share."""
    place = whole_number(origin.get("scn"))
    if place is None:
        return None
    mark = whole_number(origin.get("commit_scn"))
    return LogPosition("scn", place << _RUN_BITS_ORACLE, mark, 1 << _RUN_BITS_ORACLE)


_READERS: tuple[Callable[[Mapping[str, Any]], LogPosition | None], ...] = (
    _postgresql,
    _mysql,
    _sql_server,
    _mongodb,
    _oracle,
)
