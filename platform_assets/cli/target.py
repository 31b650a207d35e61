"""`platform-assets target`: what the services run on.

Belongs here: the commands, and what they print. Does not belong here: any target (`deployment/`), or whether services answer rightly
(`platform-assets status`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, answering

if TYPE_CHECKING:
    from platform_assets.deployment.release import TargetStatus, UseCaseStatus
    from platform_assets.installation import Installation

app = typer.Typer(no_args_is_help=True, help="What the services run on: this machine, or a cluster.")


@app.callback()
def _target() -> None:
    """What the services run on: this machine, or a cluster."""


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the target, its versions with their shares and processes or pods, and what is wrong with it; asks no service."""
    from platform_assets.installation import Installation

    with answering(as_json) as answer:
        show_target(Installation.from_environment(), answer)


@app.command()
def start() -> None:
    """Bring back what was deployed, as after a start of the machine; what runs already is left alone."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        start_target(Installation.from_environment())


@app.command()
def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without, it is only named.")] = False,
) -> None:
    """Name what the target once made and nothing that is recorded owns, such as after its memory was deleted by hand."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        prune_target(Installation.from_environment(), remove=yes)


def show_target(installation: Installation, answer: CommandAnswer) -> None:
    """Print it.

    Raises:
        typer.Exit: with code 1, when something is wrong with it.
    """
    from rich.markup import escape

    from platform_assets.cli.console import console

    seen = installation.serving.target().status()
    answer.put("target", {"kind": installation.settings.target, **asdict(seen)})
    console.print(f"target {installation.settings.target} at {seen.address}: {_in_words(seen)}")
    for use_case in seen.use_cases.values():
        _show_use_case(use_case)
    for problem in seen.problems:
        console.print(f"[red]problem:[/] {escape(problem)}")
    if seen.problems:
        raise typer.Exit(1)


def start_target(installation: Installation) -> None:
    """Bring the target up, and print it.

    Raises:
        typer.Exit: with code 1, when something is wrong with it then.
    """
    installation.settings.prepare()
    installation.serving.target().ensure_running()
    show_target(installation, CommandAnswer())


def prune_target(installation: Installation, *, remove: bool) -> None:
    """Print what belongs to nothing, and remove it where that is asked for."""
    from rich.markup import escape

    from platform_assets.cli.console import console

    found = installation.serving.target().prune(remove=remove)
    for one in found:
        console.print(escape(f"{'removed ' if remove else ''}{one}"))
    if not found:
        console.print("Nothing is left over: everything on the target belongs to something recorded.")
    elif not remove:
        console.print("Nothing was removed: `platform-assets target prune --yes` removes these.")


def _in_words(status: TargetStatus) -> str:
    if status.running:
        return "running" if status.use_cases else "running, nothing is deployed"
    return "not running; `platform-assets run` brings back what was deployed"


def _show_use_case(use_case: UseCaseStatus) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console

    rollout = "" if use_case.rollout is None else f", rollout {use_case.rollout}"
    copies = "" if use_case.mirror is None else f", copies to {use_case.mirror}"
    console.print(escape(f"  {use_case.use_case} at {use_case.address}{rollout}{copies}"))
    for version, weight in use_case.weights.items():
        console.print(escape(f"    {version}: {weight} % of the requests"))
        for process in use_case.processes:
            if process.version == version:
                ready = "ready" if process.ready else f"[red]not ready: {escape(process.reason)}[/]"
                console.print(
                    f"      {escape(process.program)} {process.state}, up {process.uptime_seconds:.0f} s, {ready}"
                )
