"""`platform-assets experiments`: what it takes to show that a new version is better, and what a running test shows.

Belongs here: the commands and their tables. Does not belong here: the plan (`experiments/design.py`), the analysis
(`pipelines/analyse_experiment.py`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, answering, plain_table
from platform_assets.cli.completion import use_case_names

app = typer.Typer(no_args_is_help=True, help="A/B tests, as they are planned and as they run.")


@app.callback()
def _experiments() -> None:
    """A/B tests, as they are planned and as they run."""


@app.command()
def design(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    as_json: AsJson = False,
) -> None:
    """Sample size and duration of the declared A/B test, from the use case's own history. Writes nothing."""

    with answering(as_json) as answer:
        show_design(use_case, answer)


@app.command()
def report(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    test: Annotated[str | None, typer.Option(help="Name of the test, as the log has it; default: the newest.")] = None,
    act: Annotated[bool, typer.Option(help="Let a verdict end the test's stage of the rollout.")] = False,
    as_json: AsJson = False,
) -> None:
    """What an A/B test shows by now, from the stored log and the labels that arrived; writes the page."""

    with answering(as_json) as answer:
        show_report(use_case, test, answer, act=act)


def show_report(name: str, test: str | None, answer: CommandAnswer, *, act: bool = False) -> None:
    """Analyse a test, write its page and print what it shows.

    Raises:
        ExperimentNotRun: the log knows no such test.
        ExperimentChanged: the declaration says something else under its name.
    """
    from uuid import uuid4

    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.analyse_experiment import analyse_experiment, write_experiment_report
    from platform_assets.pipelines.decide_experiment import act_on_experiment

    use_case = declared_use_cases(name)[0].use_case
    installation = Installation.from_environment()
    analysed = analyse_experiment(installation.catalog(use_case), installation.models.ledger(name), test)
    analysis, verdict = analysed.analysis, analysed.analysis.verdict
    answer.put("use_case", name)
    answer.put("test", analysis.name)
    answer.put("verdict", verdict)
    answer.put("requests", analysis.requests)
    console.print(f"[bold]{analysis.name}[/] {escape(verdict.sentence)}")
    console.print(f"  sample ratio: {escape(verdict.sample_ratio.sentence())}")
    for found in verdict.guardrails:
        console.print(f"  guardrail {escape(found.sentence)}")
    counts = analysis.requests
    console.print(
        f"  {counts.exposed:,} requests took part, {counts.pending:,} of them without a known outcome; {counts.outside:,} of entities that "
        f"do not, {counts.without_entity:,} without an entity, {counts.not_assigned:,} that the proxy could not assign"
    )
    page = write_experiment_report(analysed, installation.serving.report_folder(name))
    answer.put("page", page)
    console.print(f"  page: {page}")
    if act:
        run_id = f"by hand {uuid4().hex[:12]}"
        done = act_on_experiment(use_case, analysed, installation.models, installation.serving, run_id)
        console.print(f"  rollout: {escape(done)}")


def show_design(name: str, answer: CommandAnswer) -> None:
    """Print the plan.

    Raises:
        DesignError: there is no experiment, or no history to plan from.
    """
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation
    from platform_assets.pipelines.design_experiment import design_experiment

    use_case = declared_use_cases(name)[0].use_case
    plan = design_experiment(Installation.from_environment().catalog(use_case))
    answer.put("use_case", name)
    answer.put("design", plan)
    for sentence in plan.sentences():
        console.print(escape(sentence))
    titles = ("days", "participants", "needed", "effect that could be seen")
    table = plain_table(*titles, title="had it run at the end of the history", right=titles)
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
