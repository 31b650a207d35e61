"""The house as it is meant to be: sizes, names, docstrings, and who may import whom. Each finding names its file."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("platform_assets", "serving")
MOST_FILE_LINES, MOST_FUNCTION_LINES = 400, 60
COMPILED_LOOPS = {"platform_assets/features/aggregation/compiled_loops.py"}
"""One pass in one function: a split inside of numba costs the inlining."""
TYPE_LADDERS = {"Connector", "Learner", "Task", "Gate", "Target", "Tracker", "Aggregate"}
"""Whoever asks for the type of a registry's member outside of the registry's own room has a ladder."""


def files(*folders: str) -> Iterator[tuple[str, ast.Module, str]]:
    """Path below the root, syntax tree and text of every Python file of these folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            yield path.relative_to(ROOT).as_posix(), ast.parse(text), text


def imported(tree: ast.Module) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_no_file_and_no_function_is_two_things() -> None:
    long = []
    for path, tree, text in files(*PRODUCT, "benchmarks"):
        if len(text.splitlines()) > MOST_FILE_LINES:
            long.append(f"{path}: {len(text.splitlines())} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and path not in COMPILED_LOOPS:
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    long.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not long, "\n".join(long)


def test_every_module_says_what_belongs_in_it_and_what_does_not() -> None:
    silent = []
    for path, tree, _ in files(*PRODUCT):
        words = " ".join((ast.get_docstring(tree) or "").split())
        if not words or (
            not path.endswith("__init__.py") and not ("Belongs here:" in words and "Does not belong here:" in words)
        ):
            silent.append(path)
    assert not silent, "\n".join(silent)


def test_no_two_public_things_share_a_name() -> None:
    places = defaultdict(set)
    for path, tree, _ in files(*PRODUCT):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(path)
    shared = {name: sorted(paths) for name, paths in places.items() if len(paths) > 1}
    assert not shared, "\n".join(f"{name}: {', '.join(paths)}" for name, paths in sorted(shared.items()))


def test_tests_and_benchmarks_do_not_know_each_other_and_the_product_knows_neither() -> None:
    crossed = [
        f"{path} imports benchmarks"
        for path, tree, _ in files("platform_assets_tests")
        if "benchmarks" in imported(tree)
    ]
    crossed += [
        f"{path} imports the tests"
        for path, tree, _ in files("benchmarks")
        if "platform_assets_tests" in imported(tree)
    ]
    for path, tree, text in files(*PRODUCT):
        if {"benchmarks", "platform_assets_tests"} & imported(tree):
            crossed.append(f"{path} imports tests or benchmarks")
        if "platform_assets.testing" in text and not path.startswith("platform_assets/testing/"):
            crossed.append(f"{path} names platform_assets.testing")
    assert not crossed, "\n".join(crossed)
