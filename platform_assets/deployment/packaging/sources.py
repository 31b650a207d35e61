"""Which code and which libraries the service needs.

Belongs here: following imports and registries' lists from the service's entry points, and picking pinned requirements. Does not belong
here: copying or building.

A registry (`members.py`) names its members as text, whole and never put together, `platform_assets.package.module:OBJECT`, and imports
them when they are used. Such a text in a packed module counts as an import, unless it points into a room that no service uses.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

FIRST_PARTY = ("serving", "platform_assets")
PROJECT = "platform-assets"
"""The distribution whose requirements name the extras of a driver."""
ENTRY_POINTS = (
    "serving.bento",
    "serving.__main__",
    "platform_assets.features.online.request_features",
    "platform_assets.features.online.store",
)
STREAM_DOOR = "serving.doors.stream"
"""A further entry point where a topic is scored; it brings the Kafka client along."""
LIBRARIES_OF_THEIR_OWN = (
    "platform_assets.training.learners",
    "platform_assets.training.distributed",
    "platform_assets.training.network",
    "platform_assets.tasks",
    "platform_assets.pictures",
)
"""What fits models, kinds of task, pictures: a service loads one model, and neither measures nor draws."""
NO_PART_OF_A_SERVICE = tuple(
    f"platform_assets.{room}"
    for room in (
        "definitions", "cli", "orchestration", "pipelines", "installation", "monitoring", "deployment", "experiments", "registry",
        "evaluation", "validation", "onboarding", "connectors", "lake", "simulation", "testing",
    )
)  # fmt: skip
"""Rooms whose members stand in lists that a service reads too, but that it never asks for."""
MEMBER = re.compile(r"((?:platform_assets|serving)(?:\.\w+)+):\w+")
"""How a registry names a member."""
FORBIDDEN = frozenset({"dagster", "dagster_k8s", "dagster_mlflow", "mlflow", "evidently"})
ALWAYS = ("bentoml", "uvicorn", "uvloop", "httptools")
"""BentoML itself, and what uvicorn picks up when it is there: event loop and parser in C."""


class PackingError(ValueError):
    """The service's code cannot be packed; the message names the module and what it imports."""


def service_modules(root: Path, entry_points: Iterable[str] = ENTRY_POINTS) -> dict[str, Path]:
    """Every module of ours that the service needs, by following imports wherever they stand in the code.

    Args:
        root: folder that holds the packages.
        entry_points: where to start.

    Returns:
        Module name to file, parent packages included, in the order of their names.

    Raises:
        PackingError: an entry point does not exist, or a module imports what has no place in a service.
    """
    modules: dict[str, Path] = {}
    waiting = list(entry_points)
    for name in waiting:
        if module_file(root, name) is None:
            raise PackingError(f"{root}: module {name} does not exist; it is an entry point of the service")
    while waiting:
        name = waiting.pop()
        path = module_file(root, name)
        if path is None or name in modules:
            continue
        modules[name] = path
        if name not in FIRST_PARTY:
            waiting += _needed(name, path)
    return dict(sorted(modules.items()))


