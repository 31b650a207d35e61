"""Comparisons.

Belongs here: operators that compare values of one kind. Does not belong here: what is done with the condition (`logic.py`).

NaN equals itself and is larger than every number, as in a sorted column; -0.0 equals 0.0. Texts are ordered by code point. Of an unknown
value nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators.base import (
    common_kind,
    convert,
    converted_to,
    where_all_are_there,
)
from platform_assets.declaration.expressions.tree import Code, Literal, Node, Operation, Operator

B, F = Kind.BOOL, Kind.FLOAT
_OF_FLOATS = {
    "==": "({0} == {1} or {0} != {0} and {1} != {1})",
    "!=": "not ({0} == {1} or {0} != {0} and {1} != {1})",
    ">": "({0} > {1} or {0} != {0} and {1} == {1})",
    "<": "({0} < {1} or {1} != {1} and {0} == {0})",
    ">=": "({0} >= {1} or {0} != {0})",
    "<=": "({0} <= {1} or {1} != {1})",
}


@dataclass(frozen=True, eq=False)
class ComparisonOperator:
    """Whether two values of one kind stand in this order.

    Attributes:
        name: the sign, as Python writes it.
    """

    name: str

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with two values."""
        kind = common_kind(arguments)
        converted = None if kind is None else converted_to((kind, kind), arguments)
        return None if converted is None else Operation(self, converted, B)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        left, right = arguments
        compared = {
            "==": left.eq,
            "!=": left.ne,
            ">": left.gt,
            "<": left.lt,
            ">=": left.ge,
            "<=": left.le,
        }
        return compared[self.name](right)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        form = _OF_FLOATS[self.name] if call.arguments[0].kind is F else f"{{0}} {self.name} {{1}}"
        return where_all_are_there(form.format(*(argument.text for argument in arguments)), arguments, False)


@dataclass(frozen=True, eq=False)
class SameValue:
    """IS NOT DISTINCT FROM: equal, or both missing."""

    name: str = "IS NOT DISTINCT FROM"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with two values."""
        kind = common_kind(arguments)
        converted = None if kind is None else converted_to((kind, kind), arguments)
        return None if converted is None else Operation(self, converted, B)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return arguments[0].eq_missing(arguments[1])

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        return Code(f"same({arguments[0].text}, {arguments[1].text})", False)


@dataclass(frozen=True, eq=False)
class AmongLiterals:
    """IN a list of literals, none of them NULL."""

    name: str = "IN"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with a value and the list."""
        values = [item.value for item in arguments[1:] if isinstance(item, Literal)]
        if not values or len(values) < len(arguments) - 1 or any(value is None or value != value for value in values):
            return None
        kind = common_kind(arguments)
        if kind is None or kind is Kind.NOTHING:
            return None
        converted = [convert(argument, kind) for argument in arguments]
        return None if None in converted else Operation(self, tuple(converted), B)  # type: ignore[arg-type]

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        values = [item.value for item in call.arguments[1:] if isinstance(item, Literal)]
        if call.arguments[0].kind in (Kind.DAY, Kind.TIME):
            return arguments[0].to_physical().cast(pl.Int64).is_in(values)
        return arguments[0].is_in(values)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        listed = ", ".join(argument.text for argument in arguments[1:])
        return where_all_are_there(f"{arguments[0].text} in {{{listed}}}", arguments[:1], False)


COMPARISONS: dict[str, Sequence[Operator]] = {
    "eq": [ComparisonOperator("==")],
    "neq": [ComparisonOperator("!=")],
    "gt": [ComparisonOperator(">")],
    "lt": [ComparisonOperator("<")],
    "gte": [ComparisonOperator(">=")],
    "lte": [ComparisonOperator("<=")],
    "same": [SameValue()],
    "among": [AmongLiterals()],
}
