"""From trees to one Python function for a single row.

Belongs here: code for trees, each part once. Does not belong here: what operators compute (`operators/`), and values that are not yet in
the form that the code takes (`row_function.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from platform_assets.declaration.expressions import row_helpers
from platform_assets.declaration.expressions.tree import Code, ColumnNode, Literal, Node, Scalar, code_of

RowValues = Callable[[Mapping[str, Scalar]], list[Scalar]]
"""Takes columns' values by name, as `Kind` says, and gives a value for each tree."""


class _Writer:
    """Writes statements, one for each different node."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: dict[Node, Code] = {}

    def code(self, node: Node) -> Code:
        """The node's value: a literal or a local variable."""
        if isinstance(node, Literal):
            return code_of(node)
        if node not in self._known:
            variable = f"v{len(self._known)}"
            if isinstance(node, ColumnNode):
                written = Code(f"values[{node.name!r}]", True)
            else:
                written = node.operator.row(node, [self.code(argument) for argument in node.arguments])
                variable = f"v{len(self._known)}"  # its arguments came first
            self.lines.append(f"{variable} = {written.text}")
            self._known[node] = Code(variable, written.nullable)
        return self._known[node]


def row_source(trees: Sequence[Node]) -> str:
    """The source of the function `row` over `values` that gives the value of each tree."""
    writer = _Writer()
    results = [writer.code(tree).text for tree in trees]
    lines = [*writer.lines, f"return [{', '.join(results)}]"]
    return "def row(values):\n" + "".join(f"    {line}\n" for line in lines)


def row_values(trees: Sequence[Node]) -> RowValues:
    """The function that gives the value of each tree for one row."""
    names: dict[str, Any] = {name: getattr(row_helpers, name) for name in row_helpers.__all__}
    exec(compile(row_source(trees), "<row expressions>", "exec"), names)
    made: RowValues = names["row"]
    return made
