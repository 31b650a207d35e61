"""An expression as a tree of typed nodes.

Belongs here: the nodes. Does not belong here: how text becomes one (`reading.py`) and what its operators compute (`operators/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import polars as pl

from platform_assets.declaration.expressions.kinds import Kind

Scalar = int | float | bool | str | None
"""A value in Python: `Kind` says which type it is for which kind."""


class NotCompiled(Exception):
    """An expression has a part that no operator computes; the message says which."""


@dataclass(frozen=True)
class ColumnNode:
    """A column's value.

    Attributes:
        name: the column.
        kind: of its values.
        engine: its type in a table.
        bound: the largest magnitude of its values, of whole numbers.
    """

    name: str
    kind: Kind
    engine: pl.DataType
    bound: int = 0


@dataclass(frozen=True)
class Literal:
    """A value that stands in the expression. `written` tells 0.0 and -0.0 apart, which are equal in Python."""

    value: Scalar
    kind: Kind
    written: str = ""

    @property
    def bound(self) -> int:
        """The magnitude of a whole number."""
        return abs(self.value) if isinstance(self.value, int) else 0


@dataclass(frozen=True)
class Operation:
    """An operator with its arguments, which have the kinds that it takes.

    Attributes:
        operator: what is computed.
        arguments: of what.
        kind: of the result.
        bound: the largest magnitude of the result, of whole numbers.
    """

    operator: Operator
    arguments: tuple[Node, ...]
    kind: Kind
    bound: int = 0


Node = ColumnNode | Literal | Operation


class Code(NamedTuple):
    """Python code of a value.

    Attributes:
        text: an expression; cheap to repeat where it is an argument.
        nullable: whether it may be None.
    """

    text: str
    nullable: bool


class Operator(Protocol):
    """One operation on values of one row: what it takes, and its two forms, which give the same to the bit."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments, converted where that loses nothing; None where it does not take them."""
        ...

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over all rows of a table."""
        ...

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row, as Python code over its arguments' code."""
        ...


def literal(value: Scalar, kind: Kind) -> Literal:
    """A value of a kind."""
    return Literal(value, kind, repr(value))


def code_of(value: Literal) -> Code:
    """A literal as Python code."""
    text = repr(value.value)  # inf and nan are names that the code knows
    return Code(f"({text})" if text.startswith("-") else text, value.value is None)
