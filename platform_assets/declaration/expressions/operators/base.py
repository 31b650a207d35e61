"""What operators have in common.

Belongs here: the operator that has no value where an argument has none, and conversions between kinds that lose nothing. Does not belong
here: single operators (the modules beside this).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.declaration.expressions.kinds import ENGINE_TYPES, LARGEST_WHOLE, Kind
from platform_assets.declaration.expressions.tree import Code, Literal, Node, Operation, Operator, literal


@dataclass(frozen=True, eq=False)
class Strict:
    """An operator that gives nothing where an argument is missing, as SQL has it for nearly all.

    Attributes:
        name: what it is called in messages.
        takes: kinds of its arguments.
        gives: kind of its result.
        engine: the result over a table, of the arguments' expressions.
        code: the result for one row: Python code with {0}, {1} for its arguments, which are there.
        may_lack: whether it may give nothing although all arguments are there.
        bound: the largest magnitude of a whole result, from those of the arguments.
    """

    name: str
    takes: tuple[Kind, ...]
    gives: Kind
    engine: Callable[..., pl.Expr]
    code: str
    may_lack: bool = False
    bound: Callable[..., int] = lambda *bounds: LARGEST_WHOLE + 1

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with these arguments."""
        converted = converted_to(self.takes, arguments)
        if converted is None:
            return None
        bound = self.bound(*(argument.bound for argument in converted)) if self.gives is Kind.WHOLE else 0
        return Operation(self, converted, self.gives, min(bound, LARGEST_WHOLE + 1))

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return self.engine(*arguments)

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        return where_all_are_there(
            self.code.format(*(argument.text for argument in arguments)), arguments, self.may_lack
        )


def where_all_are_there(code: str, arguments: Sequence[Code], may_lack: bool) -> Code:
    """`code` where no argument is None, else None."""
    lacking = [f"{argument.text} is None" for argument in arguments if argument.nullable]
    if not lacking:
        return Code(code, may_lack)
    return Code(f"None if {' or '.join(dict.fromkeys(lacking))} else {code}", True)


def converted_to(kinds: Sequence[Kind], arguments: Sequence[Node]) -> tuple[Node, ...] | None:
    """Arguments in these kinds; None where they are too many, too few, or of kinds that do not become these by themselves."""
    if len(kinds) != len(arguments):
        return None
    converted = [convert(argument, kind) for argument, kind in zip(arguments, kinds, strict=True)]
    return None if any(argument is None for argument in converted) else tuple(converted)  # type: ignore[arg-type]


def convert(node: Node, kind: Kind) -> Node | None:
    """A value in another kind where that loses nothing: NULL to every kind, conditions to numbers, whole numbers to doubles."""
    if node.kind is kind:
        return node
    if node.kind is Kind.NOTHING:
        return literal(None, kind)
    operator = _CONVERSIONS.get((node.kind, kind))
    if operator is None:
        return None
    if isinstance(node, Literal) and node.value is not None:
        return literal(float(node.value) if kind is Kind.FLOAT else int(node.value), kind)
    return operator.call([node])


def common_kind(arguments: Sequence[Node]) -> Kind | None:
    """The kind that all arguments become by themselves; None where there is none."""
    kinds = {argument.kind for argument in arguments} - {Kind.NOTHING}
    if not kinds:
        return Kind.NOTHING
    if len(kinds) == 1:
        return kinds.pop()
    return next((kind for kind in (Kind.WHOLE, Kind.FLOAT) if kinds <= _BECOMES[kind]), None)


_BECOMES = {Kind.WHOLE: {Kind.BOOL, Kind.WHOLE}, Kind.FLOAT: {Kind.BOOL, Kind.WHOLE, Kind.FLOAT}}


def _cast(kind: Kind) -> Callable[..., pl.Expr]:
    return lambda value: value.cast(ENGINE_TYPES[kind])


WHOLE_OF_CONDITION = Strict(
    "a condition as whole number", (Kind.BOOL,), Kind.WHOLE, _cast(Kind.WHOLE), "int({0})", bound=lambda bound: 1
)
FLOAT_OF_CONDITION = Strict("a condition as number", (Kind.BOOL,), Kind.FLOAT, _cast(Kind.FLOAT), "float({0})")
FLOAT_OF_WHOLE = Strict("a whole number as number", (Kind.WHOLE,), Kind.FLOAT, _cast(Kind.FLOAT), "float({0})")
_CONVERSIONS: dict[tuple[Kind, Kind], Operator] = {
    (Kind.BOOL, Kind.WHOLE): WHOLE_OF_CONDITION,
    (Kind.BOOL, Kind.FLOAT): FLOAT_OF_CONDITION,
    (Kind.WHOLE, Kind.FLOAT): FLOAT_OF_WHOLE,
}
