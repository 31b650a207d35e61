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
    "text_of_whole": [Strict("a whole number as text", (W,), X, lambda a: a.cast(pl.String), "str({0})")],
    "joined": [Strict("||", (X, X), X, lambda a, b: a + b, "{0} + {1}")],
}
