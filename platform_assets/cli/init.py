"""`platform-assets init`: a first declaration from a team's own data.

Belongs here: where the file is written and what is said about it. Does not belong here: looking at data and proposing
(`onboarding/`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.markup import escape

import platform_assets
from platform_assets.cli.console import console
from platform_assets.declaration.loader import load_use_case
from platform_assets.declaration.problems import DeclarationError
from platform_assets.onboarding.facts import OnboardingError, TableFacts, look_at, look_at_database
from platform_assets.onboarding.guesses import guess_of
from platform_assets.onboarding.labels import with_binary_label
from platform_assets.onboarding.proposal import MARK, propose
from platform_assets.settings import source_access


def write_proposal(
    name: str, look: Callable[[], TableFacts], label: str | None, force: bool, root: Path | None = None
) -> Path:
    """Look at data, write `defs.yaml` of a new use case, and say what to do next.

    Args:
        name: of the use case.
        look: looks at the data.
        label: the label's column, where the caller knows it.
        force: whether a file that is there may be overwritten.
        root: folder of the use cases; None for this installation's.

    Raises:
        OnboardingError: nothing can be proposed, or the file is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise OnboardingError(f"{name!r} is no name for a use case: lower-case letters, digits and _, first a letter")
    folder = (root or Path(platform_assets.__file__).parent / "defs") / name
    target = folder / "defs.yaml"
    if target.exists() and not force:
        raise OnboardingError(f"{target} is there already: choose another name, or overwrite it with --force")
    table = look()
    table, label = with_binary_label(table, label)
    guesses = guess_of(table, label)
    text = propose(name, table, guesses)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    console.print(f"wrote {target}: {len(table.columns)} columns, {text.count(MARK) - 1} guesses, each marked `{MARK}`")
    for problem in guesses.problems:
        console.print(f"[yellow]to do[/] {escape(problem)}")
    try:
        load_use_case(target)
    except DeclarationError as error:
        console.print(f"[yellow]it does not load yet:[/] {escape(str(error))}")
        console.print("Next: open the file, fill in what is marked, then: dg check defs")
        return target
    console.print(f"It loads. Next: read the guesses, then: dg check defs && platform-assets run {name}")
    return target


def looking_at(path: str | None, variable: str | None, table: str | None) -> Callable[[], TableFacts]:
    """How to look at what the options name: files, or a table of a database.

    Raises:
        OnboardingError: neither or both are named.
    """
    if path is not None and variable is None and table is None:
        return partial(look_at, path)
    if path is None and variable is not None and table is not None:
        return partial(look_at_database, variable, table, source_access())
    raise OnboardingError("say where the data is: --from PATH, or --from-sql VARIABLE with --table NAME")
