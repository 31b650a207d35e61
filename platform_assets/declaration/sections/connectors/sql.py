"""A table or query of a SQL database, as declared.

Belongs here: the declaration, and what does not fit together in it. Does not belong here: asking a database (`connectors/sql/`).
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from platform_assets.declaration.delivered_columns import CHANGE_COLUMNS, DELIVERY_COLUMNS
from platform_assets.declaration.sections.columns import Column
from platform_assets.declaration.sections.connectors.base import ConnectorDeclaration, ConnectorProblem, Variable

if TYPE_CHECKING:
    from platform_assets.declaration.sections.sources import Source

_TOKENS = re.compile(
    r"""[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|;""", re.DOTALL
)
"""Texts, names and comments of a query, in which a `;` ends nothing, and a `;` that does."""

_PLATFORM_COLUMNS = frozenset((*DELIVERY_COLUMNS, *CHANGE_COLUMNS))
"""What travels with every row beside its own columns while it is read."""


class SqlConnector(ConnectorDeclaration):
    """Rows of a table or a query of a SQL database. With `cursor`, what is new since the last read."""

    reader: ClassVar[str] = "platform_assets.connectors.sql.reader:SQL"
    incremental_field: ClassVar[str] = "cursor"

    kind: Literal["sql"] = Field(description="A SQL database, through SQLAlchemy; PostgreSQL and SQLite are tested.")
    url: Variable = Field(
        description="Name of the environment variable that holds the SQLAlchemy address, `postgresql://user:password@host/database`."
    )
    table: str | None = Field(default=None, description="Table or view, `schema.table` where it needs a schema.")
    query: str | None = Field(default=None, description="A SELECT to read instead of a table.")
    cursor: str | None = Field(
        default=None,
        description="Column that grows with every change (a change number or the time of the change): makes the source incremental.",
    )
    operation: str | None = Field(
        default=None,
        description="Column that says what happened to the row: insert, update or delete (or their first letters). Needs `cursor`.",
    )
    deleted: str | None = Field(
        default=None,
        description="Column that marks deleted rows: true, not 0, or a time of deletion. Needs `cursor`.",
    )
    overlap: int = Field(
        default=0,
        ge=0,
        description="How far behind the cursor each read looks for rows committed late: seconds for a time, else units of the cursor.",
    )

    @property
    def is_incremental(self) -> bool:
        """With a cursor."""
        return self.cursor is not None

    @property
    def own_columns(self) -> tuple[str, ...]:
        """As `ConnectorDeclaration.own_columns`."""
        return tuple(name for name in (self.cursor, self.operation, self.deleted) if name)

    @property
    def select(self) -> str | None:
        """The query without the `;` at its end; None without a query, and where something follows its `;`."""
        ends = [token.start() for token in _TOKENS.finditer(self.query or "") if token.group() == ";"]
        if self.query is None or not ends:
            return self.query
        rest = _TOKENS.sub(
            lambda token: "" if token.group().startswith((";", "--", "/*")) else token.group(), self.query[ends[0] :]
        )
        return None if rest.strip() else self.query[: ends[0]]

    def arrives_as_text(self, column: Column) -> bool:
        """In a database text may stand for a time: SQLite knows no times."""
        return column.type in ("datetime", "date")

    def problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        """As `ConnectorDeclaration.problems`."""
        yield from self._query_problems()
        yield from self._cursor_problems(source)

    def _query_problems(self) -> Iterator[ConnectorProblem]:
        where = ("connector", "query")
        if self.table is not None and self.query is not None:
            yield ConnectorProblem(where, self.query, "give `table` or `query`, not both")
        if self.table is None and self.query is None:
            yield ConnectorProblem(("connector", "table"), None, "give the `table` or the `query` to read")
        if self.query is not None and self.select is None:
            yield ConnectorProblem(where, self.query, "must be a single SELECT: remove the `;`")

    def _cursor_problems(self, source: "Source") -> Iterator[ConnectorProblem]:
        if self.cursor is None:
            for field in ("operation", "deleted", "overlap"):
                if value := getattr(self, field):
                    message = f"`{field}` is for incremental sources: declare the `cursor` column"
                    yield ConnectorProblem(("connector", field), value, message)
        if self.operation is not None and self.deleted is not None:
            message = "give `operation` or `deleted`, not both"
            yield ConnectorProblem(("connector", "deleted"), self.deleted, message)
        for field in ("cursor", "operation", "deleted"):
            if (name := getattr(self, field)) in _PLATFORM_COLUMNS:
                message = "is a name of the platform's own columns: give it another one by `query`"
                yield ConnectorProblem(("connector", field), name, message)
        if self.cursor in source.column_names:
            declared = source.column(self.cursor or "").type
            if declared in ("float64", "bool", "int8"):
                message = f"is declared {declared}: a cursor is a number or a time"
                yield ConnectorProblem(("connector", "cursor"), self.cursor, message)
