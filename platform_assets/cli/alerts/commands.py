"""`platform-assets alerts`: rules and routes as files, whether they are right, and a Prometheus of one's own on this machine.

Belongs here: the commands, and what they print. Does not belong here: rules, routes and stacks (`monitoring/alerting`), or running programs
(`checked.py`, `observe.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, Rendered

app = typer.Typer(no_args_is_help=True, help="Who is told of what.")

Runbooks = Annotated[str, typer.Option(help="Address of the runbooks page, for links from alerts.")]
RUNBOOKS = "docs/operations/runbooks.md"


@app.callback()
def _alerts() -> None:
    """Who is told of what."""


@app.command()
def render(
    use_case: Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")] = None,
    stack: Annotated[str | None, typer.Option(help="Monitoring stack, in place of the ones that are declared.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(".platform/alerts"),
    runbooks: Runbooks = RUNBOOKS,
    template: Annotated[
        Path | None, typer.Option(help="Jinja template of the stack `custom`; it is given `alerts`.")
    ] = None,
) -> None:
    """Write the alert rules of the declarations, and who is told, for the monitoring stack that each names."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        text = template.read_text(encoding="utf-8") if template is not None else None
        for name, rendered in rendered_stacks(Installation.from_environment(), use_case, stack, runbooks, text).items():
            for path in write_files(output / name, rendered):
                console.print(str(path))
            for alert, why in rendered.left_out.items():
                console.print(f"[yellow]{name} has no {alert}:[/] {why}")
            for note in rendered.notes:
                console.print(f"[yellow]{name}:[/] {note}")


@app.command()
def check(
    use_case: Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")] = None,
) -> None:
    """Whether the rules can be read by promtool and amtool, and whether somebody is told; exit code 1 where not."""
    from platform_assets.cli.alerts.checked import findings
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        found = findings(Installation.from_environment(), use_case)
    for finding in found:
        color = {"red": "bold red", "yellow": "yellow", "ok": "green"}[finding.severity]
        console.print(f"[{color}]{finding.severity}[/] {finding.what}")
    if any(finding.severity == "red" for finding in found):
        raise typer.Exit(1)


@app.command()
def observe(runbooks: Runbooks = RUNBOOKS) -> None:
    """Start Prometheus and Alertmanager (Debian's) on what runs on this machine, until Ctrl-C."""
    from platform_assets.cli.alerts.observe import observe_until_stopped
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        observe_until_stopped(Installation.from_environment(), runbooks)


def rendered_stacks(
    installation: Installation, use_case: str | None, stack: str | None, runbooks: str, template: str | None = None
) -> dict[str, Rendered]:
    """What each stack is told, by its name.

    Raises:
        UnknownMember: there is no such stack.
        ReceiverUnusable: a receiver lacks something, or one is named that there is none of.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.alerting.stacks.registry import STACKS

    use_cases = [declared.use_case for declared in declared_use_cases(use_case)]
    by_stack: dict[str, list[str]] = {}
    for one in use_cases:
        by_stack.setdefault(stack or one.monitoring.stack, []).append(one.name)
    return {
        name: STACKS[name].render(alerted_world(installation, names, runbooks, template))
        for name, names in by_stack.items()
    }


def alerted_world(
    installation: Installation, names: list[str], runbooks: str, template: str | None = None
) -> AlertedWorld:
    """What alerts are rendered for, on this installation."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.alerting.receivers import receivers_of
    from platform_assets.monitoring.alerting.stacks.base import AlertedWorld

    settings = installation.settings
    return AlertedWorld(
        use_cases=tuple(one.use_case for one in declared_use_cases(None) if one.use_case.name in names),
        receivers=receivers_of(settings.alert_receivers),
        runbooks=runbooks,
        address=f"127.0.0.1:{settings.port}",
        exporter=f"127.0.0.1:{settings.metrics_port}",
        template=template,
    )


def write_files(folder: Path, rendered: Rendered) -> list[Path]:
    """Write what a stack is told, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in rendered.files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
