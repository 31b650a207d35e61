"""`platform-assets init`: a first declaration from a team's own data.

Belongs here: where the file is written and what is said about it. Does not belong here: asking (`ask.py`), looking at data and proposing
(`onboarding/`), and what is said of a first verdict (`first_look.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import typer
from rich.markup import escape

import platform_assets
from platform_assets.cli.answer import CommandAnswer
from platform_assets.cli.ask import Conversation
from platform_assets.cli.console import console
from platform_assets.cli.first_look import put_understanding, show_first_verdict, show_tables, show_understanding
from platform_assets.declaration import UseCase
from platform_assets.declaration.problems import DeclarationError
from platform_assets.onboarding.answers import answering_from, by_default, read_answers
from platform_assets.onboarding.data_page import data_page
from platform_assets.onboarding.facts import OnboardingError, TableFacts, look_at_database
from platform_assets.onboarding.interview import Ask, Understanding, understand
from platform_assets.onboarding.proposal import propose
from platform_assets.onboarding.source_text import MARK
from platform_assets.onboarding.tables import EVENTS, FoundTable, tables_at
from platform_assets.pipelines.check_declaration import check_declaration
from platform_assets.settings import source_access

STOPPED = 130
"""Exit code of a command that somebody interrupted."""

Look = Callable[[], tuple[FoundTable, ...]]


@dataclass(frozen=True)
class Proposal:
    """A declaration that was written.

    Attributes:
        path: the file.
        understanding: what it rests on.
        guesses: lines that somebody has to confirm.
        use_case: the declaration; None where it does not load yet.
        problem: why it does not.
    """

    path: Path
    understanding: Understanding
    guesses: int
    use_case: UseCase | None
    problem: str = ""


def target_of(name: str, force: bool, root: Path | None = None) -> Path:
    """Where the declaration of a new use case goes.

    Raises:
        OnboardingError: the name is none, or the file is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise OnboardingError(f"{name!r} is no name for a use case: lower-case letters, digits and _, first a letter")
    target = (root or Path(platform_assets.__file__).parent / "defs") / name / "defs.yaml"
    if target.exists() and not force:
        raise OnboardingError(f"{target} is there already: choose another name, or overwrite it with --force")
    return target


def write_proposal(
    name: str, look: Callable[[], TableFacts], label: str | None, force: bool, root: Path | None = None
) -> Path:
    """Look at one table, write `defs.yaml` of a new use case with every guess marked, and say what to do next.

    Args:
        name: of the use case.
        look: looks at the data.
        label: the label's column, where the caller knows it.
        force: whether a file that is there may be overwritten.
        root: folder of the use cases; None for this installation's.

    Raises:
        OnboardingError: nothing can be proposed, or the file is there already.
    """
    target = target_of(name, force, root)
    proposal = write_declaration(name, target, (FoundTable(EVENTS, look()),), by_default, label)
    say_what_was_written(name, proposal)
    return target


def write_declaration(name: str, target: Path, tables: tuple[FoundTable, ...], ask: Ask, label: str | None) -> Proposal:
    """Ask, and write the declaration.

    Raises:
        OnboardingError: nothing can be proposed.
    """
    understanding = understand(tables, ask, label)
    text = propose(name, understanding)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    guesses = text.count(f"# {MARK}") - text.count(f"`# {MARK}")
    try:
        return Proposal(target, understanding, guesses, check_declaration(target))
    except DeclarationError as error:
        return Proposal(target, understanding, guesses, None, str(error))


def say_what_was_written(name: str, proposal: Proposal) -> None:
    """Where the file is, what is to do in it, and what to type next."""
    columns = len(proposal.understanding.events.facts.columns)
    console.print(f"wrote {proposal.path}: {columns} columns, {proposal.guesses} guesses, each marked `{MARK}`")
    for problem in proposal.understanding.guesses.problems:
        console.print(f"[yellow]to do[/] {escape(problem)}")
    if proposal.use_case is None:
        console.print(f"[yellow]it does not load yet:[/] {escape(proposal.problem)}")
        console.print("Next: open the file, fill in what is marked, then: dg check defs")
        return
    console.print(f"It loads. Next: read the guesses, then: dg check defs && platform-assets run {name}")


