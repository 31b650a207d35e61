"""`platform-assets check`: whether declarations can be loaded and run, one line for each mistake.

Belongs here: the command and what it prints. Does not belong here: checking (`pipelines/check_declaration.py`), data and services
(`platform-assets sources check`, `status`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from platform_assets.cli.answer import AsJson, CommandAnswer, answering
from platform_assets.cli.completion import DEFINITIONS, use_case_names
from platform_assets.cli.console import console

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.declaration.problems import DeclarationProblem


def check(
    declaration: Annotated[
        str | None,
        typer.Argument(
            metavar="[USE_CASE|FILE]",
            autocompletion=use_case_names,
            help="Name of a use case, or its `defs.yaml` wherever it lies; all use cases when left out.",
        ),
    ] = None,
    all_problems: Annotated[bool, typer.Option("--all", help="List every mistake, not the first few.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check declarations: file, line, field and what to do for each mistake. Looks at no data; exit code 1 when one cannot be used."""
    with answering(as_json) as answer:
        usable = check_declarations(declaration, answer, all_problems=all_problems)
    if not usable:
        raise typer.Exit(1)


def check_declarations(named: str | None, answer: CommandAnswer, *, all_problems: bool) -> bool:
    """Say of each declaration whether it can be used.

    Returns:
        Whether all can.

    Raises:
        UnknownName: there is no such use case, and no such file.
    """
    from platform_assets.declaration.problems import DeclarationError
    from platform_assets.pipelines.check_declaration import check_declaration

    usable = True
    for path in _files(named):
        try:
            use_case = check_declaration(path)
        except DeclarationError as error:
            usable = False
            console.print(f"[bold red]not usable[/] {escape(_shown(path))}")
            lines = [str(problem) for problem in error.problems] if all_problems else str(error).splitlines()
            for line in lines:
                console.print(line.replace(f"{path}:", f"{_shown(path)}:"), markup=False)
            answer.add("declarations", _facts(path, None, error.problems))
            continue
        console.print(f"[green]usable[/] {escape(_shown(path))}: {escape(_in_words(use_case))}")
        answer.add("declarations", _facts(path, use_case, ()))
    return usable


def _files(named: str | None) -> list[Path]:
    """The declarations that are meant.

    Raises:
        UnknownName: there is none.
    """
    from platform_assets.members import UnknownName, meant_and_known

    if named is not None and (Path(named).suffix in (".yaml", ".yml") or "/" in named or Path(named).is_dir()):
        path = Path(named)
        return [path / "defs.yaml" if path.is_dir() else path]
    found = {path.parent.name: path for path in sorted(DEFINITIONS.glob("*/defs.yaml"))}
    if named is None and found:
        return list(found.values())
    if named in found:
        return [found[str(named)]]
    if named is None:
        raise UnknownName(
            f"no use case is declared below {DEFINITIONS}: `platform-assets init NAME --from PATH` writes one"
        )
    raise UnknownName(f"there is no use case {named!r}; {meant_and_known(named, found)}")


def _shown(path: Path) -> str:
    """A path as somebody in this folder would type it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _in_words(use_case: UseCase) -> str:
    trained = f"{len(use_case.training.learners)} learners" if use_case.is_trained_here else "scores that are delivered"
    return f"{use_case.name}, {len(use_case.sources)} sources, {len(use_case.feature_names)} features, {trained}"


def _facts(path: Path, use_case: UseCase | None, problems: tuple[DeclarationProblem, ...]) -> dict[str, object]:
    return {
        "file": str(path),
        "use_case": None if use_case is None else use_case.name,
        "usable": use_case is not None,
        "problems": [
            {"file": str(one.file), "line": one.line, "field": one.field, "message": one.message} for one in problems
        ],
    }
