"""Trees made of others.

Belongs here: what callers need around a declared expression. Does not belong here: reading one (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from platform_assets.declaration.expressions.compiled import compile_expression
from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators import call
from platform_assets.declaration.expressions.operators.base import convert
from platform_assets.declaration.expressions.tree import Node, NotCompiled, literal


def as_condition(text: str, schema: Mapping[str, pl.DataType]) -> Node:
    """A declared expression as a condition: a number holds where it is not 0.

    Raises:
        NotCompiled: a part of it has no operator, or it is neither a condition nor a number.
        ExpressionError: it holds what no declaration may hold.
        polars.exceptions.PolarsError: it is not in polars' SQL dialect.
    """
    compiled = compile_expression(text, schema)
    if compiled.tree is None:
        raise NotCompiled(compiled.reason)
    if compiled.tree.kind in (Kind.WHOLE, Kind.FLOAT):
        return call("neq", compiled.tree, literal(0, Kind.WHOLE))
    condition = convert(compiled.tree, Kind.BOOL)
    if condition is None:
        raise NotCompiled(f"{text} as a condition")
    return condition


def as_number(tree: Node) -> Node:
    """A value as a double.

    Raises:
        NotCompiled: it is no number and no condition.
    """
    number = convert(tree, Kind.FLOAT)
    if number is None:
        raise NotCompiled(f"a {tree.kind.value} as a number")
    return number


def one_where_present(tree: Node) -> Node:
    """1.0 where there is a value."""
    return call("choice", call("is_null", tree), literal(None, Kind.NOTHING), literal(1.0, Kind.FLOAT))
