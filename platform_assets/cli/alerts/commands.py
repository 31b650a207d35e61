"""`platform-assets alerts`: rules and routes as files, and whether they are right.

Belongs here: the commands, and what they print. Does not belong here: rules, routes and stacks (`monitoring/alerting`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Who is told of what.")

OUTPUT = Path(".platform/alerts")


@app.callback()
def _alerts() -> None:
    """Who is told of what."""


@app.command()
def render(
    use_case: Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the files.")] = OUTPUT,
    runbooks: Annotated[
        str, typer.Option(help="Address of the runbooks page, for links from alerts.")
    ] = "docs/operations/runbooks.md",
) -> None:
    """Write the alert rules of the declarations for the monitoring stack that each names."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.monitoring.alerting.rules import installation_group, use_case_groups
    from platform_assets.monitoring.alerting.stacks.prometheus import rule_file

    with fail_readably():
        files = {"platform.rules.yaml": rule_file([installation_group()], runbooks)}
        for declared in declared_use_cases(use_case):
            files[f"{declared.use_case.name}.rules.yaml"] = rule_file(use_case_groups(declared.use_case), runbooks)
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output / name).write_text(text, encoding="utf-8")
            console.print(f"{output / name}: {text.count('- alert: ')} alerts")
