"""`platform-assets stop` and `status`.

Belongs here: the state of what runs. Does not belong here: starting anything.
"""

from rich.table import Table

from platform_assets.cli.console import console
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.installation import Installation


def stop_services(installation: Installation) -> None:
    """Stop services, proxy and process manager."""
    installation.serving.target().stop_all()
    console.print(f"Nothing of {installation.settings.home} is running any more. `make run` brings it back.")


def show_status(installation: Installation) -> None:
    """Print what runs, and the ledger of every use case."""
    status = installation.serving.target().status()
    console.print(f"address {status.address}: {'answering' if status.running else 'not running; `make run` starts it'}")
    for name, use_case in status.use_cases.items():
        console.print(f"  {name}: version {use_case.version}, weights {dict(use_case.weights)}")
        for process in use_case.processes:
            console.print(f"    {process.program} {process.state} pid {process.pid}, up {process.uptime_seconds:.0f} s")
    for declared in declared_use_cases():
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
