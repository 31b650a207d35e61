"""The graph of columns of a use case, and the questions that it answers.

Belongs here: a column of a table, what it is made from, and what it goes into. Does not belong here: which columns are made from which
(`data.py`, `features.py`, `predictions.py`).

A column is made either from other columns of the use case or by something outside of its tables: what a source delivers,
what a caller asks, what the platform itself notes. Those are origins: `source/<table>/<column>`,
`request/<use case>/<column>` and `platform/<what>/<column>`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from platform_assets.lake.layout import (
    CLEAN,
    FEATURES,
    HISTORY,
    MODEL,
    MONITORING,
    PREDICTIONS,
    QUARANTINE,
    RAW,
    SERVING,
    TRAINING,
)

SOURCE = "source"
REQUEST = "request"
PLATFORM = "platform"
ORIGINS = (SOURCE, REQUEST, PLATFORM)
"""Layers outside of the use case's tables, at which lineage ends."""

WHOLE_ROW = "*"
"""Stands for a delivery or a row as such, not for one of its columns."""


@dataclass(frozen=True, order=True)
class ColumnOf:
    """A column of a table.

    Attributes:
        layer: of the table, or one of `ORIGINS`.
        table: its name.
        column: name of the column.
    """

    layer: str
    table: str
    column: str

    def __str__(self) -> str:
        """The column in one word."""
        return f"{self.layer}/{self.table}.{self.column}"

    @property
    def is_origin(self) -> bool:
        """Whether lineage ends here."""
        return self.layer in ORIGINS


Origins = dict[str, tuple[ColumnOf, ...]]
"""For each column of a table, the columns it is made from."""


@dataclass(frozen=True)
class Lineage:
    """The graph of a use case.

    Attributes:
        made_from: for each column of each table, the columns it is made from.
        otherwise: for a table of which every further column has the same origins, those.
    """

    made_from: Mapping[ColumnOf, tuple[ColumnOf, ...]]
    otherwise: Mapping[tuple[str, str], tuple[ColumnOf, ...]]

    def origins(self, node: ColumnOf) -> tuple[ColumnOf, ...]:
        """The columns that a column is made from; none for an origin, and for a column that the graph does not know."""
        return self.made_from.get(node) or self.otherwise.get((node.layer, node.table), ())

    def table(self, layer: str, table: str, columns: Iterable[str]) -> Origins:
        """The origins of these columns of a table."""
        return {column: self.origins(ColumnOf(layer, table, column)) for column in columns}

    @cached_property
    def nodes(self) -> frozenset[ColumnOf]:
        """Every column that the graph names, origins included."""
        named = {*self.made_from, *(origin for origins in self.made_from.values() for origin in origins)}
        return frozenset(named | {origin for origins in self.otherwise.values() for origin in origins})

    @cached_property
    def goes_into(self) -> Mapping[ColumnOf, tuple[ColumnOf, ...]]:
        """For each column, the columns that are made from it."""
        below: dict[ColumnOf, list[ColumnOf]] = {}
        whole = {ColumnOf(layer, table, WHOLE_ROW): origins for (layer, table), origins in self.otherwise.items()}
        for node, origins in {**self.made_from, **whole}.items():
            for origin in origins:
                below.setdefault(origin, []).append(node)
        return {node: tuple(nodes) for node, nodes in below.items()}

    def upstream(self, node: ColumnOf) -> set[ColumnOf]:
        """Everything that a column comes from."""
        return _reached(node, self.origins)

    def downstream(self, node: ColumnOf) -> set[ColumnOf]:
        """Everything that a column goes into."""
        return _reached(node, lambda node: self.goes_into.get(node, ()))

    def find(self, name: str) -> list[ColumnOf]:
        """Columns called `column`, `table.column` or `layer/table.column`, in the order in which data flows."""
        table_name, _, column = name.rpartition(".")
        layer, _, table = table_name.rpartition("/")
        return [
            node
            for node in sorted(self.nodes, key=lambda node: (_rank(node.layer), node))
            if node.column == column and table in ("", node.table) and layer in ("", node.layer)
        ]


def _reached(node: ColumnOf, edges: Callable[[ColumnOf], tuple[ColumnOf, ...]]) -> set[ColumnOf]:
    reached: set[ColumnOf] = set()
    waiting = list(edges(node))
    while waiting:
        following = waiting.pop()
        if following not in reached:
            reached.add(following)
            waiting += edges(following)
    return reached


def _rank(layer: str) -> int:
    order = (
        SOURCE,
        RAW,
        CLEAN,
        QUARANTINE,
        HISTORY,
        FEATURES,
        TRAINING,
        MODEL,
        REQUEST,
        SERVING,
        PREDICTIONS,
        MONITORING,
    )
    return order.index(layer) if layer in order else len(order)
