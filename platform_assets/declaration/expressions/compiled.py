"""A declared expression, compiled.

Belongs here: from text and columns to the tree, and from the tree to what is computed over a table. Does not belong here: the single row
(`row_code.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from platform_assets.declaration.expressions.allowed import columns_of, engine_expression
from platform_assets.declaration.expressions.kinds import ENGINE_TYPES, Kind
from platform_assets.declaration.expressions.reading import read_expression
from platform_assets.declaration.expressions.tree import ColumnNode, Literal, Node, NotCompiled


@dataclass(frozen=True)
class CompiledExpression:
    """An expression over columns of known types.

    Attributes:
        text: the expression.
        tree: what it means; None where a part of it has no operator.
        reason: that part, where there is no tree.
        table: what is computed over a table: by the tree, or as polars reads the text.
    """

    text: str
    tree: Node | None
    reason: str
    table: pl.Expr


def compile_expression(text: str, schema: Mapping[str, pl.DataType]) -> CompiledExpression:
    """An expression over columns of these types.

    Raises:
        ExpressionError: it holds what no declaration may hold.
        polars.exceptions.PolarsError: it is not in polars' SQL dialect.
    """
    return _compiled(text, tuple((name, schema[name]) for name in sorted(set(_roots(text))) if name in schema))


def sql_expression(text: str, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """A declared expression as it is computed over a table with these columns.

    Raises:
        ExpressionError: it holds what no declaration may hold.
        polars.exceptions.PolarsError: it is not in polars' SQL dialect.
    """
    return compile_expression(text, schema).table


@lru_cache(maxsize=1024)
def _roots(text: str) -> tuple[str, ...]:
    return tuple(columns_of(text))


@lru_cache(maxsize=1024)
def _compiled(text: str, columns: tuple[tuple[str, pl.DataType], ...]) -> CompiledExpression:
    schema = dict(columns)
    try:
        tree = read_expression(text, schema)
    except NotCompiled as error:
        return CompiledExpression(text, None, str(error), engine_expression(text, schema))
    return CompiledExpression(text, tree, "", table_expression(tree))


def table_expression(tree: Node) -> pl.Expr:
    """What a tree computes over a table."""
    if isinstance(tree, Literal):
        if tree.value is not None and tree.kind in (Kind.DAY, Kind.TIME):
            return (
                pl.lit(tree.value, dtype=pl.Int64())
                .cast(pl.Int32 if tree.kind is Kind.DAY else pl.Int64)
                .cast(ENGINE_TYPES[tree.kind])
            )
        return pl.lit(tree.value, dtype=ENGINE_TYPES[tree.kind])
    if isinstance(tree, ColumnNode):
        column = pl.col(tree.name)
        return column if tree.engine == ENGINE_TYPES[tree.kind] else column.cast(ENGINE_TYPES[tree.kind])
    return tree.operator.table(tree, [table_expression(argument) for argument in tree.arguments])
