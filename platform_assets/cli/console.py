"""What the commands print, and how.

Belongs here: the consoles, progress lines, errors as sentences with their exit codes. Does not belong here: what is computed, or tables and
JSON (`answer.py`).
"""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from platform_assets.cli.extras import sentence_of_missing
from platform_assets.deployment.errors import DeploymentError
from platform_assets.lake.errors import LakeError
from platform_assets.members import UnknownName

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)
errors = Console(highlight=False, soft_wrap=True, stderr=True)
"""Errors and notes go here: what a program reads from the other stays clean."""

READABLE = (ValueError, RuntimeError, OSError, DeploymentError, LakeError)
"""Errors of this project derive from these and say what to do; a person gets the sentence, not the traceback."""

OWN_PACKAGES = ("", "platform_assets", "serving")
"""A module of ours that is missing is a fault of ours, with its traceback."""
FAILED, MEANT_NOTHING = 1, 2
"""Exit codes: something is wrong or did not succeed; or what was typed means nothing, as for an unknown option."""


@contextmanager
def fail_readably(failed: Callable[[str], None] | None = None) -> Iterator[None]:
    """Turn an expected error into one sentence and an exit code: 2 for a name that nothing has, 1 for all else.

    Args:
        failed: takes the sentence as well.

    Raises:
        typer.Exit: with that code.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OWN_PACKAGES:
            raise
        _fail(sentence_of_missing(error.name or str(error)), error, failed)
    except READABLE as error:
        _fail(without_secrets(str(error)), error, failed)


def _fail(sentence: str, error: Exception, failed: Callable[[str], None] | None) -> NoReturn:
    if failed is not None:
        failed(sentence)
    errors.print(f"[bold red]error:[/] {escape(sentence)}")
    raise typer.Exit(MEANT_NOTHING if isinstance(error, UnknownName) else FAILED) from error


def without_secrets(text: str) -> str:
    """Text in which passwords of addresses, and secrets that stand in the environment, are stars."""
    from platform_assets.cli.hidden_values import PASSWORD_IN_ADDRESS, hidden_values
    from platform_assets.settings import environment_variables, secrets_seen

    for value in hidden_values(environment_variables(), secrets_seen()):
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
