"""Finding declarations, and reading one from its YAML file, with file and line in every error.

Belongs here: from a file to a `UseCase`, for dagster's component as for the service, the command line and tests, and the use cases below
`platform_assets/defs/`. Does not belong here: the rules themselves, and reading YAML (`yaml_text.py`).
"""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from platform_assets.declaration.problems import DeclarationError, DeclarationProblem, problems_of
from platform_assets.declaration.sections.calendar import HolidaysFileError
from platform_assets.declaration.use_case import UseCase
from platform_assets.declaration.yaml_mistakes import field_near, mistake_in_words
from platform_assets.declaration.yaml_text import DuplicateKey, line_of, load_yaml
from platform_assets.members import UnknownName, meant_and_known, nearest

COMPONENT_TYPE = "platform_assets.MlUseCase"
DEFINITIONS_FOLDER = Path(__file__).parents[1] / "defs"


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
        first, *more = self.error.problems
        others = f" (and {len(more)} more; `platform-assets check` lists them)" if more else ""
        return f"{self.folder.name} cannot be loaded and is left out: {first}{others}"


def every_declaration() -> tuple[list[DeclaredUseCase], list[Draft]]:
    """The use cases below `platform_assets/defs` that load, and those that do not."""
    loaded, drafts = [], []
    for path in sorted(DEFINITIONS_FOLDER.glob("*/defs.yaml")):
        try:
            loaded.append(DeclaredUseCase(load_use_case(path), path.parent))
        except DeclarationError as error:
            drafts.append(Draft(path.parent, error))
    owners = _owners(loaded)
    copies = [declared for declared in loaded if owners[declared.use_case.name] != declared]
    drafts += [Draft(copy.folder, _taken(copy, owners[copy.use_case.name])) for copy in copies]
    return [declared for declared in loaded if declared not in copies], sorted(drafts, key=lambda draft: draft.folder)


def require_name_of_its_own(use_case: UseCase, folder: Path) -> None:
    """Refuse a use case whose name another folder beside it has: two of one name would be one set of tables, models and addresses.

    The name is of the folder that is called so, else of the first that declares it. A folder that is called like its use case has it.

    Raises:
        DeclarationError: another has the name.
    """
    if folder.name == use_case.name:
        return
    declared = [DeclaredUseCase(use_case, folder)]
    for path in sorted(folder.parent.glob("*/defs.yaml")):
        with suppress(DeclarationError):
            if path.parent != folder:
                declared.append(DeclaredUseCase(load_use_case(path), path.parent))
    owner = _owners(declared)[use_case.name]
    if owner.folder != folder:
        raise _taken(declared[0], owner)


def _owners(declared: Iterable[DeclaredUseCase]) -> dict[str, DeclaredUseCase]:
    """Which of several use cases of one name has it."""
    owners: dict[str, DeclaredUseCase] = {}
    for one in sorted(declared, key=lambda one: (one.folder.name != one.use_case.name, one.folder)):
        owners.setdefault(one.use_case.name, one)
    return owners


def _taken(copy: DeclaredUseCase, owner: DeclaredUseCase) -> DeclarationError:
    name = copy.use_case.name
    message = f"{name!r} is the name of the use case in the folder {owner.folder.name}: give this one another, such as {copy.folder.name}"
    return DeclarationError([problem_at(copy.folder, ("name",), message)])


