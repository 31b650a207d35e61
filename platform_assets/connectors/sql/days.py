"""Databases: connecting, asking, and reading event days or a whole table.

Belongs here: the connection, what a declared table or query is to SQLAlchemy, and reads without a cursor. Does not
belong here: rows to columns (`rows.py`) and what is new since a cursor (`changes.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.connectors.access import ATTEMPTS, Access, Result, with_patience
from platform_assets.connectors.casting import event_days
from platform_assets.connectors.delivery import day_range
from platform_assets.connectors.errors import SourceError
from platform_assets.connectors.sql.rows import frame_of
from platform_assets.connectors.written_forms import DeliveredNames, kept_names
from platform_assets.declaration.delivered_columns import DELIVERED_DAY
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source
from platform_assets.declaration.time_zones import day_start

if TYPE_CHECKING:
    import sqlalchemy as sa

BATCH_ROWS = 10_000
"""Rows that a database sends at a time."""

_CONNECT_SECONDS = 5
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_ESCAPED = re.compile(r"\\(?=:\w*(?![:\w]))")
_BIND = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))")
"""What SQLAlchemy takes for an escape and for a parameter, by its own patterns (`sqlalchemy.sql.compiler`)."""


@dataclass(frozen=True)
class Relation:
    """The declared table or query, as something to select from; columns that are declared have their declared names."""

    selectable: Any
    columns: tuple[str, ...]
    label: str
    """Begins the position of each row: `postgresql:orders`."""

    def column(self, name: str) -> Any:
        """The column of that name."""
        return self.selectable.c[name]


def read_sql(
    source: Source, connector: SqlConnector, first_day: date | None, last_day: date | None, access: Access
) -> pl.DataFrame:
    """Rows of a reference table, or of the event days asked for.

    A row is delivered for the day of its event time, in UTC or in the source's zone; one without an event time is delivered for no day.

    Raises:
        SourceError: If the database cannot be reached after several attempts, or does not have what is declared.
    """
    days = day_range(source, first_day, last_day) if source.is_daily else None

    def read(connection: sa.Connection, relation: Relation) -> pl.DataFrame:
        import sqlalchemy as sa

        query = sa.select(relation.selectable)
        if days is not None:
            query = query.where(*within_days(connection, source, relation, *days))
        rows = fetch(connection, query)
        frame = frame_of(source, relation.columns, rows, relation.label)
        if days is None:
            return frame
        delivered = event_days(frame[source.event_time or ""], source.time_zone).alias(DELIVERED_DAY)
        return frame.with_columns(delivered).filter(pl.col(DELIVERED_DAY).is_between(*days))

    return ask(source, connector, access, needed_for_time(source), read)


def needed_for_time(source: Source) -> tuple[str, ...]:
    """Columns without which rows have no event time, by the names they have in a relation."""
    if source.event_time is None:
        return ()
    delivered = source.column(source.event_time).delivered_names
    return (source.event_time,) if len(delivered) == 1 else delivered


def ask(
    source: Source,
    connector: SqlConnector,
    access: Access,
    needed: Sequence[str],
    read: Callable[[sa.Connection, Relation], Result],
) -> Result:
    """What `read(connection, relation)` returns from one snapshot of the database, tried again when the connection is lost.

    Args:
        source: The declared source.
        connector: Its connector.
        access: Where the address is.
        needed: Columns without which there is nothing to ask.
        read: Reads everything it needs and returns it.

    Raises:
        SourceError: If the database cannot be reached or does not have what is declared.
    """
    import sqlalchemy as sa

    engine = _engine(source, connector, access)

    def attempt() -> Result:
        with _snapshot(engine) as connection:
            relation = _relation(source, connector, connection)
            missing = [name for name in dict.fromkeys(needed) if name not in relation.columns]
            if missing:
                raise SourceError(
                    f"source '{source.name}': {_what(connector)} has no column {', '.join(map(repr, missing))}, which "
                    f"defs.yaml names as event_time, primary_key or in its connector; it has "
                    f"{', '.join(relation.columns)}. Correct the declaration."
                )
            return read(connection, relation)

    try:
        return with_patience(attempt, _is_lost)
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        if _is_lost(error):
            raise SourceError(
                f"source '{source.name}': the database at {_address(engine)} cannot be reached, or the connection was lost "
                f"{ATTEMPTS} times: {reason}. Nothing was loaded. Check that it runs and that {connector.url} is right."
            ) from error
        raise SourceError(
            f"source '{source.name}': the database at {_address(engine)} refuses to read {_what(connector)}: {reason}. "
            f"Correct the connector in defs.yaml, or the rights of the user in {connector.url}."
        ) from error
    finally:
        engine.dispose()


def fetch(connection: sa.Connection, query: Any) -> list[tuple[Any, ...]]:
    """All rows of a query, without a second copy of them in the driver."""
    rows: list[tuple[Any, ...]] = []
    for batch in stream(connection, query):
        rows += batch
    return rows


def stream(connection: sa.Connection, query: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of a query, batch by batch."""
    result = connection.execution_options(yield_per=BATCH_ROWS).execute(query)
    with result:
        for batch in result.partitions():
            yield [tuple(row) for row in batch]


