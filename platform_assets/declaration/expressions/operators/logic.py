"""Conditions and what is chosen by them, in SQL's three-valued logic: NULL is "unknown".

Belongs here: AND, OR, NOT, tests for NULL, choices, and the larger or smaller of two. Does not belong here: comparing (`comparisons.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators.base import Strict, common_kind, converted_to
from platform_assets.declaration.expressions.tree import Code, Node, Operation, Operator

B = Kind.BOOL


@dataclass(frozen=True, eq=False)
class Junction:
    """AND and OR: one value decides alone, whatever is not known.

    Attributes:
        name: the word.
        deciding: the value that decides.
        engine: the result over a table.
    """

    name: str
    deciding: bool
    engine: Callable[..., pl.Expr]

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments."""
        converted = converted_to((B, B), arguments)
        return None if converted is None else Operation(self, converted, B)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return self.engine(*arguments)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        left, right = arguments
        if not (left.nullable or right.nullable):
            return Code(f"{left.text} {self.name.lower()} {right.text}", False)
        decided = f"{left.text} is {self.deciding} or {right.text} is {self.deciding}"
        lacking = " or ".join(f"{argument.text} is None" for argument in arguments if argument.nullable)
        return Code(f"{self.deciding} if {decided} else None if {lacking} else {not self.deciding}", True)


@dataclass(frozen=True, eq=False)
class IsNull:
    """Whether a value is missing; NaN is a value."""

    name: str = "IS NULL"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with this argument."""
        return Operation(self, tuple(arguments), B) if len(arguments) == 1 else None

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return arguments[0].is_null()

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        return Code(f"{arguments[0].text} is None", False)


@dataclass(frozen=True, eq=False)
class IsTruth:
    """IS TRUE and IS FALSE: known, and so.

    Attributes:
        name: the words.
        value: which of the two.
    """

    name: str
    value: bool

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with this argument."""
        converted = converted_to((B,), arguments)
        return None if converted is None else Operation(self, converted, B)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return (arguments[0] if self.value else ~arguments[0]).fill_null(False)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        return Code(f"{arguments[0].text} is {self.value}", False)


@dataclass(frozen=True, eq=False)
class Choice:
    """The second value where the condition holds, the third where it does not or is not known. Both are computed."""

    name: str = "CASE"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with condition and two values."""
        kind = common_kind(arguments[1:])
        converted = None if kind is None else converted_to((B, kind, kind), arguments)
        if converted is None or kind is None:
            return None
        return Operation(self, converted, kind, max(argument.bound for argument in converted[1:]))

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        condition, chosen, other = arguments
        return pl.when(condition).then(chosen).otherwise(other)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        condition, chosen, other = arguments
        return Code(f"{chosen.text} if {condition.text} else {other.text}", chosen.nullable or other.nullable)


@dataclass(frozen=True, eq=False)
class OneOfTwo:
    """COALESCE, GREATEST and LEAST of two values of one kind; what is missing, and NaN where the other is a number, is passed over.

    Attributes:
        name: the word.
        engine: the result over a table.
        helper: the function that computes it for one row.
        kinds: of values that it takes.
    """

    name: str
    engine: Callable[..., pl.Expr]
    helper: str
    kinds: frozenset[Kind]

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with two values."""
        kind = common_kind(arguments)
        converted = None if kind not in self.kinds else converted_to((kind, kind), arguments)
        if converted is None or kind is None:
            return None
        return Operation(self, converted, kind, max(argument.bound for argument in converted))

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return self.engine(*arguments)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        left, right = arguments
        nullable = left.nullable and right.nullable
        if not self.helper:
            code = f"{right.text} if {left.text} is None else {left.text}" if left.nullable else left.text
            return Code(code, nullable)
        return Code(f"{self.helper}({left.text}, {right.text})", nullable)


_ORDERED = frozenset({Kind.WHOLE, Kind.FLOAT, Kind.DAY, Kind.TIME})
_ANY = _ORDERED | {Kind.BOOL, Kind.TEXT}

LOGIC: dict[str, Sequence[Operator]] = {
    "and": [Junction("AND", False, lambda a, b: a & b)],
    "or": [Junction("OR", True, lambda a, b: a | b)],
    "not": [Strict("NOT", (B,), B, lambda a: ~a, "not {0}")],
    "is_null": [IsNull()],
    "is_true": [IsTruth("IS TRUE", True)],
    "is_false": [IsTruth("IS FALSE", False)],
    "choice": [Choice()],
    "coalesce": [OneOfTwo("COALESCE", lambda a, b: pl.coalesce(a, b), "", _ANY)],
    "greatest": [OneOfTwo("GREATEST", lambda a, b: pl.max_horizontal(a, b), "greatest", _ORDERED)],
    "least": [OneOfTwo("LEAST", lambda a, b: pl.min_horizontal(a, b), "least", _ORDERED)],
}
