"""`platform-assets alerts`: rules and routes as files, whether they are right, and a Prometheus of one's own on this machine.

Belongs here: the commands, and what they print. Does not belong here: rules, routes and stacks (`monitoring/alerting`), or running programs
(`checked.py`, `observe.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platform_assets.cli.alerts.files import RUNBOOKS
from platform_assets.cli.answer import AsJson, answering
from platform_assets.cli.completion import use_case_names

app = typer.Typer(no_args_is_help=True, help="Who is told of what.")

Runbooks = Annotated[str, typer.Option(help="Address of the runbooks page, for links from alerts.")]


@app.callback()
def _alerts() -> None:
    """Who is told of what."""


@app.command()
def render(
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    stack: Annotated[str | None, typer.Option(help="Monitoring stack, in place of the ones that are declared.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(".platform/alerts"),
    runbooks: Runbooks = RUNBOOKS,
    template: Annotated[
        Path | None, typer.Option(help="Jinja template of the stack `custom`; it is given `alerts`.")
    ] = None,
) -> None:
    """Write the alert rules of the declarations, and who is told, for the monitoring stack that each names."""
    from platform_assets.cli.alerts.files import rendered_stacks, write_files
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
    use_case: Annotated[
        str | None,
        typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Whether the rules can be read by promtool and amtool, and whether somebody is told; exit code 1 where not."""
    from platform_assets.cli.alerts.checked import findings
    from platform_assets.cli.console import console
    from platform_assets.installation import Installation

    with answering(as_json) as answer:
        found = findings(Installation.from_environment(), use_case)
        answer.put("findings", [{"severity": finding.severity, "what": finding.what} for finding in found])
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
