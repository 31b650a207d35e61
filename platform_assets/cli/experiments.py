"""`platform-assets experiments`: what it takes to show that a new version is better.

Belongs here: the command and its table. Does not belong here: the plan (`experiments/design.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="A/B tests, as they are planned.")


@app.callback()
def _experiments() -> None:
    """A/B tests, as they are planned."""


@app.command()
def design(use_case: Annotated[str, typer.Argument(help="Name of the use case.")]) -> None:
    """Sample size and duration of the declared A/B test, from the use case's own history. Writes nothing."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        show_design(use_case)


def show_design(name: str) -> None:
    """Print the plan.

    Raises:
        DesignError: there is no experiment, or no history to plan from.
    """
    from rich.markup import escape
    from rich.table import Table

    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.design_experiment import design_experiment

    use_case = declared_use_cases(name)[0].use_case
    plan = design_experiment(Installation.from_environment().catalog(use_case))
    for sentence in plan.sentences():
        console.print(escape(sentence))
    table = Table(title="had it run at the end of the history", box=None, pad_edge=False)
    for title in ("days", "participants", "needed", "effect that could be seen"):
        table.add_column(title, justify="right")
    for horizon in plan.horizons:
        mark = "[bold green]" if horizon == plan.planned else ""
        cells = (
            str(horizon.days),
            f"{horizon.units:,}",
            f"{horizon.needed_units:,}",
            f"{horizon.detectable_ratio:.1%}",
        )
        table.add_row(*(f"{mark}{cell}" for cell in cells))
    console.print(table)
    console.print(f"[dim]next, to keep the plan: dg launch --assets 'key:\"{name}/experiments/design\"'[/]")
