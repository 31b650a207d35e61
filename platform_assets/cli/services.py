"""`platform-assets stop` and `status`.

Belongs here: the state of what runs, and whether it answers. Does not belong here: starting anything.
"""

from datetime import UTC, datetime

import typer
from rich.markup import escape

from platform_assets.cli.answer import plain_table
from platform_assets.cli.console import console
from platform_assets.cli.overview import labelled, overview
from platform_assets.cli.web_ui import web_ui_line
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.deployment.release import TargetStatus
from platform_assets.installation import Installation
from platform_assets.orchestration.dagster_folder import (
    dagster_is_named,
    environment_kept,
    use_dagster_of_environment,
    use_dagster_of_this_folder,
)
from platform_assets.orchestration.switches import read_switches
from platform_assets.pipelines.check_service import ServiceCheck, check_service, line_in_words
from platform_assets.pipelines.targets import targets_of
from platform_assets.settings import Settings

SHOWN_ENTRIES = 5
"""Of each ledger; `platform-assets models ledger` shows the rest."""


def automation_line(settings: Settings) -> str:
    """Whether what is due starts by itself, and what changes that."""
    if settings.automation == "on":
        return "on: what is due starts by itself while Dagster's daemon runs, as under `make dev`; PLATFORM_ASSETS_AUTOMATION=off ends that"
    return "[yellow]off[/]: nothing starts by itself; PLATFORM_ASSETS_AUTOMATION=on, the default, changes that"


def stop_services(installation: Installation) -> None:
    """Stop services, proxy and process manager."""
    installation.serving.target().stop_all()
    console.print(f"Nothing of {installation.settings.own_home} is running any more. `make run` brings it back.")


def show_status(installation: Installation, name: str | None = None) -> None:
    """Print whether all is well, where everything is, how each use case does, and the ledger of every use case.

    Raises:
        typer.Exit: with code 1, when a deployed service does not answer rightly.
    """
    chosen = declared_use_cases() if name is None else declared_use_cases(name)
    status = installation.serving.target().status()
    checks = [
        check_service(
            declared.use_case,
            installation.serving,
            installation.feature_store.settings(declared.use_case),
            status,
        )
        for declared in chosen
        if declared.use_case.name in status.use_cases
    ]
    wrong = any(not check.passed for check in checks)
    listening = (
        "[red]not answering rightly[/]" if wrong else "answering" if checks else "listening, nothing is deployed"
    )
    _print_where(
        installation, status, listening if status.running else "not running; `make run` starts it", wrong=wrong
    )
    for declared in chosen:
        console.print(f"[bold]{declared.use_case.name}[/]")
        for line in overview(declared.use_case, installation, status):
            console.print(line)
    for use_case in status.use_cases.values():
        console.print(f"  {use_case.use_case}: version {use_case.version}, weights {dict(use_case.weights)}")
        for process in use_case.processes:
            ready = "ready" if process.ready else f"[red]not ready: {escape(process.reason)}[/]"
            console.print(
                f"    {process.program} {process.state} pid {process.pid}, up {process.uptime_seconds:.0f} s, {ready}"
            )
    for check in checks:
        print_service_check(check)
    for declared in chosen:
        for target in targets_of(declared.use_case, installation.models):
            colour = "default" if target.is_champion else "yellow"
            console.print(f"[bold]{declared.use_case.name}[/] [{colour}]{escape(str(target))}[/]")
        entries = installation.models.ledger(declared.use_case.name).entries(declared.use_case.name)
        figures = ("model version", "before")
        table = plain_table(
            "at", "action", *figures, "release", title=f"ledger of {declared.use_case.name}", right=figures
        )
        for row in entries.tail(SHOWN_ENTRIES).iter_rows(named=True):
            table.add_row(
                f"{row['at']:%Y-%m-%d %H:%M:%S}",
                row["action"],
                row["model_version"],
                row["previous_version"] or "",
                (row["release"] or "")[:19],
            )
        if not entries.is_empty():
            console.print(table)
    console.print("[dim]next: platform-assets status --html, a page for each use case with what is wrong first[/]")
    if wrong:
        raise typer.Exit(1)


def _print_where(installation: Installation, status: TargetStatus, listening: str, *, wrong: bool) -> None:
    """Whether all is well, then the places: home, address, UI, and whether what is due starts by itself."""
    settings = installation.settings
    verdict = (
        "[bold red]not ok[/]: a service does not answer rightly"
        if wrong
        else "[bold green]ok[/]: what is deployed answers"
    )
    console.print(verdict if status.use_cases or wrong else "[bold yellow]nothing is deployed[/]")
    console.print(labelled("home", escape(f"{settings.home} ({settings.environment})")))
    console.print(labelled("address", f"{escape(status.address)}: {listening}"))
    if status.callers:
        console.print(labelled("callers", escape(status.callers)))
    with environment_kept():
        use_dagster_of_this_folder(settings.home)
        use_dagster_of_environment(settings.home, settings.own_home)
        switches = read_switches() if dagster_is_named() else None
    alive = switches is not None and switches.is_alive(datetime.now(UTC))
    console.print(labelled("UI", escape(web_ui_line(alive=alive))))
    automation = automation_line(settings) + (f"; {switches.in_words()}" if switches is not None else "")
    console.print(labelled("automation", automation))


def print_service_check(service: ServiceCheck) -> None:
    """Print a scored request and the newest line of the log, or what is wrong."""
    name = f"[bold]{service.use_case}[/]"
    if service.answer is not None:
        shown = {key: value for key, value in service.answer.items() if key not in ("request_id", "release")}
        console.print(f"{name} scored a request, which leaves no trace: {escape(str(shown))}")
    newest = "none yet" if service.newest is None else line_in_words(service.newest)
    console.print(f"{name} newest line of the prediction log: {escape(newest)}")
    for problem in service.problems:
        console.print(f"{name} [red]does not answer rightly:[/] {escape(problem)}")