def within_days(connection: sa.Connection, source: Source, relation: Relation, first: date, last: date) -> list[Any]:
    """Conditions that hold for every row of these days, and for few others: the rest is left out afterwards.

    Text is compared with days as text, with a day to spare on both sides for times with a zone.
    """
    import sqlalchemy as sa

    declared = source.column(source.event_time or "")
    if len(declared.delivered_as) > 1 or declared.format:
        return []  # days cannot be told before the times are read
    column = relation.column(declared.name)
    if declared.time_zone is not None:
        first, last = first - timedelta(days=1), last + timedelta(days=1)
    example = connection.execute(sa.select(column).where(column.is_not(None)).limit(1)).scalar()
    if isinstance(example, str):
        return [column >= str(first - timedelta(days=1)), column < str(last + timedelta(days=2))]
    if isinstance(example, date) and not isinstance(example, datetime):
        return [column >= first, column <= last]
    begin, end = day_start(first, source.time_zone), day_start(last + timedelta(days=1), source.time_zone)
    return [column >= begin.replace(tzinfo=None), column < end.replace(tzinfo=None)]


def _engine(source: Source, connector: SqlConnector, access: Access) -> sa.Engine:
    import sqlalchemy as sa

    address = access.variable(source, "url", connector.url)
    try:
        url = sa.engine.make_url(address)
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool, **_options(url))
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        # The message must not hold the address: it has a password.
        reason = error if isinstance(error, ImportError) else "expected dialect://user:password@host:port/database"
        raise SourceError(
            f"source '{source.name}': {connector.url} is not an address that can be used: {reason}. Correct it, or "
            f"install the driver that it names."
        ) from None
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        raise SourceError(
            f"source '{source.name}': there is no SQLite file {url.database}. Put it there, or correct {connector.url}."
        )
    if url.get_backend_name() == "postgresql":
        sa.event.listen(engine, "connect", _json_as_text)
    return engine


def _options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() != "postgresql":
        return {}
    options = {"options": "-c timezone=UTC -c default_transaction_read_only=on", "connect_timeout": _CONNECT_SECONDS}
    return {"connect_args": options, "isolation_level": "REPEATABLE READ"}


def _json_as_text(connection: Any, _record: Any) -> None:
    """Hand JSON over as it is stored: parsed, its numbers would become floats."""
    if not hasattr(connection, "adapters"):
        return  # another driver than psycopg 3
    from psycopg.types.string import TextLoader

    for kind in ("json", "jsonb"):
        connection.adapters.register_loader(kind, TextLoader)


@contextmanager
def _snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection of which all queries see the same state of the database."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        yield connection


def _relation(source: Source, connector: SqlConnector, connection: sa.Connection) -> Relation:
    import sqlalchemy as sa

    label = f"{connection.dialect.name}:{connector.table or source.name}"
    if connector.query is not None:
        text = verbatim(f"{connector.select}\n")  # the query may end in a comment
        whole = sa.select(sa.text("*")).select_from(sa.text(f"({text}) AS delivered"))
        columns = _columns(source, connector, connection, whole)
        selectable: Any = sa.text(text).columns(*[sa.column(name) for name in columns]).subquery("delivered")
        return _named(source, Relation(selectable, columns, label))
    schema, _, name = (connector.table or "").rpartition(".")
    bare = sa.table(name, schema=schema or None)
    columns = _columns(source, connector, connection, sa.select(sa.text("*")).select_from(bare))
    table = sa.table(name, *[sa.column(column) for column in columns], schema=schema or None)
    return _named(source, Relation(table, columns, label))


def _named(source: Source, relation: Relation) -> Relation:
    """The relation with the declared names of columns; those that the connector reads for itself keep theirs too."""
    import sqlalchemy as sa

    found = DeliveredNames(relation.columns)
    singles = [column for column in source.columns if len(column.delivered_as) == 1]
    renamed = {column.name: name for column in singles if (name := found.of(column.delivered_as[0])) is not None}
    if not renamed:
        return relation
    taken, kept = set(renamed.values()), kept_names(source, found)
    rest = [name for name in relation.columns if name not in taken or name in kept - set(renamed)]
    labels = {**{f"{name}_delivered" if name in renamed else name: name for name in rest}, **renamed}
    columns = [relation.column(name).label(label) for label, name in labels.items()]
    return Relation(sa.select(*columns).subquery("declared"), tuple(labels), relation.label)


def verbatim(query: str) -> str:
    """A query for `sqlalchemy.text` that reaches the database as it is written."""
    return _BIND.sub(r"\\:", _ESCAPED.sub(r"\\\\", query))


def _columns(source: Source, connector: SqlConnector, connection: sa.Connection, whole: Any) -> tuple[str, ...]:
    """Names of the columns of a query."""
    columns = tuple(connection.execute(whole.limit(0)).keys())
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise SourceError(
            f"source '{source.name}': {_what(connector)} has several columns called {', '.join(map(repr, twice))}. Name the "
            f"columns one by one in connector.query."
        )
    return columns


def _is_lost(error: BaseException) -> bool:
    """Whether another attempt may find the database again."""
    import sqlalchemy as sa

    if not isinstance(error, sa.exc.DBAPIError):
        return False
    text = str(error.orig)
    if "sqlite" in type(error.orig).__module__:
        return "locked" in text
    hopeless = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied")
    unreachable = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    return (error.connection_invalidated or unreachable) and not any(words in text for words in hopeless)


def _what(connector: SqlConnector) -> str:
    return f"table '{connector.table}'" if connector.table else "the declared query"


def _address(engine: sa.Engine) -> str:
    """The address without user and password."""
    url = engine.url
    host = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    return f"{url.get_backend_name()}://{host}/{url.database or ''}"
