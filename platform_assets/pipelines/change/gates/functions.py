"""Gate `functions`: a Python function that makes a feature depends on its arguments and on nothing else.

Belongs here: what in a function's source asks chance, the clock, the environment, files or the network. Does not belong here: whether each
value depends on its own row only, which the feature table checks when it is computed (`features/offline/feature_table.py`).

It reads the source and does not run it: what it names is certain to be there, what it does not name may still be impure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange

IMPURE_MODULES: Final = frozenset(
    {
        "random",
        "secrets",
        "uuid",
        "time",
        "os",
        "socket",
        "requests",
        "httpx",
        "urllib",
        "subprocess",
        "threading",
        "tempfile",
    }
)
IMPURE_CALLS: Final = frozenset({"open", "input", "hash", "id", "exec", "eval", "__import__"})
"""Built-ins whose answer is not the same for the same argument everywhere: `hash` of a text differs from process to process."""
IMPURE_NAMES: Final = frozenset(
    {"now", "today", "utcnow", "default_rng", "RandomState", "rand", "randn", "randint", "shuffle", "sample"}
)


@dataclass(frozen=True)
class _Functions:
    about: str = "functions of features are pure: no chance, clock, environment, file or network"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each impure place in a module that the change touches or names for the first time."""
        for name, use_case in change.after.use_cases.items():
            known = _functions(change.before.use_cases.get(name, {"views": {}}))
            for function in sorted(_functions(use_case)):
                file = f"{function.partition(':')[0].replace('.', '/')}.py"
                if (change.after.root / file).is_file() and (file in change.touched or function not in known):
                    yield from _impure(change.after.root, file, function)


def _functions(use_case: dict[str, dict[str, dict[str, list[str]]]]) -> set[str]:
    return {function for view in use_case["views"].values() for function in view["functions"]}


def _impure(root: Path, file: str, function: str) -> Iterator[ChangeFinding]:
    for line, what in impurities((root / file).read_text(encoding="utf-8")):
        yield ChangeFinding(
            f"{function} {what}",
            file,
            line,
            f"`{what}` makes feature function {function} give other values for the same rows: a request would not see what the table has",
            "compute it from the function's arguments; what varies belongs into a column or a look-up",
        )


def impurities(source: str) -> list[tuple[int, str]]:
    """Line and name of each impure thing in a module's source, each line once."""
    found: dict[int, str] = {}
    for node in ast.walk(ast.parse(source)):
        for what in _impure_in(node):
            found.setdefault(getattr(node, "lineno", 1), what)
    return sorted(found.items())


def _impure_in(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in IMPURE_MODULES)
    elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in IMPURE_MODULES:
        yield node.module
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
        yield node.func.id
    elif isinstance(node, ast.Attribute) and node.attr in IMPURE_NAMES:
        yield ast.unparse(node)
    elif isinstance(node, ast.Global):
        yield f"global {', '.join(node.names)}"


FUNCTIONS = _Functions()
