"""Gate `tests`: tests stay, and none is skipped that was run.

Belongs here: test functions in the source, by name. Does not belong here: running them, which CI does as a step of its own.

A test that moved to another file, or into a class, is the same test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platform_assets.pipelines.change.gates.base import ChangeFinding
from platform_assets.pipelines.change.sides import RepositoryChange

SKIPS: Final = frozenset({"skip", "skipif", "xfail", "importorskip"})


@dataclass(frozen=True)
class FileTests:
    """The tests of one file.

    Attributes:
        lines: the line of each, by name.
        skips: lines at which something is skipped or expected to fail.
    """

    lines: dict[str, int]
    skips: dict[int, str]


@dataclass(frozen=True)
class _TestsKept:
    about: str = "no test is gone, and none is skipped that was run"

    def judge(self, change: RepositoryChange) -> Iterator[ChangeFinding]:
        """Each test that is gone, and each skip that is new."""
        files = [item for item in change.files if _is_test_file(item.path)]
        before = {item.path: tests_in(change.before.root / item.path) for item in files}
        after = {item.path: tests_in(change.after.root / item.path) for item in files}
        here = {name for tests in after.values() for name in tests.lines}
        for path, tests in before.items():
            for name in tests.lines:
                if name not in here:
                    is_gone = not (change.after.root / path).exists()
                    yield ChangeFinding(
                        f"{path} {name}",
                        path,
                        1,
                        f"test {name} is gone{' with its file' if is_gone else ''}",
                        _NEXT_STEP,
                    )
        for item in files:
            for line, what in after[item.path].skips.items():
                if line in item.added:
                    yield ChangeFinding(
                        f"{item.path} {what}", item.path, line, f"{what}: what it tested is tested no more", _NEXT_STEP
                    )


_NEXT_STEP = "put it back and mend what it found, or have it accepted: who answers for it, why, until when"


def _is_test_file(path: str) -> bool:
    name = Path(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py")


def tests_in(path: Path) -> FileTests:
    """The tests of a file; none of one that is not there or is no Python, which `lint` says."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return FileTests({}, {})
    lines, skips = {}, {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            lines[node.name] = node.lineno
        if isinstance(node, ast.Attribute) and node.attr in SKIPS and "pytest" in ast.unparse(node):
            skips[node.lineno] = ast.unparse(node)
    return FileTests(lines, skips)


TESTS_KEPT = _TestsKept()
