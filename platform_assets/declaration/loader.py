"""Finding declarations, and reading one from its YAML file, with file and line in every error.

Belongs here: from a file to a `UseCase`, for dagster's component as for the service, the command line and tests, and the use cases below
`platform_assets/defs/`. Does not belong here: the rules themselves, and reading YAML (`yaml_text.py`).
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from platform_assets.declaration.sections.calendar import HolidaysFileError
from platform_assets.declaration.use_case import UseCase
from platform_assets.declaration.yaml_text import DuplicateKey, line_of, load_yaml

COMPONENT_TYPE = "platform_assets.MlUseCase"
DEFINITIONS_FOLDER = Path(__file__).parents[1] / "defs"


class DeclarationError(ValueError):
    """The YAML file does not hold a valid use case; the message names file, line and field of each problem."""


@dataclass(frozen=True)
class DeclaredUseCase:
    """A use case and the folder it is declared in."""

    use_case: UseCase
    folder: Path


@dataclass(frozen=True)
class Draft:
    """A declaration that cannot be loaded yet, and takes no other one down.

    Attributes:
        folder: the folder it stands in.
        error: why it cannot be loaded.
    """

    folder: Path
    error: DeclarationError

    @property
    def sentence(self) -> str:
        """One line for people."""
        first, *more = str(self.error).splitlines()
        others = f" (and {len(more)} more; `dg check defs` lists them)" if more else ""
        return f"{self.folder.name} cannot be loaded and is left out: {first}{others}"


def every_declaration() -> tuple[list[DeclaredUseCase], list[Draft]]:
    """The use cases below `platform_assets/defs` that load, and those that do not."""
    loaded, drafts = [], []
    for path in sorted(DEFINITIONS_FOLDER.glob("*/defs.yaml")):
        try:
            loaded.append(DeclaredUseCase(load_use_case(path), path.parent))
        except DeclarationError as error:
            drafts.append(Draft(path.parent, error))
    return loaded, drafts


def declared_use_cases(name: str | None = None, *, warned: bool = False) -> list[DeclaredUseCase]:
    """All use cases below `platform_assets/defs`, or the one of that name. Drafts are named in a warning where all are meant.

    Args:
        name: of the use case; None for all.
        warned: drafts were named already, by whoever loaded the definitions.

    Raises:
        DeclarationError: the one that is named, or every one, cannot be loaded.
        ValueError: when there is none.
    """
    loaded, drafts = every_declaration()
    chosen = [declared for declared in loaded if name is None or declared.use_case.name == name]
    if not chosen:
        meant = [draft for draft in drafts if name is None or draft.folder.name == name]
        if meant:
            raise DeclarationError("\n".join(str(draft.error) for draft in meant))
        names = ", ".join(declared.use_case.name for declared in loaded) or "none"
        unloaded = "".join(f"\n{draft.sentence}" for draft in drafts)
        raise ValueError(f"there is no use case {name or ''!r} below {DEFINITIONS_FOLDER}; declared: {names}{unloaded}")
    if name is None and not warned:
        for draft in drafts:
            logging.getLogger(__name__).warning(draft.sentence)
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
    document, node = _parsed(path)
    if not isinstance(document, dict) or document.get("type") != COMPONENT_TYPE:
        raise DeclarationError(f"{path}:1: expected `type: {COMPONENT_TYPE}` with `attributes`")
    try:
        return UseCase.model_validate(document.get("attributes") or {}).in_folder(path.parent)
    except HolidaysFileError as error:
        raise DeclarationError(f"{path}: {error}") from error
    except ValidationError as error:
        lines = [
            f"{path}:{line_of(node, ('attributes', *detail['loc']))}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            for detail in error.errors()
        ]
        raise DeclarationError("\n".join(lines)) from error


def _parsed(path: Path) -> tuple[Any, Any]:
    """The document and its nodes.

    Raises:
        DeclarationError: it is no YAML, or no text in UTF-8; with its line.
    """
    try:
        return load_yaml(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{path}: not valid YAML: it is not UTF-8 ({error}). Save it as UTF-8.") from error
    except DuplicateKey as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise DeclarationError(f"{path}:{line}: {error.context}: {error.problem}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise DeclarationError(f"{where}: not valid YAML: {error}") from error