@dataclass(frozen=True)
class InitOptions:
    """How `init` goes about it.

    Attributes:
        label: the label's column, where it was named.
        force: whether a declaration that is there may be overwritten.
        answers: file with answers; None for none.
        asks: whether to ask what neither data nor that file says.
        tries: whether to train once and ask the gates.
    """

    label: str | None = None
    force: bool = False
    answers: str | None = None
    asks: bool = False
    tries: bool = True


def start_use_case(
    name: str, look: Look, source: str, options: InitOptions, answer: CommandAnswer, home: Path
) -> Proposal | None:
    """Show the data, ask, write the declaration, check it against the data and say what the gates would say.

    Args:
        name: of the use case.
        look: looks at the data.
        source: the options that name the data, as they were typed.
        options: how to go about it.
        answer: takes what is said.
        home: folder below which the page and the answers are kept.

    Returns:
        What was written; None where the person stopped before.

    Raises:
        OnboardingError: nothing can be proposed, an answer of the file cannot be used, or the declaration is there already.
    """
    target = target_of(name, options.force)
    known = read_answers(Path(options.answers)) if options.answers is not None else {}
    room = home / "onboarding" / name
    draft = room / "answers.yaml"
    tables = look()
    show_tables(tables, answer)
    page = room / "data.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(data_page(name, understand(tables, answering_from(known, by_default), options.label)))
    console.print(f"the data as a page: {page}")
    conversation = Conversation(draft, known)
    try:
        ask = answering_from(known, conversation.ask if options.asks else by_default)
        proposal = write_declaration(name, target, tables, ask, options.label)
    except (typer.Abort, KeyboardInterrupt):
        _say_stopped(name, source, conversation, draft)
        return None
    page.write_text(data_page(name, proposal.understanding))
    _put(answer, proposal, page)
    show_understanding(proposal.understanding)
    if options.asks:
        console.print(
            f"your answers are in {draft}; the same again: platform-assets init {name} {source} --answers {draft} --force"
        )
    if options.tries and proposal.use_case is not None:
        _try(proposal.use_case, target.parent, answer)
    say_what_was_written(name, proposal)
    return proposal


def _say_stopped(name: str, source: str, conversation: Conversation, draft: Path) -> None:
    console.print()
    if not conversation.answers:
        console.print("stopped; nothing was answered and nothing was written")
    else:
        count = len(conversation.answers)
        console.print(f"stopped; {count} answers are kept in {draft}")
        console.print(f"go on: platform-assets init {name} {source} --answers {draft}")


def _try(use_case: UseCase, folder: Path, answer: CommandAnswer) -> None:
    """Train once and ask the gates; somebody who does not want to wait stops it, and the declaration stays."""
    from platform_assets.pipelines.first_verdict import first_verdict

    console.print()
    try:
        with console.status("a first look at what the gates say") as status:
            found = first_verdict(use_case, folder, date.today(), source_access(), status.update)
    except KeyboardInterrupt:
        console.print("stopped before a verdict; the declaration is written all the same")
        return
    show_first_verdict(found, answer)
    console.print()


def _put(answer: CommandAnswer, proposal: Proposal, page: Path) -> None:
    answer.put("file", str(proposal.path))
    answer.put("page", str(page))
    answer.put("guesses", proposal.guesses)
    answer.put("loads", proposal.use_case is not None)
    if proposal.problem:
        answer.put("does_not_load", proposal.problem)
    put_understanding(proposal.understanding, answer)


def looking_at(path: str | None, variable: str | None, table: str | None) -> Look:
    """How to look at what the options name: files, or a table of a database.

    Raises:
        OnboardingError: neither or both are named.
    """
    if path is not None and variable is None and table is None:
        return partial(tables_at, path)
    if path is None and variable is not None and table is not None:
        address = source_access()
        return lambda: (FoundTable(EVENTS, look_at_database(variable, table, address)),)
    raise OnboardingError("say where the data is: --from PATH, or --from-sql VARIABLE with --table NAME")
