"""Texts.

Belongs here: operators on texts that are as cheap for one row in Python. Does not belong here: regular expressions and formats, which
polars computes for one row too (`row_function.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators.base import Strict, converted_to, where_all_are_there
from platform_assets.declaration.expressions.tree import Code, Literal, Node, Operation, Operator

X, W, B = Kind.TEXT, Kind.WHOLE, Kind.BOOL


@dataclass(frozen=True, eq=False)
class Like:
    """LIKE with a pattern that stands in the expression: % is any text, _ any one character."""

    name: str = "LIKE"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with a text and a pattern."""
        converted = converted_to((X, X), arguments)
        pattern = arguments[-1]
        if converted is None or not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
            return None
        return Operation(self, converted, B)

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        parts = [
            {"%": ".*", "_": "."}.get(part) or pl.escape_regex(part)
            for part in re.split("([%_])", _pattern(call))
            if part
        ]
        return arguments[0].str.contains(f"(?s)^{''.join(parts)}$")

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        pattern = _pattern(call)
        inner = pattern.strip("%")
        text = arguments[0].text
        if "%" in inner or "_" in inner or not inner:
            code = f"like({pattern!r}).fullmatch({text}) is not None"
        else:
            begins, ends = not pattern.startswith("%"), not pattern.endswith("%")
            code = {
                (True, True): f"{text} == {inner!r}",
                (True, False): f"{text}.startswith({inner!r})",
                (False, True): f"{text}.endswith({inner!r})",
                (False, False): f"{inner!r} in {text}",
            }[begins, ends]
        return where_all_are_there(code, arguments[:1], False)


def _pattern(call: Operation) -> str:
    pattern = call.arguments[1]
    assert isinstance(pattern, Literal)
    return str(pattern.value)


@dataclass(frozen=True, eq=False)
class TextPart:
    """Characters of a text from and up to places that stand in the expression.

    Attributes:
        name: what it is called in messages.
        engine: the result over a table, of the text and the whole numbers.
        code: the result for one row, with {0} for the text and {1}, {2} for the numbers.
        numbers: how many numbers there are.
        least: the smallest that each may be.
    """

    name: str
    engine: Callable[..., pl.Expr]
    code: str
    numbers: int
    least: int

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with a text and numbers."""
        converted = converted_to((X, *[W] * self.numbers), arguments)
        places = [argument.value for argument in converted[1:] if isinstance(argument, Literal)] if converted else []
        if converted is None or len(places) < self.numbers:
            return None
        fits = all(isinstance(place, int) and self.least <= place <= _LONGEST for place in places)
        return Operation(self, converted, X) if fits else None

    def table(self, call: Operation, arguments: Sequence[pl.Expr]) -> pl.Expr:
        """The result over a table."""
        return self.engine(arguments[0], *(int(argument.value or 0) for argument in call.arguments[1:]))  # type: ignore[union-attr]

    def row(self, call: Operation, arguments: Sequence[Code]) -> Code:
        """The result for one row."""
        return where_all_are_there(self.code.format(*(argument.text for argument in arguments)), arguments, False)


_LONGEST = 2**31


@dataclass(frozen=True, eq=False)
class Replacement(Strict):
    """REPLACE of a text that stands in the expression and is not empty."""

    name: str = "REPLACE"
    takes: tuple[Kind, ...] = (X, X, X)
    gives: Kind = X
    engine: Callable[..., pl.Expr] = lambda text, old, new: text.str.replace_all(old, new, literal=True)
    code: str = "{0}.replace({1}, {2})"

    def call(self, arguments: Sequence[Node]) -> Operation | None:
        """A call with a text, what is replaced and by what."""
        stands = all(isinstance(argument, Literal) and argument.value is not None for argument in arguments[1:])
        if not stands or len(arguments) != 3 or getattr(arguments[1], "value", "") == "":
            return None
        return super().call(arguments)


def _predicate(name: str, engine: Callable[..., pl.Expr], code: str) -> Sequence[Operator]:
    return (Strict(name, (X, X), B, engine, code),)


TEXTS: dict[str, Sequence[Operator]] = {
    "like": [Like()],
    "length": [
        Strict("LENGTH", (X,), W, lambda a: a.str.len_chars().cast(pl.Int64), "len({0})", bound=lambda a: 2**31)
    ],
    "upper": [Strict("UPPER", (X,), X, lambda a: a.str.to_uppercase(), "upper({0})")],
    "lower": [Strict("LOWER", (X,), X, lambda a: a.str.to_lowercase(), "lower({0})")],
    "startswith": _predicate("STARTS_WITH", lambda a, b: a.str.starts_with(b), "{0}.startswith({1})"),
    "endswith": _predicate("ENDS_WITH", lambda a, b: a.str.ends_with(b), "{0}.endswith({1})"),
    "substring_from": [TextPart("SUBSTRING", lambda a, i: a.str.slice(i - 1), "{0}[{1} - 1:]", 1, 1)],
    "substring": [
        TextPart("SUBSTRING", lambda a, i, n: a.str.slice(i - 1, n), "{0}[{1} - 1 : {1} - 1 + {2}]", 2, 1),
    ],
    "left": [TextPart("LEFT", lambda a, n: a.str.head(n), "{0}[:{1}]", 1, 0)],
    "right": [TextPart("RIGHT", lambda a, n: a.str.tail(n), "{0}[-{1}:]", 1, 1)],
    "replace": [Replacement()],
    "trim": [Strict("TRIM", (X,), X, lambda a: a.str.strip_chars(), "trim({0})")],
    "reverse": [Strict("REVERSE", (X,), X, lambda a: a.str.reverse(), "reverse({0})")],
    "octet_length": [
        Strict(
            "OCTET_LENGTH",
            (X,),
            W,
            lambda a: a.str.len_bytes().cast(pl.Int64),
            "len({0}.encode())",
            bound=lambda a: 2**33,
        )
    ],
    "text_of_whole": [Strict("a whole number as text", (W,), X, lambda a: a.cast(pl.String), "str({0})")],
    "joined": [Strict("||", (X, X), X, lambda a, b: a + b, "{0} + {1}")],
}
