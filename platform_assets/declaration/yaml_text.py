"""YAML as people mean it: the core schema of YAML 1.2, and no key twice.

Belongs here: from text to plain values, and the line that a value stands in. Does not belong here: what the values declare
(`loader.py`).

PyYAML reads YAML 1.1, where `on`, `no` and `y` are Booleans, `12:30` is 750 and `1e3` a text. Here `true` and `false` alone are
Booleans, numbers are written as everywhere else, and days stay text until a field takes them for a day. Merge keys (`<<`) are read,
though 1.2 has dropped them: anchors without them are half of a tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_CORE: tuple[tuple[str, str, str], ...] = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
)
"""Tag, what text is one, and the characters that it begins with (nothing at all: an empty scalar)."""


class DuplicateKey(yaml.MarkedYAMLError):
    """A mapping has the same key twice: one of the two would be lost without a word."""


class _CoreLoader(yaml.SafeLoader):
    """Resolves plain scalars by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml, ten times as fast; what it says of an error names no line of the text."""

    yaml_implicit_resolvers = _CoreLoader.yaml_implicit_resolvers


def _whole_number(loader: yaml.Loader | yaml.SafeLoader, node: Any) -> int:
    """Decimal, `0o17` or `0x1f`; leading zeros do not matter."""
    text = str(loader.construct_scalar(node))
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text if base == 10 else text[2:], base)


def _text(loader: yaml.Loader | yaml.SafeLoader, node: Any) -> str:
    return str(loader.construct_scalar(node))


for _name, _pattern, _first in _CORE:
    for _character in _first:
        _key = "" if _character == "\0" else _character
        _entry = (_TAG + _name, re.compile(rf"^(?:{_pattern})$"))
        _CoreLoader.yaml_implicit_resolvers.setdefault(_key, []).append(_entry)
for _loader in (_CoreLoader, _FastLoader):
    yaml.add_constructor(_TAG + "int", _whole_number, Loader=_loader)
    yaml.add_constructor(_MERGE, _text, Loader=_loader)  # `<<` as a value


def load_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """The values of a YAML document, and its nodes, which know their lines.

    Raises:
        yaml.YAMLError: the text is not YAML, holds several documents, or a mapping has a key twice (`DuplicateKey`).
    """
    try:
        return _loaded(text, _FastLoader)
    except (yaml.YAMLError, RecursionError):
        pass  # said by the loader that shows the place
    try:
        return _loaded(text, _CoreLoader)
    except RecursionError as error:
        raise yaml.YAMLError("values are nested too deeply") from error


def _loaded(text: str, loader: Any) -> tuple[Any, yaml.Node | None]:
    node = yaml.compose(text, Loader=loader)  # constructing values takes merge keys out of the nodes
    _refuse_duplicates(node, set())
    return yaml.load(text, Loader=loader), node


def line_of(node: yaml.Node | None, where: tuple[int | str, ...]) -> int:
    """Line of the deepest part of `where` that the document has, counted from 1: of its key, or of its place in a list.

    A step that no mapping has is passed over: pydantic names the kind of a union's member where the document has no key.
    """
    line = int(node.start_mark.line) + 1 if node is not None else 1
    for step in where:
        key, child = _child(node, step)
        if key is not None:
            node, line = child, int(key.start_mark.line) + 1
    return line


def written_path(node: yaml.Node | None, where: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The steps of a path that stand in the document, and its last one, which may be missing there.

    Steps that no mapping has are left out as in `line_of`; so is a last one that names a type rather than a field.
    """
    steps: list[int | str] = []
    for place, step in enumerate(where):
        key, child = _child(node, step)
        is_last = place == len(where) - 1
        if key is not None:
            node = child
            steps.append(step)
        elif is_last and re.fullmatch(r"[\w-]+", str(step)) and isinstance(node, yaml.MappingNode):
            steps.append(step)
    return tuple(steps)


def _child(node: yaml.Node | None, step: int | str) -> tuple[yaml.Node | None, yaml.Node | None]:
    """Where a key or a place in a list stands, and what it holds; nothing twice where there is none."""
    if isinstance(node, yaml.MappingNode):
        found = ((key, value) for key, value in _entries(node) if str(key.value) == str(step))
        return next(found, (None, None))
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None, None


def _entries(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a mapping: its own first, then those that it merges."""
    for key, value in node.value:
        if key.tag != _MERGE:
            yield key, value
    for key, value in node.value:
        if key.tag == _MERGE:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(merged, yaml.MappingNode):
                    yield from _entries(merged)


def _refuse_duplicates(node: yaml.Node | None, visited: set[int], around: tuple[int, ...] = ()) -> None:
    """Walk through the document, what an alias stands for once; `around` are the collections that the node stands in."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return
    if id(node) in around:
        raise yaml.MarkedYAMLError(problem="an alias stands inside its own anchor", problem_mark=node.start_mark)
    if id(node) in visited:
        return
    visited.add(id(node))
    inside = (*around, id(node))
    if not isinstance(node, yaml.MappingNode):
        for child in node.value:
            _refuse_duplicates(child, visited, inside)
        return
    seen: dict[tuple[str, str], yaml.Node] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            first = seen.setdefault((key.tag, key.value), key)
            if first is not key:
                raise _stands_twice(first, key)
        _refuse_duplicates(key, visited, inside)
        _refuse_duplicates(value, visited, inside)


def _stands_twice(first: yaml.Node, second: yaml.Node) -> DuplicateKey:
    return DuplicateKey(
        context=f"key {second.value!r} stands twice, first in line {first.start_mark.line + 1}",
        context_mark=first.start_mark,
        problem="the second would take the place of the first: rename it, or take one of them out",
        problem_mark=second.start_mark,
    )
