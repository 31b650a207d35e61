"""Finding declarations, and reading one from its YAML file, with file and line in every error.

Belongs here: YAML to `UseCase` outside dagster (the service, the command line, tests), and the use cases below `platform_assets/defs/`.
Does not belong here: the rules themselves; inside dagster the component does the same through dagster's own YAML reader.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from platform_assets.declaration.sections.calendar import HolidaysFileError
from platform_assets.declaration.use_case import UseCase

COMPONENT_TYPE = "platform_assets.MlUseCase"
DEFINITIONS_FOLDER = Path(__file__).parents[1] / "defs"


class DeclarationError(ValueError):
    """The YAML file does not hold a valid use case; the message names file, line and field of each problem."""


@dataclass(frozen=True)
class DeclaredUseCase:
    """A use case and the folder it is declared in."""

    use_case: UseCase
    folder: Path


def declared_use_cases(name: str | None = None) -> list[DeclaredUseCase]:
    """All use cases below `platform_assets/defs`, or the one of that name.

    Raises:
        ValueError: when there is none.
    """
    every = [
        DeclaredUseCase(load_use_case(path), path.parent) for path in sorted(DEFINITIONS_FOLDER.glob("*/defs.yaml"))
    ]
    chosen = [declared for declared in every if name is None or declared.use_case.name == name]
    if not chosen:
        names = ", ".join(declared.use_case.name for declared in every) or "none"
        raise ValueError(f"there is no use case {name or ''!r} below {DEFINITIONS_FOLDER}; declared: {names}")
    return chosen


def load_use_case(path: Path) -> UseCase:
    """Read `defs.yaml`.

    Args:
        path: the file, or the use case's folder.

    Raises:
        DeclarationError: when the file is missing, is not YAML, or declares something that does not fit together.
    """
    if path.is_dir():
        path = path / "defs.yaml"
    if not path.exists():
        raise DeclarationError(f"{path}: no such file; create it with `dg scaffold defs {COMPONENT_TYPE} NAME`")
    try:
        node = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise DeclarationError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(document, dict) or document.get("type") != COMPONENT_TYPE:
        raise DeclarationError(f"{path}:1: expected `type: {COMPONENT_TYPE}` with `attributes`")
    try:
        return UseCase.model_validate(document.get("attributes") or {}).in_folder(path.parent)
    except HolidaysFileError as error:
        raise DeclarationError(f"{path}: {error}") from error
    except ValidationError as error:
        lines = [
            f"{path}:{_line(node, ('attributes', *detail['loc']))}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors()
        ]
        raise DeclarationError("\n".join(lines)) from error


def _line(node: Any, where: tuple[int | str, ...]) -> int:
    """Line of the deepest part of `where` that the document has."""
    line = int(node.start_mark.line) + 1 if node is not None else 1
    for step in where:
        if isinstance(node, yaml.MappingNode):
            child = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            child = node.value[step]
        else:
            child = None
        if child is None:
            break
        node, line = child, int(child.start_mark.line) + 1
    return line
