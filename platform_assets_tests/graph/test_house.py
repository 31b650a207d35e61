"""The house as it is meant to be: sizes, names, docstrings, and who may import whom. Each finding names its file."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS
from platform_assets.declaration.sections.connectors.registry import CONNECTORS
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.tasks.registry import TASKS
from platform_assets.training.learners import LEARNERS

ROOT = Path(__file__).parents[2]
PRODUCT = ("platform_assets", "serving")
MOST_FILE_LINES, MOST_FUNCTION_LINES = 400, 60
COMPILED_LOOPS = {"platform_assets/features/aggregation/compiled_loops.py"}
"""One pass in one function: a split inside of numba costs the inlining."""
MEMBERS = {name for registry in (CONNECTORS, DECLARED_TASKS, DECLARED_LEARNERS, TASKS, LEARNERS) for name in registry}
"""Kinds of connectors, tasks and learners, as declarations write them."""
CLASSES = {CONNECTORS[kind].__name__ for kind in CONNECTORS}
ROOMS_OF_MEMBERS = (
    "platform_assets/declaration/sections/connectors/",
    "platform_assets/declaration/tasks/",
    "platform_assets/tasks/",
    "platform_assets/training/learners/",
    "platform_assets/training/network/",
    *(CONNECTORS[kind].reader.rpartition(".")[0].replace(".", "/") + "/" for kind in CONNECTORS),
)
"""Where a member may know itself."""


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
    for path, tree, text in files(*PRODUCT, "benchmarks", "platform_assets_tests"):
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


def ladders(text: str, members: set[str], classes: set[str]) -> list[str]:
    """Line and text of each branch over the members of a registry, anywhere in Python source.

    Args:
        text: the source.
        members: names of members: no `kind` or `task` may be compared with one, nor with a collection of them, named or not.
        classes: names of classes of members, whose type nobody may ask for.
    """
    tree = ast.parse(text)
    collections = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def is_kind(node: ast.expr) -> bool:
        return getattr(node, "id", getattr(node, "attr", None)) in {"kind", "task"}

    def names_members(node: ast.AST) -> bool:
        if isinstance(node, ast.Name):
            return node.id in collections and names_members(ast.Tuple([collections[node.id]]))
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            return any(map(names_members, node.elts))
        if isinstance(node, ast.Dict):
            return any(key is not None and names_members(key) for key in node.keys)
        if isinstance(node, ast.Starred):
            return names_members(node.value)
        return isinstance(node, ast.Constant) and node.value in members

    def is_ladder(node: ast.AST) -> bool:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return any(map(is_kind, sides)) and any(map(names_members, sides))
        if isinstance(node, ast.Match):
            patterns = [
                part.value for case in node.cases for part in ast.walk(case) if isinstance(part, ast.MatchValue)
            ]
            return is_kind(node.subject) and any(map(names_members, patterns))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            types = {getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(node.args[1])}
            return bool(types & classes)
        return False

    return [f"{node.lineno} {ast.unparse(node).splitlines()[0]}" for node in ast.walk(tree) if is_ladder(node)]


def test_nobody_but_a_member_branches_over_the_members_of_a_registry() -> None:
    branches = [
        f"{path}:{line}"
        for path, _, text in files(*PRODUCT)
        if not path.startswith(ROOMS_OF_MEMBERS)
        for line in ladders(text, MEMBERS, CLASSES)
    ]
    assert not branches, "\n".join(branches)


@pytest.mark.parametrize(
    "branch",
    [
        'learner.kind == "blend"',
        '"regression" != task',
        'learner.kind in ("constant", "rule")',
        "learner.kind not in JOINS",
        "learner.kind in (*JOINS, 'other')",
        "source.kind in BY_KIND",
        "isinstance(source.connector, SqlConnector | FilesConnector)",
        "isinstance(connector, connectors.KafkaConnector)",
    ],
)
def test_a_branch_over_members_is_seen(branch: str) -> None:
    text = f'JOINS = ("blend", "stack")\nBY_KIND = {{"sql": 1}}\nanswer = 1 if {branch} else 2\n'
    assert ladders(text, MEMBERS, CLASSES) == [f"3 {ast.unparse(ast.parse(branch))}"]


def test_a_match_over_members_is_seen_and_other_kinds_are_not() -> None:
    matched = 'match use_case.training.task:\n    case "binary":\n        answer = 1\n'
    assert ladders(matched, MEMBERS, CLASSES) == ["1 match use_case.training.task:"]
    other = 'fault.kind == "late_rows" or kind in KNOWN or name == "blend" or isinstance(value, str) or "x" in kind'
    assert not ladders(other, MEMBERS, CLASSES)
