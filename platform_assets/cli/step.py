"""`platform-assets step`: one step of a use case by itself, for other orchestrators and for people.

Belongs here: the command. Does not belong here: steps (`pipelines/steps/`), or the projects that call it (`pipelines/export/`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, ListedColumn, Listing, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.pipelines.steps.run import AskedDays, StepAnswer


def step(
    use_case: Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[STEP]", help="`layer/table`, such as raw/hours; all are listed when left out."),
    ] = None,
    as_of: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="The day as of which it is due, if it is; today when left out.")
    ] = "",
    since: Annotated[
        str,
        typer.Option(
            metavar="YYYY-MM-DD",
            help="Begin with the history from this day on: its days are loaded at once, and a model is trained as of --as-of.",
        ),
    ] = "",
    day: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="A day by itself instead, whether it is due or not.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Last day, where --day is the first of several.")
    ] = "",
    run: Annotated[
        str, typer.Option(help="The run of the orchestrator, for ledger and tracker; made up when left out.")
    ] = "",
    export: Annotated[
        str, typer.Option(help="Digest of the exported project that asks; the step is refused where it is out of date.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Run one step of a use case without Dagster, with its gates. Exit code 1: a gate is red, or it failed; 0 also where nothing is due."""
    from platform_assets.cli.console import console
    from platform_assets.installation import Installation

    with answering(as_json) as answer:
        if name is None:
            list_steps(use_case, answer)
            return
        installation = Installation.from_environment()
        asked = _asked(installation, use_case, as_of, since, day, until)
        found = do_step(installation, use_case, name, asked, run, export, answer)
        for key, value in found.plain().items():
            answer.put(key, value)
        if found.outcome is None:
            console.print(f"{name}: nothing is due: {found.asked.not_due}", markup=False)
            return
        for key, value in found.outcome.facts.items():
            console.print(f"  {key}: {value}", markup=False)
        for check in found.outcome.checks:
            verdict = "passed" if check.passed else "RED"
            console.print(f"  {verdict} {check.name} {check.explanation}".rstrip(), markup=False)
        if found.red:
            _refuse_red(name, found)


def list_steps(use_case: str, answer: CommandAnswer) -> None:
    """List the steps in their order.

    Raises:
        UnknownName: there is no such use case.
        StepsUnsupported: it has no steps by themselves.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.pipelines.steps.graph import steps_of

    columns = (
        ListedColumn("step"),
        ListedColumn("job"),
        ListedColumn("needs", shown=", ".join),
        ListedColumn("follows", shown=", ".join),
    )
    listing = Listing(f"steps of {use_case}", columns)
    for one in steps_of(declared_use_cases(use_case)[0].use_case):
        listing.add(step=one.name, job=one.job, needs=one.needs, follows=one.follows)
    answer.put("use_case", use_case)
    answer.show("steps", listing)


def do_step(
    installation: Installation,
    use_case: str,
    name: str,
    asked: AskedDays,
    run: str,
    export: str,
    answer: CommandAnswer,
) -> StepAnswer:
    """Run a step; where it fails, whether trying again helps is said as well.

    Raises:
        UnknownName: there is no such use case or step.
        StaleExport: the project that asks was exported from another declaration.
        StepRefused: what it is made from is not there, or it was refused.
    """
    from uuid import uuid4

    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.declaration.needed_extras import needed_extras
    from platform_assets.extras import require_extras
    from platform_assets.pipelines.export.plan import refuse_stale
    from platform_assets.pipelines.steps.base import StepContext
    from platform_assets.pipelines.steps.graph import step_named
    from platform_assets.pipelines.steps.run import run_step

    answer.put("use_case", use_case)
    answer.put("again", False)
    [declared] = declared_use_cases(use_case)
    require_extras(needed_extras(declared.use_case), use_case)
    if export:
        refuse_stale(declared.use_case, export)
    wanted = step_named(declared.use_case, name)
    installation.settings.prepare()
    context = StepContext(
        declared, installation, run or f"step-{uuid4()}", lambda line: console.print(line, markup=False)
    )
    try:
        return run_step(context, wanted, asked)
    except Exception as error:
        answer.put("again", _may_help(error))
        raise


def _may_help(error: Exception) -> bool:
    """Whether trying again may help: not where data, model or declaration are at fault."""
    from platform_assets.pipelines.steps.base import StepRefused

    return not isinstance(error, StepRefused | ValueError)


def _asked(installation: Installation, use_case: str, as_of: str, since: str, day: str, until: str) -> AskedDays:
    """The days that were typed.

    Raises:
        ValueError: one of them is no day, or the last lies before the first.
        UnknownName: there is no such use case.
    """
    from platform_assets.declaration.days import DayRange
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.declaration.time_zones import day_of
    from platform_assets.pipelines.steps.run import AskedDays

    typed = {"--as-of": as_of, "--since": since, "--day": day, "--until": until}
    if until and not day:
        raise ValueError("--until needs --day: it is the last of several days")
    days = {option: _day_typed(option, text) for option, text in typed.items() if text}
    if "--day" in days:
        first, last = days["--day"], days.get("--until", days["--day"])
        if last < first:
            raise ValueError(f"--until {last} lies before --day {first}")
        return AskedDays(first, days=DayRange(first, last))
    today = day_of(installation.clock.now(), declared_use_cases(use_case)[0].use_case.time_zone)
    return AskedDays(days.get("--as-of", today), days.get("--since"))


def _day_typed(option: str, text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"{option} {text!r} is no day: write it like 2024-03-01") from None


def _refuse_red(name: str, found: StepAnswer) -> None:
    """End a step whose gate is red.

    Raises:
        StepRefused: always.
    """
    from platform_assets.pipelines.steps.base import StepRefused

    red = "; ".join(f"{check.name}: {check.explanation}" for check in found.red)
    raise StepRefused(f"{name}: {len(found.red)} gate(s) red: {red}")
