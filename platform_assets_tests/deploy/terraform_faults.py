"""Faults that people make in Terraform: arguments that are misspelt, missing or of the wrong type.

Belongs here: finding arguments in the modules, and changing one. Does not belong here: running Terraform (`terraform.py`).
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OPEN = re.compile(r'^\s*(?:(resource|data|dynamic) )?"?([\w-]+)"?(?: "[\w-]+")? \{$')
_ARGUMENT = re.compile(r"^\s*(\w+)\s+= (\S.*)$|^\s*(\w+) = (\S.*)$")
_WRONG: Mapping[str, str] = {
    "string": '["a list"]',
    "number": '"many"',
    "bool": '"perhaps"',
    "list": '"one"',
    "set": '"one"',
    "map": '"one"',
}


@dataclass(frozen=True)
class Argument:
    """One argument on a line of its own, with what the schema says of it."""

    file: Path
    line: int
    block_line: int
    """Of the block that it stands in; both count from 1."""
    type_name: str
    name: str
    schema: Mapping[str, Any]
    others: frozenset[str]
    """Names that the block knows."""


@dataclass(frozen=True)
class Fault:
    """A change of one line, and where and by which word it has to be found."""

    kind: str
    argument: Argument
    text: str
    line: int
    word: str

    def __str__(self) -> str:
        place = f"{self.argument.file.name}:{self.argument.line}"
        return f"{self.kind} {self.argument.type_name}.{self.argument.name} ({place})"

    def plant(self, root: Path) -> Path:
        """Write the changed file into a copy of the modules; returns the file."""
        path = root / self.argument.file
        lines = path.read_text().splitlines()
        lines[self.argument.line - 1] = self.text
        path.write_text("\n".join(lines) + "\n")
        return path

    def is_named_by(self, diagnostic: Mapping[str, Any]) -> bool:
        """Whether a diagnostic of Terraform names file, line and argument."""
        where = diagnostic.get("range") or {}
        words = f"{diagnostic['summary']} {diagnostic.get('detail', '')}"
        return (
            Path(where.get("filename", "")).name == self.argument.file.name
            and where["start"]["line"] == self.line
            and f'"{self.word}"' in words
        )


def arguments(root: Path, folder: Path, schema: Mapping[str, Any]) -> Iterator[Argument]:
    """Every argument of resources and data sources that stands on one line and that the schema knows.

    Args:
        root: folder of all modules, that files are named from.
        folder: of the module, below it.
        schema: of the module's provider.
    """
    kinds = {"resource": schema["resource_schemas"], "data": schema["data_source_schemas"]}
    for file in sorted((root / folder).glob("*.tf")):
        # Each open block: its line, its schema (none where it is no block of a schema), and the name of the resource's type.
        stack: list[tuple[int, Any, str]] = []
        depth = 0  # of brackets in a value of several lines
        for number, line in enumerate(file.read_text().splitlines(), 1):
            code = line.split(" # ")[0].rstrip()
            opened = _OPEN.match(code)
            if depth == 0 and opened and "=" not in code:
                stack.append((number, *_inner(opened, stack, kinds)))
                continue
            if depth == 0 and code.strip() == "}":
                stack.pop()
                continue
            found = _ARGUMENT.match(code)
            change = sum(code.count(one) for one in "([{") - sum(code.count(one) for one in ")]}")
            if depth == 0 and change == 0 and found and stack and stack[-1][1] is not None:
                name = found[1] or found[3]
                block_line, block, type_name = stack[-1]
                if name in block["attributes"]:
                    known = frozenset([*block["attributes"], *block["block_types"]])
                    relative = file.relative_to(root)
                    yield Argument(relative, number, block_line, type_name, name, block["attributes"][name], known)
            depth += change


def _inner(opened: re.Match[str], stack: list[tuple[int, Any, str]], kinds: Mapping[str, Any]) -> tuple[Any, str]:
    keyword, name = opened[1], opened[2]
    if keyword in kinds:
        schema = kinds[keyword].get(name)
        return (schema["block"] if schema else None), name
    if not stack or stack[-1][1] is None:
        return None, ""
    _, block, type_name = stack[-1]
    if name == "content":
        return block["content"], type_name
    kind = block.get("block_types", {}).get(name)
    inside = kind["block"] if kind else None
    if keyword == "dynamic":  # its content is the block
        return ({"attributes": {}, "block_types": {}, "content": inside} if inside else None), type_name
    return inside, type_name


def faults(root: Path, folder: Path, schema: Mapping[str, Any], each: int, seed: int = 19) -> list[Fault]:
    """So many faults of each kind, at random places, of as many types of resources as there are.

    Args:
        root: folder of all modules.
        folder: of the module, below it.
        schema: of the module's provider.
        each: how many of each kind.
        seed: of the choice.
    """
    text = {
        file: (root / file).read_text().splitlines() for file in {one.file for one in arguments(root, folder, schema)}
    }
    generator = random.Random(seed)
    chosen: list[Fault] = []
    for kind in ("misspelt", "missing", "mistyped"):
        possible = [
            fault
            for argument in arguments(root, folder, schema)
            if (fault := _fault(kind, argument, text[argument.file][argument.line - 1]))
        ]
        generator.shuffle(possible)
        before: Counter[str] = Counter()
        ranked = []
        for fault in possible:
            ranked.append((before[fault.argument.type_name], fault))
            before[fault.argument.type_name] += 1
        chosen += [fault for _, fault in sorted(ranked, key=lambda one: one[0])[:each]]
    return chosen


def _fault(kind: str, argument: Argument, text: str) -> Fault | None:
    name, schema = argument.name, argument.schema
    if kind == "misspelt":
        middle = len(name) // 2
        wrong = name[:middle] + name[middle + 1 :]
        if wrong in argument.others or len(name) < 4:
            return None
        return Fault(kind, argument, text.replace(name, wrong, 1), argument.line, wrong)
    if kind == "missing":
        return Fault(kind, argument, "", argument.block_line, name) if schema.get("required") else None
    described = schema.get("type")
    container = described[0] if isinstance(described, list) else described
    if container not in _WRONG:
        return None
    indent = text[: len(text) - len(text.lstrip())]
    return Fault(kind, argument, f"{indent}{name} = {_WRONG[container]}", argument.line, name)
