"""What is new in a database since a cursor.

Belongs here: the order in which rows are read, and how one that was committed late is told from those already
delivered. Does not belong here: connecting and asking (`days.py`), rows to columns (`rows.py`).

Rows are read in the order of the cursor column and the primary key, each time after the last one delivered. A
transaction that commits late may leave a row behind that place. So every read also looks back as far as `overlap`, and
always over the rows that share the last cursor value, and delivers what it did not deliver before: the cursor remembers
those rows by a short digest each.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import ChangeBatch
from platform_assets.connectors.casting import text_to_times
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.marks import is_deleted
from platform_assets.connectors.sql.days import Relation, ask, fetch, stream
from platform_assets.connectors.sql.rows import frame_of
from platform_assets.declaration.delivered_columns import (
    CHANGE_OPERATION,
    CHANGE_SEQUENCE,
    CHANGE_TIME,
    DELETE,
    SOURCE_PROBLEM,
    UPSERT,
)
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source

if TYPE_CHECKING:
    import sqlalchemy as sa

MAX_REMEMBERED = 20_000
"""Rows behind the cursor that are remembered at most, the newest ones: eight characters of the cursor for each."""

_DIGEST_BYTES = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPERATIONS = {
    **dict.fromkeys(("insert", "i", "create", "c", "update", "u", "upsert", "read", "r"), UPSERT),
    **dict.fromkeys(("delete", "d"), DELETE),
}

RowOrder = tuple[Any, ...]
"""Cursor value, then primary key: where a row stands in the order; the key may be left out."""


@dataclass(frozen=True)
class SqlCursor:
    """How far a table was read."""

    at: RowOrder | None = None
    """The last row in order that was delivered."""
    since: RowOrder | None = None
    """Where the rows begin that are remembered."""
    seen: frozenset[bytes] = frozenset()
    """Digests of the rows from there to `at` that were delivered."""

    @classmethod
    def of(cls, text: str | None, where: str) -> SqlCursor:
        """Read a cursor's text.

        Raises:
            SourceError: If it is that of another kind of source.
        """
        if text is None:
            return cls()
        try:
            content = json.loads(text)
            packed = base64.b64decode(content["seen"])
            seen = frozenset(packed[i : i + _DIGEST_BYTES] for i in range(0, len(packed), _DIGEST_BYTES))
            return cls(_position(content["at"]), _position(content["since"]), seen)
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(
                f"{where}: the cursor kept with its table is not one of a database: {text[:80]!r}. The connector was "
                f"another one when it was written: load into a new table, or declare the former connector."
            ) from error

    def text(self) -> str:
        """The cursor as JSON."""
        packed = base64.b64encode(b"".join(sorted(self.seen))).decode()
        return json.dumps({"at": _plain(self.at), "since": _plain(self.since), "seen": packed})


def read_sql_changes(
    source: Source, connector: SqlConnector, cursor: str | None, max_rows: int, access: Access
) -> ChangeBatch:
    """Rows that are new or changed since the cursor, in one snapshot of the database.

    The sequence of a change is its cursor value: a number itself, a time in microseconds since 1970.

    Raises:
        SourceError: If the database cannot be reached, the cursor column has nulls, or two rows share cursor and key.
    """
    before = SqlCursor.of(cursor, f"source '{source.name}'")
    order = (connector.cursor or "", *source.primary_key)
    needed = [*order, *(name for name in (connector.operation, connector.deleted) if name)]

    def read(connection: sa.Connection, relation: Relation) -> tuple[list[Any], SqlCursor, bool, Relation]:
        _refuse_nulls(source, connection, relation, order)
        order_columns = [relation.columns.index(name) for name in order]
        late, delivered, left = _behind(connection, relation, order, before, max_rows)
        room = max_rows - len(late)
        forward = [] if left or not room else fetch(connection, _select(relation, order, before.at).limit(room + 1))
        _refuse_ties(source, order, [_of(row, order_columns) for row in forward])
        more = left or not room or len(forward) > room
        forward = forward[:room]
        delivered += [_of(row, order_columns) for row in forward]
        at = delivered[-1] if forward else before.at
        after = before if at is None else _remembering(source, connector, at, delivered)
        return late + forward, after, more, relation

    rows, after, more, relation = ask(source, connector, access, needed, read)
    frame = frame_of(source, relation.columns, rows, relation.label)
    frame = frame.with_columns(*_operations(connector, frame), _sequences(source, connector, frame))
    frame = frame.with_columns(_made_at(connector, frame))
    unchanged = cursor is not None and not rows
    return ChangeBatch(frame, cursor if unchanged and cursor is not None else after.text(), more)


def _behind(
    connection: sa.Connection, relation: Relation, order: Sequence[str], before: SqlCursor, max_rows: int
) -> tuple[list[Any], list[RowOrder], bool]:
    """Rows behind the cursor that were not delivered, these and the remembered ones by place, and whether some are left."""
    late: list[Any] = []
    delivered: list[RowOrder] = []
    left = False
    if before.at is None:
        return late, delivered, left
    order_columns = [relation.columns.index(name) for name in order]
    for batch in stream(connection, _select(relation, order, since=before.since, until=before.at)):
        for row in batch:
            position = _of(row, order_columns)
            if _digest(position) in before.seen:
                delivered.append(position)
            elif len(late) < max_rows:
                late.append(row)
                delivered.append(position)
            else:
                left = True
    return late, delivered, left


def _remembering(source: Source, connector: SqlConnector, at: RowOrder, positions: list[RowOrder]) -> SqlCursor:
    """A cursor that remembers those of the delivered places that lie within the overlap."""
    oldest = _less(source, connector, at[0])
    kept = [position for position in positions if not position[0] < oldest]
    since: RowOrder = (oldest,)
    if len(kept) > MAX_REMEMBERED:
        kept = kept[-MAX_REMEMBERED:]
        since = kept[0]
    return SqlCursor(at, since, frozenset(map(_digest, kept)))


def _less(source: Source, connector: SqlConnector, value: Any) -> Any:
    """The cursor value that lies `overlap` before another."""
    if not connector.overlap:
        return value
    if isinstance(value, datetime):
        return value - timedelta(seconds=connector.overlap)
    if isinstance(value, date):
        return value - timedelta(days=-(-connector.overlap // 86_400))
    if isinstance(value, int | Decimal):
        return value - connector.overlap
    raise SourceError(
        f"source '{source.name}': connector.overlap needs a cursor that is a number or a time, and '{connector.cursor}' "
        f"holds {type(value).__name__} ({value!r}). Cast it in connector.query, or leave overlap out."
    )


def _select(
    relation: Relation,
    order: Sequence[str],
    after: RowOrder | None = None,
    since: RowOrder | None = None,
    until: RowOrder | None = None,
) -> Any:
    """Rows in order: after a place, or from a place to another, both included."""
    import sqlalchemy as sa

    columns = [relation.column(name) for name in order]
    conditions: list[Any] = []
    if after is not None:
        conditions += [columns[0] >= after[0], _beyond(columns, after)]
    if since is not None:
        conditions += [columns[0] >= since[0], sa.or_(_beyond(columns[: len(since)], since), _same(columns, since))]
    if until is not None:
        conditions += [columns[0] <= until[0], sa.not_(_beyond(columns, until))]
    return sa.select(relation.selectable).where(*conditions).order_by(*columns)


def _beyond(columns: Sequence[Any], position: RowOrder) -> Any:
    """Whether a row stands after a place, compared column by column."""
    import sqlalchemy as sa

    return sa.or_(
        *[
            sa.and_(*[columns[i] == position[i] for i in range(at)], columns[at] > position[at])
            for at in range(len(position))
        ]
    )


def _same(columns: Sequence[Any], position: RowOrder) -> Any:
    import sqlalchemy as sa

    return sa.and_(*[column == value for column, value in zip(columns, position, strict=False)])


def _refuse_nulls(source: Source, connection: sa.Connection, relation: Relation, order: Sequence[str]) -> None:
    """A row that has no place in the order would never be read: silence would be loss."""
    import sqlalchemy as sa

    missing = sa.or_(*[relation.column(name).is_(None) for name in order])
    keys = [relation.column(name) for name in source.primary_key]
    missing_rows = connection.execute(sa.select(*keys).where(missing).limit(4)).all()
    if missing_rows:
        examples = ", ".join(repr(tuple(row)) for row in missing_rows[:3])
        raise SourceError(
            f"source '{source.name}': rows without a value in {' or '.join(map(repr, order))} would never be read, for "
            f"example those with the key {examples}{' and more' if len(missing_rows) > 3 else ''}. Fill the column, or leave "
            f"these rows out by connector.query (WHERE {order[0]} IS NOT NULL). Nothing was loaded."
        )


def _refuse_ties(source: Source, order: Sequence[str], positions: list[RowOrder]) -> None:
    for position, following in pairwise(positions):
        if position == following:
            raise SourceError(
                f"source '{source.name}': two rows have the same {', '.join(order)}: {position!r}. Which is newer cannot be "
                f"told. Take a cursor column that differs (a change number), or correct the primary key."
            )


def _operations(connector: SqlConnector, frame: pl.DataFrame) -> list[pl.Series]:
    """`change_operation`, and `source_problem` where it cannot be told."""
    problems: list[str | None] = [None] * frame.height
    operations: list[str] = [UPSERT] * frame.height
    if connector.operation is not None:
        for row, value in enumerate(frame[connector.operation]):
            operation = _OPERATIONS.get(str(value).strip().lower())
            if operation is None:
                problems[row] = f"{connector.operation}={value!r} is none of insert, update and delete"
            operations[row] = operation or UPSERT
    elif connector.deleted is not None:
        marks = frame[connector.deleted]
        operations = [DELETE if is_deleted(mark) else UPSERT for mark in marks]
    return [
        pl.Series(CHANGE_OPERATION, operations, dtype=pl.String),
        pl.Series(SOURCE_PROBLEM, problems, dtype=pl.String),
    ]


def _sequences(source: Source, connector: SqlConnector, frame: pl.DataFrame) -> pl.Series:
    values = frame[connector.cursor or ""]
    if values.dtype == pl.Null:
        return pl.Series(CHANGE_SEQUENCE, [], dtype=pl.Int64)
    if values.dtype == pl.String:
        numbers = text_to_times(values).dt.timestamp("us")
    elif values.dtype.is_temporal():
        numbers = values.cast(pl.Datetime("us")).dt.timestamp("us")
    elif values.dtype.is_integer() or values.dtype.is_decimal():
        numbers = values.cast(pl.Int64, strict=False)
        numbers = numbers.set(numbers.cast(values.dtype, strict=False).ne_missing(values), None)
    else:
        numbers = pl.repeat(None, len(values), dtype=pl.Int64, eager=True)
    if numbers.null_count():
        example = frame[connector.cursor or ""].filter(numbers.is_null())[0]
        raise SourceError(
            f"source '{source.name}': the cursor column '{connector.cursor}' holds {example!r}, which is neither a whole "
            f"number nor a time. Take another column, or cast it in connector.query."
        )
    return numbers.alias(CHANGE_SEQUENCE)


def _made_at(connector: SqlConnector, frame: pl.DataFrame) -> pl.Series:
    """When each change was made, where the cursor is a time: `_sequences` has it in microseconds."""
    dtype = frame[connector.cursor or ""].dtype
    made = frame[CHANGE_SEQUENCE] if dtype == pl.String or dtype.is_temporal() else pl.Series([None], dtype=pl.Int64)
    made = made if len(made) == frame.height else made.new_from_index(0, frame.height)
    return made.cast(pl.Datetime("us", "UTC")).alias(CHANGE_TIME)


def _of(row: Sequence[Any], order_columns: Sequence[int]) -> RowOrder:
    return tuple(row[column] for column in order_columns)


def _digest(position: RowOrder) -> bytes:
    return blake2b(json.dumps(_plain(position)).encode(), digest_size=_DIGEST_BYTES).digest()


def _plain(position: RowOrder | None) -> list[Any] | None:
    """A place as JSON: numbers and text as they are, everything else with its type."""
    if position is None:
        return None
    plain: list[Any] = []
    for value in position:
        if isinstance(value, bool) or not isinstance(value, int | str):
            kind = type(value).__name__
            if kind not in _TYPES:
                raise SourceError(
                    f"a cursor or key of type {kind} ({value!r}) cannot be kept: cast it in connector.query."
                )
            plain.append({kind: _TO_TEXT.get(kind, str)(value)})
        else:
            plain.append(value)
    return plain


_TO_TEXT: dict[str, Callable[[Any], str]] = {
    "datetime": datetime.isoformat,
    "date": date.isoformat,
    "bytes": bytes.hex,
}
_TYPES: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
    "float": float,
    "bool": lambda text: text == "True",
    "bytes": bytes.fromhex,
}


def _position(plain: list[Any] | None) -> RowOrder | None:
    if plain is None:
        return None
    values = []
    for value in plain:
        if isinstance(value, dict):
            [(kind, text)] = value.items()
            value = _TYPES[kind](text)
        values.append(value)
    return tuple(values)