def declared_use_cases(name: str | None = None, *, warned: bool = False) -> list[DeclaredUseCase]:
    """All use cases below `platform_assets/defs`, or the one of that name. Drafts are named in a warning where all are meant.

    Args:
        name: of the use case; None for all.
        warned: drafts were named already, by whoever loaded the definitions.

    Raises:
        DeclarationError: the one that is named, or every one, cannot be loaded.
        UnknownName: there is no use case of that name.
        ValueError: when there is none.
    """
    loaded, drafts = every_declaration()
    chosen = [declared for declared in loaded if name is None or declared.use_case.name == name]
    if not chosen:
        meant = [draft for draft in drafts if name is None or draft.folder.name == name]
        if meant:
            raise DeclarationError([problem for draft in meant for problem in draft.error.problems])
        unloaded = "".join(f"\n{draft.sentence}" for draft in drafts)
        if name is None:
            raise ValueError(
                f"no use case is declared below {DEFINITIONS_FOLDER}: `platform-assets init NAME --from PATH` writes a first one{unloaded}"
            )
        names = meant_and_known(name, [declared.use_case.name for declared in loaded])
        raise UnknownName(f"there is no use case {name!r}; {names}{unloaded}")
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
        reason = f"no such file; create it with `dg scaffold defs {COMPONENT_TYPE} NAME`"
        raise DeclarationError([DeclarationProblem(path, None, "", reason)])
    document, node = _parsed(path)
    problem = _not_a_declaration(document, path, node)
    if problem is not None:
        raise DeclarationError([problem])
    try:
        return UseCase.model_validate(document["attributes"]).in_folder(path.parent)
    except HolidaysFileError as error:
        line = line_of(node, ("attributes", "sources"))
        raise DeclarationError([DeclarationProblem(path, line, "sources", str(error))]) from error
    except ValidationError as error:
        raise DeclarationError(problems_of(error, UseCase, path, node)) from None


def problem_at(path: Path, where: tuple[int | str, ...], message: str) -> DeclarationProblem:
    """A problem of a file that is read well, with the line of the place.

    Args:
        path: the file, or the use case's folder.
        where: below `attributes`.
        message: what is wrong and what to do.
    """
    file = path / "defs.yaml" if path.is_dir() else path
    _, node = _parsed(file)
    line = line_of(node, ("attributes", *where))
    return DeclarationProblem(file, line, ".".join(map(str, where)), " ".join(message.split()))


def _not_a_declaration(document: Any, path: Path, node: yaml.Node | None) -> DeclarationProblem | None:
    """What keeps a document from being a declaration at all."""
    expected = f"expected `type: {COMPONENT_TYPE}` and `attributes:`"
    if not isinstance(document, Mapping):
        what = "the file is empty" if document is None else "no mapping"
        return DeclarationProblem(path, 1, "type", f"{what}: {expected}")
    if document.get("type") != COMPONENT_TYPE:
        found = "is missing" if "type" not in document else f"is {document['type']!r}"
        return DeclarationProblem(path, line_of(node, ("type",)), "type", f"{found}: {expected}")
    attributes = document.get("attributes")
    if isinstance(attributes, Mapping):
        return None
    line = line_of(node, ("attributes",))
    meant = nearest("attributes", [str(key) for key in document if key != "type"])
    if attributes is None and meant is not None and meant != "attributes":
        line = line_of(node, (meant,))
        return DeclarationProblem(path, line, meant, "there is no such field here; did you mean 'attributes'?")
    reason = "is missing or empty" if attributes is None else f"is no mapping but a {type(attributes).__name__}"
    advice = "the fields of the use case stand below it, indented by two spaces"
    return DeclarationProblem(path, line, "attributes", f"{reason}: {advice}")


def _parsed(path: Path) -> tuple[Any, Any]:
    """The document and its nodes.

    Raises:
        DeclarationError: it is no YAML, or no text in UTF-8; with its line.
    """
    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return load_yaml(text)
    except UnicodeDecodeError as error:
        reason = f"not valid YAML: it is not UTF-8 ({error}). Save it as UTF-8."
        raise DeclarationError([DeclarationProblem(path, None, "", reason)]) from error
    except DuplicateKey as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        field = field_near(text.splitlines(), line)
        raise DeclarationError([DeclarationProblem(path, line, field, f"{error.context}: {error.problem}")]) from error
    except yaml.YAMLError as error:
        mistake = mistake_in_words(error, text)
        problem = DeclarationProblem(path, mistake.line, mistake.field, f"not valid YAML: {mistake.words}")
        raise DeclarationError([problem]) from error
