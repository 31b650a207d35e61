"""Expressions of declarations: which SQL may stand in one, and what it means for a table and for a single row.

Belongs here: what other rooms use of it. Does not belong here: which columns an expression may name (`declaration/checks/`).

An expression is checked (`allowed.py`), read once into a tree of typed operators (`reading.py`, `tree.py`), and compiled from that tree
twice: over a table (`compiled.py`) and for a single row (`row_code.py`). Each operator (`operators/`) has both forms, equal to the bit.
"""

from platform_assets.declaration.expressions.allowed import FUNCTIONS, ExpressionError, columns_of
from platform_assets.declaration.expressions.compiled import CompiledExpression, compile_expression, sql_expression
from platform_assets.declaration.expressions.tree import NotCompiled

__all__ = [
    "FUNCTIONS",
    "CompiledExpression",
    "ExpressionError",
    "NotCompiled",
    "columns_of",
    "compile_expression",
    "sql_expression",
]
