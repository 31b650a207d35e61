"""What every command begins with: its version, help in panels, the home and Dagster's folder, and where libraries' messages go.

Belongs here: what is the same for all commands. Does not belong here: any command (`main.py` and its neighbours).
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from platform_assets.cli.extras import DISTRIBUTION

PANELS: Mapping[str, tuple[str, ...]] = {
    "A use case": ("init", "check", "run", "live", "status", "stop"),
    "Data": ("sources", "quarantine", "lake", "versions", "lineage"),
    "Features": ("features", "parity"),
    "Models": ("models", "reproduce", "experiments", "predict"),
    "Services": ("rollout", "target", "callers", "degraded", "package", "bento", "proto"),
    "Watching": ("metrics", "alerts", "explain", "audit", "erase"),
    "From a commit to production and back": ("change", "gitops", "secrets", "backup", "restore"),
    "This project": ("docs",),
}
"""The commands of the help, by what somebody wants; one that stands nowhere is shown below them."""


OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Hardly anything that a command makes at its start, modules most of all, is ever garbage: looking for it as often as Python does by itself
is a tenth of a short command."""


class Commands(typer.Typer):
    """The commands, whose unforeseen errors show no secrets."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run a command."""
        from platform_assets.cli.console import show_traceback

        gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *gc.get_threshold()[1:])
        atexit.register(
            gc.freeze
        )  # Python's last search for garbage takes seconds where libraries made a million objects
        put_into_panels(self)
        try:
            return super().__call__(*arguments, **options)
        finally:
            sys.excepthook = show_traceback  # Typer puts its own in place, which shows errors as they are


DESCRIBING = "parity"
"""Says what a process finds in its environment: nothing may be set for it."""


class WithWords(TyperGroup):
    """All commands together; what was typed stays known to what every command begins with."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse options of the whole, and keep the words."""
        ctx.obj = list(args)
        return super().parse_args(ctx, args)


def put_into_panels(app: typer.Typer) -> None:
    """Give each command its panel of the help."""
    panel_of = {name: panel for panel, names in PANELS.items() for name in names}
    for group in app.registered_groups:
        if group.name in panel_of:
            group.rich_help_panel = panel_of[str(group.name)]
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        if name in panel_of:
            command.rich_help_panel = panel_of[name]


def release() -> str:
    """The version of the installed distribution."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        from platform_assets import __version__

        return __version__


def _show_version(wanted: bool) -> None:
    if wanted:
        python = ".".join(map(str, sys.version_info[:3]))
        print(f"{DISTRIBUTION} {release()} (Python {python}, dagster {version('dagster')})")
        raise typer.Exit


def begin(
    context: typer.Context,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show messages of libraries, which else stand in HOME/logs/commands.log."),
    ] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What dg and dagster do not already do."""
    from platform_assets.cli.console import errors, fail_readably
    from platform_assets.cli.home import refuse_missing_home
    from platform_assets.cli.library_messages import messages_of_libraries
    from platform_assets.orchestration.dagster_folder import environment_kept, use_dagster_of_this_folder
    from platform_assets.settings import home_folder, misspelt_settings

    for sentence in misspelt_settings():
        errors.print(f"[yellow]note:[/] {sentence}")
    with fail_readably():
        command, words = context.invoked_subcommand or "", list(context.obj or ())
        refuse_missing_home(command, words[words.index(command) + 1 :] if command in words else [])
    if command == DESCRIBING:
        return
    stack = ExitStack()
    context.call_on_close(stack.close)
    stack.enter_context(environment_kept())
    use_dagster_of_this_folder(home_folder())
    stack.enter_context(messages_of_libraries(home_folder(), verbose=verbose))
