"""`platform-assets rollout`: where a rollout stands and what is known, and a person's decisions.

Belongs here: the commands and what they print. Does not belong here: looking and deciding (`pipelines/advance_rollout.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, answering, plain_table
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from platform_assets.declaration import UseCase
    from platform_assets.deployment.rollout.events import RolloutDecision
    from platform_assets.installation import Installation
    from platform_assets.pipelines.advance_rollout import RolloutLook

app = typer.Typer(no_args_is_help=True, help="A new version beside the one that serves: how it does, and deciding.")

Name = Annotated[
    str | None,
    typer.Argument(
        autocompletion=use_case_names, help="Name of the use case; the one with a rollout when there is only one."
    ),
]
Why = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
SHOWN_LOOKS = 5


@app.command()
def status(
    use_case: Annotated[
        str | None, typer.Argument(autocompletion=use_case_names, help="Name of the use case; all without.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the stage, the weights, what each guard found, the verdict, and how much longer it takes. Changes nothing."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation

    with answering(as_json) as answer:
        installation = Installation.from_environment()
        for declared in declared_use_cases(use_case):
            if declared.use_case.is_realtime:
                show_rollout(installation, declared.use_case, answer)


@app.command()
def promote(
    use_case: Name = None,
    why: Why = "promoted by hand",
    to_end: Annotated[bool, typer.Option(help="Past all stages in between, to all requests.")] = False,
) -> None:
    """Take the new version to its next stage, whatever the verdict; ends a hold."""
    from platform_assets.deployment.rollout.events import Advance

    _decide(use_case, lambda who, at: Advance(why, who, at, by_hand=True, to_end=to_end))


@app.command("raise")
def raise_share(
    to: Annotated[
        int,
        typer.Option(
            help="In percent: of the requests; in an A/B test of the entities that take part.", min=1, max=100
        ),
    ],
    use_case: Name = None,
    why: Why = "raised by hand",
) -> None:
    """Give the new version more in this stage, which begins anew: copies, requests or entities. A share never falls."""
    from platform_assets.deployment.rollout.events import RaiseShare

    _decide(use_case, lambda who, at: RaiseShare(why, who, at, percent=to))


@app.command()
def hold(use_case: Name = None, why: Why = "held by hand") -> None:
    """Stay in this stage, whatever the verdict, until somebody promotes or aborts."""
    from platform_assets.deployment.rollout.events import HoldRollout

    _decide(use_case, lambda who, at: HoldRollout(why, who, at))


@app.command()
def abort(use_case: Name = None, why: Why = "aborted by hand") -> None:
    """Give all requests back to the version that served before, and make it champion again."""
    from platform_assets.deployment.rollout.events import Abort

    _decide(use_case, lambda who, at: Abort(why, who, at))


def _decide(name: str | None, made: Callable[[str, str], RolloutDecision]) -> None:
    from uuid import uuid4

    from rich.markup import escape

    from platform_assets.cli.console import console, fail_readably
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.installation import Installation
    from platform_assets.pipelines.advance_rollout import decide

    with fail_readably():
        installation = Installation.from_environment()
        use_case = _meant(installation, name)
        decision = made(system_user(), datetime.now(UTC).isoformat(timespec="milliseconds"))
        run_id = f"by hand {uuid4().hex[:12]}"
        step = decide(use_case, installation.models, installation.serving, run_id, decision)
        console.print(f"[bold]{use_case.name}[/] {step.outcome}: {escape(step.sentence)}")
        show_rollout(installation, use_case)


def _meant(installation: Installation, name: str | None) -> UseCase:
    """The named use case, or the only one with a rollout.

    Raises:
        ValueError: none or several are rolled out.
    """
    from platform_assets.declaration.loader import declared_use_cases

    declared = [one.use_case for one in declared_use_cases(name)]
    if name is not None:
        return declared[0]
    target = installation.serving.target()
    open_ones = [one for one in declared if one.is_realtime and target.rollout(one.name) is not None]
    if len(open_ones) != 1:
        names = ", ".join(one.name for one in open_ones) or "none"
        raise ValueError(f"name the use case: rollouts under way are {names}")
    return open_ones[0]


def show_rollout(installation: Installation, use_case: UseCase, answer: CommandAnswer | None = None) -> None:
    """Print where the rollout of a use case stands."""
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.pipelines.advance_rollout import intended, look_at
    from platform_assets.pipelines.rollout_history import read_history

    at = datetime.now(UTC)
    look = look_at(use_case, installation.models, installation.serving, at)
    if answer is not None:
        answer.add("rollouts", _facts(use_case.name, look, at))
    name = f"[bold]{use_case.name}[/]"
    looks = read_history(installation.serving.rollout_history(use_case.name))
    if look.view is None:
        console.print(f"{name}: nothing is rolled out")
        for one in looks[-1:]:
            console.print(
                f"  the last one: {one.new} beside {one.old} {one.outcome} at {one.at}: {escape(one.sentence)}"
            )
        return
    rollout, intent = look.view.rollout, intended(look, at)
    new, old = look.view.new, look.view.old
    console.print(
        f"{name}: {new.version if new else '?'} beside {old.version if old else '?'}, stage {rollout.step + 1} of {len(rollout.plan)}: "
        f"[bold]{rollout.phase}[/], at revision {rollout.revision}"
    )
    for arm in look.view.arms:
        copies = f", copies of {arm.mirror_percent} %" if arm.mirror_percent else ""
        console.print(f"  {arm.version:<24} {arm.weight:>3} % of the requests{copies}")
    if rollout.since:
        minutes = (at - datetime.fromisoformat(rollout.since)).total_seconds() / 60
        most = f", at most {rollout.stage.at_most_minutes:g}" if rollout.stage.at_most_minutes else ""
        console.print(f"  for {minutes:.1f} minutes; at least {rollout.stage.minutes:g}{most}")
    _print_findings(look)
    console.print(f"  [bold]next:[/] {intent.outcome}: {escape(intent.sentence)}")
    if intent.decision is not None:
        console.print(
            f"  [dim]the sensor {use_case.name}__rollout does it within half a minute where it is turned on[/]"
        )
    for one in [one for one in looks if one.by][-SHOWN_LOOKS:]:
        console.print(f"  {one.at} {one.outcome} by {one.by}: {escape(one.sentence)}")


def _facts(name: str, look: RolloutLook, at: datetime) -> dict[str, Any]:
    """A look for programs."""
    from platform_assets.pipelines.advance_rollout import intended

    if look.view is None:
        return {"use_case": name, "under_way": False}
    rollout, intent, evidence = look.view.rollout, intended(look, at), look.evidence
    return {
        "use_case": name,
        "under_way": True,
        "stage": rollout.step + 1,
        "stages": len(rollout.plan),
        "phase": str(rollout.phase),
        "revision": rollout.revision,
        "since": rollout.since or None,
        "arms": [
            {"version": arm.version, "weight": arm.weight, "mirror_percent": arm.mirror_percent}
            for arm in look.view.arms
        ],
        "verdict": None if evidence is None else str(evidence.verdict.outcome),
        "findings": [] if evidence is None else list(evidence.verdict.findings),
        "next": {"outcome": str(intent.outcome), "sentence": intent.sentence},
    }


def _print_findings(look: RolloutLook) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console

    evidence = look.evidence
    if evidence is None:
        return
    figures = ("new - old", "between", "and", "tolerated", "units old, new")
    table = plain_table("guard", "finding", *figures, right=figures)
    for found in evidence.verdict.findings:
        cells = [f"{value:+.4g}" if value is not None else "?" for value in (found.estimate, found.low, found.high)]
        units = f"{found.units_old:,}, {found.units_new:,}"
        table.add_row(escape(found.guard), found.outcome, *cells, f"{found.margin:g}", units)
    console.print(table)
    console.print(
        f"  verdict: [bold]{evidence.verdict.outcome}[/], from {evidence.requests_new:,} answers of the new version and "
        f"{evidence.requests_old:,} of the old one; it needs {evidence.needs}"
    )
    for note in evidence.notes:
        console.print(f"  [dim]{escape(note)}[/]")
