"""`platform-assets stop` and `status`.

Belongs here: the state of what runs, and whether it answers. Does not belong here: starting anything.
"""

import typer
from rich.markup import escape
from rich.table import Table

from platform_assets.cli.console import console
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation
from platform_assets.pipelines.check_service import ServiceCheck, check_service, line_in_words
from platform_assets.pipelines.targets import targets_of
from platform_assets.settings import Settings


def automation_line(settings: Settings) -> str:
    """Whether what is due starts by itself, and what changes that."""
    if settings.automation == "on":
        return "on: what is due starts by itself while Dagster's daemon runs, as under `make dev`; PLATFORM_ASSETS_AUTOMATION=off ends that"
    return "[yellow]off[/]: nothing starts by itself; PLATFORM_ASSETS_AUTOMATION=on, the default, changes that"


def stop_services(installation: Installation) -> None:
    """Stop services, proxy and process manager."""
    installation.serving.target().stop_all()
    console.print(f"Nothing of {installation.settings.own_home} is running any more. `make run` brings it back.")


def show_status(installation: Installation) -> None:
    """Print what runs, whether it answers, and the ledger of every use case.

    Raises:
        typer.Exit: with code 1, when a deployed service does not answer rightly.
    """
    status = installation.serving.target().status()
    checks = [
        check_service(
            declared.use_case,
            installation.serving,
            installation.feature_store.settings(declared.use_case),
            status,
        )
        for declared in declared_use_cases()
        if declared.use_case.name in status.use_cases
    ]
    wrong = any(not check.passed for check in checks)
    listening = (
        "[red]not answering rightly[/]" if wrong else "answering" if checks else "listening, nothing is deployed"
    )
    console.print(f"address {status.address}: {listening if status.running else 'not running; `make run` starts it'}")
    if status.callers:
        console.print(escape(status.callers))
    console.print(f"automation {automation_line(installation.settings)}", soft_wrap=True)
    for name, use_case in status.use_cases.items():
        console.print(f"  {name}: version {use_case.version}, weights {dict(use_case.weights)}")
        for process in use_case.processes:
            ready = "ready" if process.ready else f"[red]not ready: {escape(process.reason)}[/]"
            console.print(
                f"    {process.program} {process.state} pid {process.pid}, up {process.uptime_seconds:.0f} s, {ready}"
            )
    for check in checks:
        print_service_check(check)
    for declared in declared_use_cases():
        for target in targets_of(declared.use_case, installation.models):
            colour = "default" if target.is_champion else "yellow"
            console.print(f"[bold]{declared.use_case.name}[/] [{colour}]{escape(str(target))}[/]")
        entries = installation.models.ledger(declared.use_case.name).entries(declared.use_case.name)
        table = Table("at", "action", "model version", "before", "release", title=f"ledger of {declared.use_case.name}")
        for row in entries.tail(20).iter_rows(named=True):
            table.add_row(
                f"{row['at']:%Y-%m-%d %H:%M:%S}",
                row["action"],
                row["model_version"],
                row["previous_version"] or "",
                (row["release"] or "")[:19],
            )
        console.print(table)
    if wrong:
        raise typer.Exit(1)


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
