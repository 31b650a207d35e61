"""A first look at a database.

Belongs here: newest rows, a count, and whether a read of changes would work. Does not belong here: judging them
(`connectors/checking.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from platform_assets.connectors.access import Access
from platform_assets.connectors.base import SAMPLE_ROWS, Inspection, rows_without_day
from platform_assets.connectors.casting import text_to_times
from platform_assets.connectors.sql.changes import read_sql_changes
from platform_assets.connectors.sql.days import Relation, ask, fetch, needed_for_time, stream
from platform_assets.connectors.sql.rows import frame_of
from platform_assets.connectors.written_forms import delivered_time
from platform_assets.declaration.delivered_columns import DELIVERY_COLUMNS
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.sql import SqlConnector
from platform_assets.declaration.sections.sources import Source

if TYPE_CHECKING:
    import sqlalchemy as sa

COUNTED_ROWS = 1_000_000
"""A database is not made to count further."""


def inspect_relation(source: Source, connector: SqlConnector, cursor: str | None, access: Access) -> Inspection:
    """As `Reader.inspect`, without a folder and a day."""
    time = source.event_time if delivered_time(source) is not None else None
    ordered = connector.cursor or time

    def read(connection: sa.Connection, relation: Relation) -> Inspection:
        import sqlalchemy as sa

        whole = sa.select(relation.selectable)
        if ordered:
            whole = whole.order_by(relation.column(ordered).desc())
        frame = frame_of(source, relation.columns, fetch(connection, whole.limit(SAMPLE_ROWS)), relation.label)
        some = sa.select(sa.literal(1)).select_from(relation.selectable).limit(COUNTED_ROWS + 1).subquery()
        count = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar() or 0
        rows = f"{count:,}" if count <= COUNTED_ROWS else f"more than {COUNTED_ROWS:,}"
        newest, problems = None, []
        if time:
            times = relation.column(time)
            newest = connection.execute(sa.select(sa.func.max(times))).scalar()
            query = sa.select(sa.literal(1)).select_from(relation.selectable).where(times.is_(None)).limit(COUNTED_ROWS)
            missing = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar() or 0
            if missing and not connector.operation:
                problems.append(rows_without_day(source, missing))
        return Inspection(frame if frame.height else None, rows, newest, problems=tuple(problems))

    needed = [*needed_for_time(source), *([connector.cursor] if connector.cursor else [])]
    inspection: Inspection = ask(source, connector, access, needed, read)
    if source.is_incremental:
        read_sql_changes(source, connector, cursor, 1, access)
    return inspection


@dataclass(frozen=True)
class UndeclaredRows:
    """Rows of a table that nothing is declared about.

    Attributes:
        rows: in the table's own columns; all, or evenly of all.
        complete: whether they are all.
        ends: first and last value of columns with times, of all rows, where some were left out.
    """

    rows: pl.DataFrame
    complete: bool
    ends: pl.DataFrame


def undeclared_rows(variable: str, table: str, max_rows: int, access: Access) -> UndeclaredRows:
    """Rows of a table that nothing is declared about yet, in its own columns: of a large one every second, third ... of all.

    Args:
        variable: Name of the environment variable with the SQLAlchemy address.
        table: Table or view, `schema.table` where it needs a schema.
        max_rows: How many rows at most.
        access: Where the address is.

    Raises:
        SourceError: If the database cannot be reached or has no such table.
    """
    connector = SqlConnector(kind="sql", url=variable, table=table)
    unknown = Column(name="unknown", type="string", description="")
    source = Source(name="events", description="", connector=connector, columns=(unknown,), primary_key=("unknown",))

    def read(connection: sa.Connection, relation: Relation) -> UndeclaredRows:
        import sqlalchemy as sa

        rows, step = _evenly(stream(connection, sa.select(relation.selectable)), max_rows)
        frame = frame_of(source, relation.columns, rows, relation.label).drop(DELIVERY_COLUMNS, strict=False)
        return UndeclaredRows(
            frame, step == 1, frame.clear() if step == 1 else _ends(connection, source, relation, frame)
        )

    return ask(source, connector, access, [], read)


def _evenly(batches: Iterable[list[tuple[Any, ...]]], most: int) -> tuple[list[tuple[Any, ...]], int]:
    """Every so many-th row of all, at most so many; and of how many each is one."""
    rows: list[tuple[Any, ...]] = []
    seen, step = 0, 1
    for batch in batches:
        rows += batch[-seen % step :: step]
        seen += len(batch)
        while len(rows) > most:
            rows, step = rows[::2], 2 * step
    return rows, step


def _ends(connection: sa.Connection, source: Source, relation: Relation, frame: pl.DataFrame) -> pl.DataFrame:
    """The smallest and the largest value of each column that holds times, or texts that are times."""
    import sqlalchemy as sa

    names = [name for name in relation.columns if name in frame.columns and _holds_times(frame[name])]
    if not names:
        return pl.DataFrame()
    found = [
        tuple(connection.execute(sa.select(*(end(relation.column(name)) for name in names))).one())
        for end in (sa.func.min, sa.func.max)
    ]
    return frame_of(source, names, found, relation.label).drop(DELIVERY_COLUMNS, strict=False)


def _holds_times(values: pl.Series) -> bool:
    if values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        return True
    known = values.drop_nulls().head(1)
    return values.dtype == pl.String and bool(known.len()) and not text_to_times(known).null_count()
