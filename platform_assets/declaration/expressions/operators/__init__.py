"""The operators of expressions: one object each, with a form for tables and one for a single row.

Belongs here: the registry. Does not belong here: any operator (the modules of this package); how SQL names them (`reading.py`).

An operator is added as an object in one of the modules; `platform_assets_tests/contracts/test_operators.py` holds its two forms equal to
the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_assets.declaration.expressions import row_helpers
from platform_assets.declaration.expressions.operators.comparisons import COMPARISONS
from platform_assets.declaration.expressions.operators.logic import LOGIC
from platform_assets.declaration.expressions.operators.numbers import NUMBERS
from platform_assets.declaration.expressions.operators.texts import TEXTS
from platform_assets.declaration.expressions.operators.times import PARTS, TIMES
from platform_assets.declaration.expressions.tree import (
    Code,
    Literal,
    Node,
    NotCompiled,
    Operation,
    Operator,
    Scalar,
    literal,
)

OPERATORS: Mapping[str, Sequence[Operator]] = {**NUMBERS, **LOGIC, **COMPARISONS, **TEXTS, **TIMES, **PARTS}
"""By name; of several, the first that takes the arguments computes them."""


def call(name: str, *arguments: Node) -> Node:
    """An operator's call; its result where all arguments are literals.

    Raises:
        NotCompiled: it does not take arguments of these kinds.
    """
    for operator in OPERATORS[name]:
        made = operator.call(arguments)
        if made is not None:
            return folded(made)
    kinds = ", ".join(f"a {argument.kind.value}" for argument in arguments)
    raise NotCompiled(f"{OPERATORS[name][0].name} of {kinds}")


def folded(made: Operation) -> Node:
    """The call, or its result where its arguments are literals."""
    values = [argument for argument in made.arguments if isinstance(argument, Literal)]
    if len(values) < len(made.arguments):
        return made
    names = {f"a{i}": value.value for i, value in enumerate(values)}
    code = made.operator.row(made, [Code(f"a{i}", value.value is None) for i, value in enumerate(values)])
    computed: Scalar = eval(code.text, {**vars(row_helpers), **names})
    return literal(computed, made.kind)
