"""Law 1: nothing outside a use case's folder, its simulator and the tests knows any use case by name."""

from pathlib import Path

import pytest

import platform_assets
from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import declared_use_cases

PACKAGE = Path(platform_assets.__file__).parent
ROOTS = (PACKAGE, PACKAGE.parent / "serving")
ELSEWHERE = (PACKAGE / "defs", PACKAGE / "simulation", PACKAGE / "testing")
GENERIC = frozenset(
    {
        "hours",
        "labels",
        "transactions",
        "rain",
        "wind",
        "x",
        "y",
        "amount",
        "temperature",
        "hour",
        "hour_of_day",
        "network",
        "customer",
    }
)
"""Names of columns and tables that are also plain words of this code or its examples."""

USE_CASES = [declared.use_case for declared in declared_use_cases()]


def names(use_case: UseCase) -> set[str]:
    found = {use_case.name, *use_case.feature_names}
    for source in use_case.sources:
        found |= {source.name, *source.column_names}
    return found - GENERIC


def code_of(path: Path) -> str:
    """The file without docstrings and descriptions' examples: what stands between quotes as a value, and identifiers."""
    import ast

    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@pytest.mark.parametrize("use_case", USE_CASES, ids=[use_case.name for use_case in USE_CASES])
def test_no_code_knows_the_use_case(use_case: UseCase) -> None:
    import re

    pattern = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names(use_case))))})\b")
    found = []
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            if not any(path.is_relative_to(folder) for folder in ELSEWHERE):
                found += [
                    f"{path.relative_to(root.parent)}: {match}" for match in sorted(set(pattern.findall(code_of(path))))
                ]
    assert found == []


def test_there_are_two_use_cases_to_be_blind_to() -> None:
    assert len(USE_CASES) >= 2
