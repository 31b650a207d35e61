"""`platform-assets restore`: a home from a backup, or one table to an earlier version.

Belongs here: the commands and what they print. Does not belong here: restoring (`pipelines/restore.py`, `pipelines/restore_table.py`).
"""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="A home from a backup, or one table to an earlier version.")


@app.command()
def home(
    backup: Annotated[
        str | None, typer.Option(help="Name of the backup, or its beginning; the newest without.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="The newest backup of before this time, ISO 8601 with its zone.")
    ] = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Move what stands in the home to a folder of it, and restore.")
    ] = False,
    no_services: Annotated[
        bool, typer.Option("--no-services", help="Leave services as they are: nothing is deployed.")
    ] = False,
) -> None:
    """Put a backup back into the home of the settings, fill the online stores, and deploy what served."""
    from rich.markup import escape

    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation
    from platform_assets.pipelines.restore import restore_home

    with fail_readably():
        moment = None if at is None else moment_of(at)
        restored = restore_home(
            Installation.from_environment(),
            name=backup,
            at=moment,
            set_aside=set_aside,
            serve=not no_services,
            log=console.print,
        )
        if restored.files.set_aside is not None:
            console.print(f"what stood in the home lies in {restored.files.set_aside}")
        for one in restored.use_cases:
            if one.problem is not None:
                console.print(f"[bold red]{one.name}:[/] {escape(one.problem)}", soft_wrap=True)
        console.print(f"restored in {sum(restored.seconds.values()):.1f} s; `platform-assets status` shows what runs")
    if not restored.passed:
        raise typer.Exit(1)


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="`use_case/layer/table`.")],
    why: Annotated[str, typer.Option(help="Why, for whoever looks later.")],
    version: Annotated[int | None, typer.Option(min=0, help="Delta version.")] = None,
    at: Annotated[str | None, typer.Option(help="The version that was current then, ISO 8601 with its zone.")] = None,
    who: Annotated[str, typer.Option(help="Who decides; default: the user.")] = "",
) -> None:
    """Make an earlier version of a table its newest one; without a version put back what of it is gone or damaged."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation
    from platform_assets.pipelines.restore_table import restore_one_table
    from platform_assets.recovery.table_restore import RestoreDecision

    with fail_readably():
        moment = None if at is None else moment_of(at)
        decision = RestoreDecision(who or getpass.getuser(), why)
        restored = restore_one_table(
            Installation.from_environment(), name, version=version, at=moment, decision=decision
        )
        rows = "" if restored.rows is None else f", {restored.rows:,} rows"
        fetched = f"; {restored.files_fetched:,} files came from a backup" if restored.files_fetched else ""
        console.print(
            f"{name} is at version {restored.version} as it was at version {restored.restored_version}{rows}{fetched}"
        )
        if restored.set_aside is not None:
            console.print(f"the damaged table lies in {restored.set_aside}")
        console.print("Materialize what is made from it.")


def moment_of(text: str) -> datetime:
    """A time with its zone; UTC where it names none.

    Raises:
        ValueError: it is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: write it as 2026-03-01T12:00:00Z") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
