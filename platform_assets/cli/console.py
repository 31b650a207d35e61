"""What the commands print, and how.

Belongs here: the console, progress lines, errors as sentences. Does not belong here: what is computed.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

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
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from error


@contextmanager
def step(title: str) -> Iterator[None]:
    """A step of a command: its title when it starts, its duration when it ends."""
    console.print(f"[bold]» {title}[/]")
    started = monotonic()
    yield
    console.print(f"  [dim]{monotonic() - started:.1f} s[/]")
