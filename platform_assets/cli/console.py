"""What the commands print, and how.

Belongs here: the console, progress lines, errors as sentences. Does not belong here: what is computed.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import dagster as dg
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


class _ProgressHandler(logging.Handler):
    """Prints what assets say (`context.log`) and which assets are done; drops Dagster's own engine messages."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, when it is for people."""
        meta = getattr(record, "dagster_meta", {}) or {}
        event = meta.get("dagster_event")
        if event is None:
            console.print(f"    [dim]{meta.get('orig_message', record.getMessage())}[/]")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.event_specific_data
            verdict = "[green]passed[/]" if evaluation.passed else "[bold red]FAILED[/]"
            console.print(f"    check {evaluation.asset_key.to_user_string()}:{evaluation.check_name} {verdict}")
        elif event.event_type_value == "STEP_SUCCESS":
            seconds = event.step_success_data.duration_ms / 1000
            console.print(f"    {event.step_key.replace('__', '/')} [dim]{seconds:.1f} s[/]")
        elif event.event_type_value == "STEP_FAILURE":
            console.print(f"    [bold red]{event.step_key.replace('__', '/')} failed[/]")


@dg.logger(None, description="Progress for people at a terminal.")
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """The logger that `platform-assets run` gives to its jobs."""
    logger = logging.Logger("platform_assets_progress", level=logging.DEBUG)
    logger.addHandler(_ProgressHandler(level=logging.INFO if context is None else logging.DEBUG))
    return logger
