"""`platform-assets docs`, its second page: every command with its arguments and options, from their own help texts.

Belongs here: commands to Markdown. Does not belong here: the commands (`main.py`), prose that no help text carries.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

TARGET = Path("docs") / "reference" / "command-line.md"


def commands(app: typer.Typer) -> Iterator[tuple[str, Any]]:
    """Every command with its words below `platform-assets`, in the order of the help; a group is none."""

    def below(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, Any]]:
        for name, inner in getattr(command, "commands", {}).items():
            yield from below((*words, name), inner)
        if not hasattr(command, "commands"):
            yield " ".join(words), command

    yield from sorted(below((), typer.main.get_command(app)))


def render_commands(app: typer.Typer) -> str:
    """The page as Markdown: one section for each command."""
    lines = [
        "# The command line",
        "",
        "Written by `make docs` from the commands' own help. `dg` and `dagster` do the rest: materialize, launch, look at assets.",
        "",
    ]
    for words, command in commands(app):
        lines += [f"## platform-assets {words}", "", _sentences(command.help or ""), ""]
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.name.upper()
        shown = f"`{name}`" if parameter.required else f"`[{name}]`"
    else:
        shown = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
    return f"| {shown} | {_sentences(parameter.help or '')} |"


def _sentences(text: str) -> str:
    return " ".join(text.split("\f")[0].split()).replace("|", "\\|")
