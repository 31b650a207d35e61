"""`platform-assets sources check`: whether every source can be used, and how far it has come.

Belongs here: the command and its table. Does not belong here: looking at a source and judging it (`connectors/checking.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from platform_assets.connectors.checking import SourceState
    from platform_assets.declaration import Source
    from platform_assets.declaration.loader import DeclaredUseCase
    from platform_assets.installation import Installation

SHOWN_DAYS = 5

app = typer.Typer(no_args_is_help=True, help="Where rows come from.")


@app.callback()
def _sources() -> None:
    """Where rows come from."""


@app.command()
def check(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at each source: reachable, columns, rows, newest event, late deliveries. Writes nothing; exit code 1 when one is not usable."""

    with answering(as_json) as answer:
        usable = check_use_cases(use_case, answer)
    if not usable:
        raise typer.Exit(1)


def check_use_cases(name: str | None, answer: CommandAnswer, now: datetime | None = None) -> bool:
    """Print the state of every source of the use cases, and return whether all can be used."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation

    installation = Installation.from_environment()
    moment = now or datetime.now(UTC)
    usable = True
    for declared in declared_use_cases(name):
        states = [_look(declared, source, installation, moment) for source in declared.use_case.sources]
        _show(declared.use_case.name, states, answer)
        for source, state in zip(declared.use_case.sources, states, strict=True):
            if state.is_reachable:
                _show_redeliveries(declared, source, installation)
        usable = usable and all(state.is_usable for state in states)
    return usable


def _look(declared: DeclaredUseCase, source: Source, installation: Installation, now: datetime) -> SourceState:
    from platform_assets.connectors.checking import check_source
    from platform_assets.pipelines.take_in_changes import current_cursor

    history = declared.use_case.history
    # Simulated rows are drawn on request: their last day is drawn, or the first while the history is open.
    day = history.last_day or history.first_day
    reader = installation.sources
    raw = installation.catalog(declared.use_case).raw(source.name).stored
    cursor = current_cursor(raw) if source.is_incremental else None
    return check_source(reader.configured(source, []), declared.folder, day, cursor, reader.access(), now)


def _show_redeliveries(declared: DeclaredUseCase, source: Source, installation: Installation) -> None:
    """Days that were loaded and whose files are others now, and what loads them again."""
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.pipelines.redeliveries import load_again_command, redeliveries

    found = redeliveries(installation.catalog(declared.use_case), installation.sources, source, declared.folder)
    if not found:
        return
    days = ", ".join(map(str, found[:SHOWN_DAYS])) + (
        f" and {len(found) - SHOWN_DAYS} more" if len(found) > SHOWN_DAYS else ""
    )
    command = load_again_command(declared.use_case, source, found[0].day)
    text = f"{len(found)} loaded days have other files now: {days}. Load each again: {command}"
    console.print(f"[yellow]{source.name}:[/] {escape(text)}", soft_wrap=True)


def _show(use_case: str, states: list[SourceState], answer: CommandAnswer) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console

    columns = (
        ListedColumn("use_case", hidden=True),
        ListedColumn("source"),
        ListedColumn("kind"),
        ListedColumn(
            "usable", "state", shown=lambda usable: "[green]usable[/]" if usable else "[bold red]NOT USABLE[/]"
        ),
        ListedColumn("columns"),
        ListedColumn("rows"),
        ListedColumn("newest_event", shown=lambda at: f"{at:%Y-%m-%d %H:%M}"),
        ListedColumn("lag_seconds", "lag", shown=lambda seconds: _lag(timedelta(seconds=seconds))),
        ListedColumn("cursor", shown=lambda cursor: escape(cursor_text(cursor))),
        ListedColumn("problems", hidden=True),
        ListedColumn("notes", hidden=True),
    )
    listing = Listing(f"sources of {use_case}", columns)
    for state in states:
        listing.add(
            use_case=use_case,
            source=state.source,
            kind=state.kind,
            usable=state.is_usable,
            columns=_columns(state),
            rows=state.rows,
            newest_event=state.newest_event,
            lag_seconds=None if state.lag is None else state.lag.total_seconds(),
            cursor=state.cursor,
            problems=list(state.problems),
            notes=list(state.notes),
        )
    answer.show("sources", listing)
    for state in states:
        for problem in state.problems:
            console.print(f"[bold red]{state.source}:[/] {escape(problem)}")
        for note in state.notes:
            console.print(f"[dim]{state.source}: {escape(note)}[/]")


def _columns(state: SourceState) -> str:
    if not state.is_reachable:
        return "not reachable"
    if state.columns_found is None:
        return ""
    extra = f", {len(state.extra_columns)} undeclared" if state.extra_columns else ""
    return f"{state.columns_found} of {state.declared_columns}{extra}"


def _lag(lag: timedelta | None) -> str:
    if lag is None:
        return ""
    if lag < timedelta():
        return "ahead"
    hours = lag.total_seconds() / 3600
    return f"{hours / 24:,.0f} days" if hours >= 48 else f"{hours:.1f} hours"


def cursor_text(cursor: str | None) -> str:
    """A cursor for people: its short parts."""
    import json

    if cursor is None:
        return ""
    try:
        parts = json.loads(cursor)
    except ValueError:
        return cursor[:40]
    if "offsets" in parts:
        return ", ".join(f"[{partition}]@{offset}" for partition, offset in parts["offsets"].items())
    if "at" in parts:
        first = (parts["at"] or [None])[0]
        return str(next(iter(first.values())) if isinstance(first, dict) else first)
    if "files" in parts:
        return f"{parts['files']} files, last {parts['last']}"
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not False)
