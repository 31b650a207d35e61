"""What a command that lists or shows answers: tables and sentences for people, one JSON document for programs.

Belongs here: tables of one style, the document, and where each goes. Does not belong here: what is listed.

A command says everything once. What it prints on the console is for people and facts are for programs; a listing is a table for the first
and a list of objects for the others, by the keys of its columns, which stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from platform_assets.cli.console import console, fail_readably

FORMAT = 1
"""Of every JSON document; it changes when a key changes its meaning or goes."""

AsJson = Annotated[bool, typer.Option("--json", help='Print one JSON document instead, `"format": 1`.')]


def plain_table(*titles: str, title: str = "", right: Iterable[str] = ()) -> Table:
    """A table in the style of all commands: no lines, titles at the left, figures at the right.

    Args:
        titles: of the columns.
        title: of the table.
        right: titles of columns that hold figures.
    """
    table = Table(title=title or None, box=None, pad_edge=False, title_justify="left", header_style="dim")
    figures = set(right)
    for name in titles:
        table.add_column(name, justify="right" if name in figures else "left")
    return table


@dataclass(frozen=True)
class ListedColumn:
    """A column of a listing.

    Attributes:
        key: of its values in JSON.
        title: for people; the key's words when empty.
        right: whether it holds figures, which stand at the right.
        shown: from a value to what a person reads, in rich's markup; a text as it is when None.
        hidden: whether it is for programs alone.
    """

    key: str
    title: str = ""
    right: bool = False
    shown: Callable[[Any], str] | None = None
    hidden: bool = False

    def text(self, value: Any) -> str:
        """What a person reads."""
        if value is None:
            return ""
        return escape(str(value)) if self.shown is None else self.shown(value)


@dataclass
class Listing:
    """Rows by the keys of columns, as plain values.

    Attributes:
        title: of the table.
        columns: from left to right.
        rows: what is listed.
    """

    title: str
    columns: tuple[ListedColumn, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, **values: Any) -> None:
        """Add a row; a key that is left out has no value.

        Raises:
            ValueError: there is no such column.
        """
        unknown = set(values) - {column.key for column in self.columns}
        if unknown:
            raise ValueError(f"listing {self.title!r} has no column {', '.join(sorted(unknown))}")
        self.rows.append({column.key: values.get(column.key) for column in self.columns})

    def table(self) -> Table:
        """The rows for people."""
        shown = [column for column in self.columns if not column.hidden]
        titles = [column.title or column.key.replace("_", " ") for column in shown]
        right = [name for name, column in zip(titles, shown, strict=True) if column.right]
        table = plain_table(*titles, title=self.title, right=right)
        for row in self.rows:
            table.add_row(*(column.text(row[column.key]) for column in shown))
        return table


class CommandAnswer:
    """What a command has to say, to people as it says it, or to a program at the end."""

    def __init__(self, as_json: bool = False) -> None:
        """Begin an answer; `as_json` is for a program."""
        self.as_json = as_json
        self.document: dict[str, Any] = {"format": FORMAT}

    def put(self, key: str, value: Any) -> None:
        """A fact for programs alone."""
        self.document[key] = value

    def add(self, key: str, value: Any) -> None:
        """One more of a list of facts, for programs alone."""
        self.document.setdefault(key, []).append(value)

    def show(self, key: str, listing: Listing) -> None:
        """A table for people, and its rows for programs, after those of the same key before it."""
        self.document.setdefault(key, []).extend(listing.rows)
        if listing.rows:
            console.print(listing.table())

    def end(self) -> None:
        """Print the document, where a program reads it; figures that are none are null."""
        from pydantic_core import to_json

        if self.as_json:
            print(to_json(self.document, indent=1, inf_nan_mode="null", serialize_unknown=True).decode())


@contextmanager
def answering(as_json: bool = False) -> Iterator[CommandAnswer]:
    """CommandAnswer readably: an expected error is one sentence, and in JSON the key `error` as well; the document is printed at the end.

    Whatever is printed for people on the way is left out of JSON.

    Raises:
        typer.Exit: with the code of the error.
    """
    answer, was_quiet = CommandAnswer(as_json), console.quiet
    console.quiet = was_quiet or as_json
    try:
        with fail_readably(failed=lambda text: answer.put("error", text)):
            yield answer
    except typer.Exit:
        answer.end()
        raise
    else:
        answer.end()
    finally:
        console.quiet = was_quiet
