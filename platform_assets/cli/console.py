"""What the commands print, and how.

Belongs here: the console, progress lines, errors as sentences. Does not belong here: what is computed.
"""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType

import typer
from rich.console import Console
from rich.markup import escape

from platform_assets.deployment.errors import DeploymentError
from platform_assets.lake.errors import LakeError

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)

READABLE = (ValueError, RuntimeError, OSError, DeploymentError, LakeError)
"""Errors of this project derive from these and say what to do; a person gets the sentence, not the traceback."""


@contextmanager
def fail_readably() -> Iterator[None]:
    """Turn an expected error into one sentence and exit code 1."""
    try:
        yield
    except READABLE as error:
        console.print(f"[bold red]error:[/] {escape(without_secrets(str(error)))}")
        raise typer.Exit(1) from error


def without_secrets(text: str) -> str:
    """Text in which passwords of addresses, and secrets that stand in the environment, are stars."""
    from platform_assets.cli.hidden_values import PASSWORD_IN_ADDRESS, hidden_values
    from platform_assets.settings import environment_variables

    for value in hidden_values(environment_variables()):
        text = text.replace(value, "***")
    return PASSWORD_IN_ADDRESS.sub(lambda match: match[0].replace(match[1] or match[2], "***"), text)


def show_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody foresaw, without secrets: what takes the place of `sys.excepthook`."""
    sys.stderr.write(without_secrets("".join(traceback.format_exception(kind, error, trace))))


@contextmanager
def step(title: str) -> Iterator[None]:
    """A step of a command: its title when it starts, its duration when it ends."""
    console.print(f"[bold]» {title}[/]")
    started = monotonic()
    yield
    console.print(f"  [dim]{monotonic() - started:.1f} s[/]")
