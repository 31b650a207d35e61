"""Numbers that expressions give for a single row.

Belongs here: several expressions as one function, and which of them cannot be compiled. Does not belong here: the code (`row_code.py`), and
where a row comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from platform_assets.declaration.expressions.allowed import columns_of
from platform_assets.declaration.expressions.compiled import CompiledExpression, compile_expression
from platform_assets.declaration.expressions.kinds import Kind
from platform_assets.declaration.expressions.operators.base import convert
from platform_assets.declaration.expressions.row_code import row_values
from platform_assets.declaration.expressions.tree import Node, Scalar


class RowNumbers:
    """Expressions as one function of a row, which gives a double for each, or None.

    Attributes:
        by_engine: expressions that only polars computes, by their position, with the reason in each.
        columns: that the others are computed from.
    """

    def __init__(self, texts: Sequence[str], types: Mapping[str, pl.DataType]) -> None:
        """Compile.

        Args:
            texts: the expressions.
            types: of the columns that they name.

        Raises:
            ExpressionError: one holds what no declaration may hold.
            polars.exceptions.PolarsError: one is not in polars' SQL dialect.
        """
        self.by_engine: dict[int, CompiledExpression] = {}
        self.columns: dict[str, None] = {}
        self._count = len(texts)
        self._positions: list[int] = []
        trees: list[Node] = []
        for position, text in enumerate(texts):
            compiled = compile_expression(text, types)
            number = None if compiled.tree is None else convert(compiled.tree, Kind.FLOAT)
            if number is None:
                self.by_engine[position] = compiled
            else:
                self._positions.append(position)
                trees.append(number)
                self.columns.update(dict.fromkeys(columns_of(text)))
        self._row = row_values(trees)

    def numbers(self, values: Mapping[str, Scalar]) -> list[Scalar]:
        """What the expressions give for a row, None where nothing, and for those of `by_engine`.

        Args:
            values: of `columns` by name, in the form that `scalars.taker_of` takes them to.
        """
        computed = self._row(values)
        if not self.by_engine:
            return computed
        numbers: list[Scalar] = [None] * self._count
        for position, value in zip(self._positions, computed, strict=True):
            numbers[position] = value
        return numbers