def _needed(name: str, path: Path) -> list[str]:
    """The modules of ours that a module needs: its packages, what it imports, and the members that it names.

    Raises:
        PackingError: it imports what has no place in a service.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = _imports(tree)
    forbidden = sorted({target.partition(".")[0] for target in imported} & FORBIDDEN)
    if forbidden:
        raise PackingError(
            f"{path} imports {', '.join(forbidden)}, which a service must not carry: move that import elsewhere"
        )
    packages = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
    members = [member for member in _members(tree) if not _inside(member, NO_PART_OF_A_SERVICE)]
    return packages + members + [target for target in imported if target.partition(".")[0] in FIRST_PARTY]


def _inside(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def module_file(root: Path, name: str) -> Path | None:
    """The file of a module or package; None when there is none."""
    base = root.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imports(path: Path) -> set[str]:
    """Every module that a file may import, anywhere in it; `from a import b` counts as `a` and `a.b`."""
    return _imports(ast.parse(path.read_text(encoding="utf-8")))


def _imports(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in _reachable(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _members(tree: ast.AST) -> list[str]:
    """The modules of members that a file names as a registry does."""
    texts = [node.value for node in _reachable(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [match.group(1) for match in map(MEMBER.fullmatch, texts) if match]


def _reachable(node: ast.AST) -> Iterable[ast.AST]:
    """All nodes but those that only a type checker sees."""
    yield node
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        children = list(node.orelse)
    for child in children:
        yield from _reachable(child)


def third_party(modules: Mapping[str, Path]) -> set[str]:
    """Top-level names that the modules import and that are neither ours nor the standard library's.

    Learners and kinds of task are left out: each learner brings a library of its own, and a service needs only its model's; what a kind
    of task measures and draws with is no part of answering.
    """
    names = {
        target.partition(".")[0]
        for name, path in modules.items()
        if not name.startswith(LIBRARIES_OF_THEIR_OWN)
        for target in imports(path)
    }
    return names - set(FIRST_PARTY) - sys.stdlib_module_names


def requirements(
    top_level: Iterable[str], distributions: Iterable[str], lock: Path, drivers: Iterable[str] = ()
) -> list[str]:
    """Pinned requirements of a service: what it imports and all that this needs in turn, as `name==version`.

    Args:
        top_level: imported names, such as `yaml`.
        distributions: further distributions by name, such as `xgboost-cpu`.
        lock: the project's lock file, from which every version is taken.
        drivers: imported names of database drivers, such as `psycopg`; they come with the extras that this project requires them with.

    Raises:
        PackingError: a needed distribution is not in the lock file.
    """
    from importlib.metadata import packages_distributions

    pinned = read_lock(lock)
    providers = packages_distributions()
    wanted = {_normal(name) for name in (*ALWAYS, *distributions)}
    for name in top_level:
        wanted |= {_normal(provider) for provider in providers.get(name, [name])}
    extras = {one: _required_extras(one) for driver in drivers for one in distributions_of(driver)}
    wanted |= set(extras)
    closed = _with_dependencies(wanted, extras)
    missing = sorted(wanted - set(pinned))
    if missing:
        raise PackingError(f"{lock} does not pin {', '.join(missing)}; add them to pyproject.toml and lock again")
    return [f"{name}=={pinned[name]}" for name in sorted(closed & set(pinned))]


def distributions_of(driver: str) -> set[str]:
    """The distributions that bring a database driver, by its module's name; none where Python itself does."""
    from importlib.metadata import packages_distributions

    if driver in sys.stdlib_module_names:
        return set()
    return {_normal(provider) for provider in packages_distributions().get(driver, [driver])}


def lock_file(source_root: Path) -> Path:
    """Where versions are pinned: beside a checkout's packages, or within the package where a wheel was installed."""
    own = source_root / "requirements.lock"
    return own if own.is_file() else source_root / "platform_assets" / "requirements.lock"


def read_lock(lock: Path) -> dict[str, str]:
    """Distribution to version, as a lock file pins them.

    Raises:
        PackingError: the file cannot be read.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise PackingError(
            f"{lock} cannot be read ({error.strerror}): the service's requirements come from there"
        ) from error
    return {
        _normal(name): version
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", text, re.MULTILINE)
    }


def _required_extras(distribution: str) -> frozenset[str]:
    """The extras that this project requires a distribution with; a driver is often a shell around one of them."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    try:
        required = [Requirement(text) for text in requires(PROJECT) or []]
    except PackageNotFoundError:
        return frozenset()
    named = [one for one in required if _normal(one.name) == _normal(distribution)]
    return frozenset(extra for one in named for extra in one.extras)


def _with_dependencies(names: set[str], extras_of: Mapping[str, frozenset[str]]) -> set[str]:
    """The distributions and everything that they require on this platform, by what is installed."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    closed: set[str] = set()
    waiting = [(name, extras_of.get(name, frozenset[str]())) for name in sorted(names)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        closed.add(name)
        try:
            texts = requires(name) or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, texts):
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in (extras or {""})
            ):
                waiting.append((_normal(requirement.name), frozenset(requirement.extras)))
    return closed


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
