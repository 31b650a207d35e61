"""`platform-assets backup`: backups of everything, what is there, whether it can be restored.

Belongs here: the commands and what they print. Does not belong here: making backups (`pipelines/back_up.py`), drills
(`pipelines/recovery_drill.py`), putting one back (`cli/restore.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_assets.pipelines.recovery_drill import DrillResult
    from platform_assets.recovery.manifest import Manifest

app = typer.Typer(
    no_args_is_help=True, help="Backups of lake, registry, ledger, prediction log and Dagster's memory, and drills."
)


@app.command()
def create() -> None:
    """Make a backup of everything, of which only what changed is copied; the exit code is 1 when the stores do not agree."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation
    from platform_assets.pipelines.back_up import back_up

    with fail_readably():
        manifest = back_up(Installation.from_environment())
    console.print(f"backup {manifest.name}: {manifest_in_words(manifest)}")
    for one in manifest.disagreements:
        console.print(f"[red]the stores do not agree:[/] {one}")
    if manifest.disagreements:
        raise typer.Exit(1)


@app.command(name="follow")
def follow_stores(
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between the beginnings of two passes.")] = 5.0,
) -> None:
    """Copy what changes every few seconds, until interrupted: what a loss costs is then what came since the last pass."""
    import threading

    from platform_assets.cli.console import console, fail_readably
    from platform_assets.cli.features.stream import stopping
    from platform_assets.installation import Installation
    from platform_assets.pipelines.back_up import follow

    stop = threading.Event()

    def passed(manifest: Manifest) -> None:
        console.print(f"backup {manifest.name}: {manifest_in_words(manifest)}")

    with fail_readably(), stopping(stop):
        console.print(f"what changes is copied every {every:g} s; Ctrl-C ends it")
        follow(Installation.from_environment(), every, stop, passed)


@app.command(name="list")
def list_backups() -> None:
    """List the backups, with their age and size."""
    from datetime import UTC, datetime

    from rich.table import Table

    from platform_assets.cli.console import console, fail_readably
    from platform_assets.pipelines.back_up import backup_place
    from platform_assets.settings import Settings

    with fail_readably():
        place, now = backup_place(Settings.from_environment()), datetime.now(UTC)
        printed = Table(title=f"backups at {place.wanted.to}", box=None, pad_edge=False)
        for title in ("backup", "kind", "hours ago", "files", "MB", "new MB", "tables", "champions"):
            printed.add_column(title, justify="left" if title in ("backup", "kind", "champions") else "right")
        for backup in place.manifests.backups():
            manifest = place.manifests.read(backup)
            champions = ", ".join(f"{name} {version or 'none'}" for name, version in manifest.champions.items())
            printed.add_row(
                backup.name,
                backup.kind,
                f"{(now - backup.created_at).total_seconds() / 3600:.1f}",
                f"{len(manifest.files):,}",
                f"{manifest.size / 1e6:,.1f}",
                f"{manifest.new_bytes / 1e6:,.1f}",
                str(len(manifest.tables)),
                champions,
            )
        console.print(printed)


@app.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="Name of the backup, or its beginning; the newest without.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Verify every backup.")] = False,
) -> None:
    """Read every file of a backup and compare it with its digest; the exit code is 1 when one is not what was written."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.pipelines.back_up import verify_backups
    from platform_assets.settings import Settings

    wrong = 0
    with fail_readably():
        for verified in verify_backups(Settings.from_environment(), name, every=every):
            wrong += len(verified.wrong)
            console.print(
                f"backup {verified.name}: {verified.files:,} files, {verified.size / 1e6:,.1f} MB"
                + (": as written" if not verified.wrong else "")
            )
            for one in verified.wrong:
                console.print(f"  [bold red]not what was written:[/] {one}", soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


@app.command()
def drill(
    name: Annotated[
        str | None, typer.Argument(help="Name of the backup, or its beginning; the newest without.")
    ] = None,
    requests: Annotated[
        int | None,
        typer.Option(min=1, help="Logged requests asked again of each use case; as the settings say without."),
    ] = None,
) -> None:
    """Restore a backup beside the installation, ask its services logged requests again, compare; exit code 1 when anything differs."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation
    from platform_assets.pipelines.recovery_drill import recovery_drill

    with fail_readably():
        result = recovery_drill(Installation.from_environment(), console.print, name=name, requests=requests)
    print_drill(result)
    if not result.passed:
        raise typer.Exit(1)


@app.command()
def prune(
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without, they are only named.")] = False,
) -> None:
    """Name the backups that the settings do not keep, and remove them with what only they need."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation
    from platform_assets.pipelines.back_up import prune as prune_installation

    with fail_readably():
        pruned = prune_installation(Installation.from_environment(), dry_run=not yes)
        for backup in pruned.removed:
            console.print(f"{'removed' if yes else 'not kept:'} {backup.name}")
        console.print(
            f"{len(pruned.kept)} backups stay, {len(pruned.removed)} {'are gone' if yes else 'would go'}"
            + (f"; {pruned.chunks:,} chunks removed, {pruned.freed_bytes / 1e6:,.1f} MB" if yes else "")
        )


def manifest_in_words(manifest: Manifest) -> str:
    """A backup for people."""
    champions = ", ".join(f"{name} version {version or 'none'}" for name, version in manifest.champions.items())
    return (
        f"{len(manifest.files):,} files, {manifest.size / 1e6:,.1f} MB, of which {manifest.new_bytes / 1e6:,.1f} MB are new; "
        f"{len(manifest.tables)} tables; champions {champions or 'none'}; {manifest.seconds:.1f} s"
    )


def print_drill(result: DrillResult) -> None:
    """Print what a drill found."""
    from rich.markup import escape

    from platform_assets.cli.console import console

    console.print(
        f"backup {result.backup}, {result.backup_age_seconds:,.0f} s old: {result.tables} tables at their versions; files restored after "
        f"{result.restore_seconds:.1f} s, services answered after {result.rto_seconds:.1f} s (RTO)"
    )
    console.print(
        f"a loss now would cost {result.lost_predictions:,} acknowledged predictions and {result.lost_rows:,} rows (RPO)"
    )
    for name, found in result.answers.items():
        console.print(
            f"{name}: version {found['version']} asked {found['asked']:,} requests of {found['day']} again, "
            f"{found['equal']:,} of {found['compared']:,} answers equal to the bit"
        )
    for one in result.untried:
        console.print(f"[yellow]not tried:[/] {one}")
    for problem in result.problems:
        console.print(f"[bold red]wrong:[/] {escape(problem)}", soft_wrap=True)
    console.print("[bold green]drill passed[/]" if result.passed else "[bold red]drill failed[/]")
