"""`platform-assets gitops`: what ledger, alias, git and target say, and a person's word on a hold.

Belongs here: the commands and what they print. Does not belong here: who is right and what mends it (`pipelines/gitops/`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platform_assets.cli.answer import AsJson, CommandAnswer, answering
from platform_assets.cli.completion import use_case_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platform_assets.installation import Installation
    from platform_assets.pipelines.gitops.delivery import InstalledDelivery
    from platform_assets.pipelines.gitops.delivery_rules import Disagreement
    from platform_assets.pipelines.gitops.delivery_state import DeliveryState
    from platform_assets.pipelines.gitops.reconcile import Reconciled

app = typer.Typer(no_args_is_help=True, help="Releases by git: what serves, what was merged, and what is held.")

Names = Annotated[
    str | None,
    typer.Argument(autocompletion=use_case_names, help="Name of the use case; all of them when left out."),
]
Name = Annotated[str, typer.Argument(autocompletion=use_case_names, help="Name of the use case.")]
Why = Annotated[str, typer.Option(help="Why; kept in the ledger and in git.")]
Who = Annotated[str | None, typer.Option(help="Who decided it; default: the name of the system's user.")]


@app.command()
def status(use_case: Names = None, as_json: AsJson = False) -> None:
    """Show what each of the four says, and who disagrees. Changes nothing; exit code 1 says that somebody disagrees."""
    with answering(as_json) as answer:
        agree = _show_status(use_case, answer)
    if not agree:
        raise typer.Exit(1)


@app.command()
def reconcile(use_case: Names = None) -> None:
    """Mend by rule what disagrees, once: deploy what was merged, write rollbacks to git. Exit code 1 says what is left for a person."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation

    with fail_readably():
        agree = [_reconciled(one) for one in _deliveries(Installation.from_environment(), use_case)]
    if not all(agree):
        raise typer.Exit(1)


@app.command()
def apply(
    use_case: Names = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, as `reconcile` does.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 30.0,
) -> None:
    """Do what `reconcile` does again and again, where no Dagster daemon does, until Ctrl-C."""
    import time

    from platform_assets.cli.console import console, fail_readably
    from platform_assets.installation import Installation

    while True:
        try:
            with fail_readably():
                agree = [_reconciled(one) for one in _deliveries(Installation.from_environment(), use_case)]
        except typer.Exit:
            if once:
                raise
            agree = [False]  # the repository or the registry does not answer; the sentence was printed
        if once:
            raise typer.Exit(0 if all(agree) else 1)
        console.print(f"[dim]next look in {every:g} s; Ctrl-C ends this[/]")
        time.sleep(every)


@app.command()
def hold(
    use_case: Name,
    why: Why,
    until: Annotated[
        str | None, typer.Option(help="When it ends by itself: 2030-06-01T09:30 (UTC); never if left out.")
    ] = None,
    who: Who = None,
) -> None:
    """Let nothing be promoted until a person lifts it, or until a time."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.cli.models.ledger import moment_of
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.installation import Installation
    from platform_assets.registry.holds import place_hold

    with fail_readably():
        [parties] = _deliveries(Installation.from_environment(), use_case)
        ends = moment_of(until) if until else None
        if ends is not None and ends <= datetime.now(UTC):
            raise ValueError(f"--until {until} is over already")
        champion = parties.state().ledger.champion or ""
        by, since = who or system_user(), datetime.now(UTC).isoformat()
        placed = place_hold(
            parties.ledger, use_case, by=by, why=_reason(why), champion=champion, until=ends, since=since
        )
        console.print(placed.sentence(use_case), markup=False)
        _reconciled(parties)


@app.command()
def lift(use_case: Name, why: Why, who: Who = None) -> None:
    """End a hold: what is merged from now on is promoted again."""
    from platform_assets.cli.console import console, fail_readably
    from platform_assets.cli.models.lookup import system_user
    from platform_assets.installation import Installation
    from platform_assets.registry.holds import lift_hold

    with fail_readably():
        [parties] = _deliveries(Installation.from_environment(), use_case)
        lifted = lift_hold(parties.ledger, use_case, by=who or system_user(), why=_reason(why))
        console.print(f"{use_case}: the hold by {lifted.by or 'nobody named'} is lifted ({lifted.why})", markup=False)
        _reconciled(parties)


def _reason(why: str) -> str:
    if not why.strip():
        raise ValueError("say why: --why is kept for those who look later")
    return why.strip()


def _deliveries(installation: Installation, name: str | None) -> Iterator[InstalledDelivery]:
    """The named use case, or all whose models are trained here.

    Raises:
        SettingsError: no GitOps repository is named.
    """
    from uuid import uuid4

    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.pipelines.gitops.delivery import InstalledDelivery

    releases = installation.releases
    installation.settings.prepare()
    parts = installation.models, installation.feature_store, installation.serving, releases
    for declared in declared_use_cases(name):
        if declared.use_case.is_trained_here:
            run_id = f"gitops {uuid4().hex[:12]}"
            yield InstalledDelivery(
                declared.use_case, *parts, run_id, lambda line: console.print(f"  [dim]{_plain(line)}[/]")
            )


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _reconciled(parties: InstalledDelivery) -> bool:
    from platform_assets.pipelines.gitops.reconcile import reconcile as mend

    return _print_reconciled(parties.name, mend(parties, parties.log))


def _print_reconciled(name: str, done: Reconciled) -> bool:
    from platform_assets.cli.console import console

    count = len(done.mended)
    if done.agrees:
        waits = "; ".join(one.sentence for one in done.left)
        console.print(f"[bold]{name}[/]: {_plain(waits) or _agreed(done.state)}{f', {count} mended' if count else ''}")
    else:
        console.print(f"[bold red]{name}[/]: {count} mended, and this is left:")
        for problem in done.problems:
            console.print(f"  {_plain(problem)}")
        _print_disagreements(done.left)
    return done.agrees


def _agreed(state: DeliveryState) -> str:
    if state.ledger.champion is None:
        return "nothing was promoted yet"
    return f"ledger, alias, git{' and target' if state.target is not None else ''} say version {state.ledger.champion}"


def _print_disagreements(found: tuple[Disagreement, ...]) -> None:
    from platform_assets.cli.console import console

    for one in found:
        console.print(f"  {_plain(str(one))}\n    [dim]{one.mend}[/]")


def _show_status(name: str | None, answer: CommandAnswer) -> bool:
    """Print it; whether all agree."""
    from platform_assets.cli.console import console
    from platform_assets.installation import Installation
    from platform_assets.pipelines.gitops.delivery_rules import disagreements

    values: dict[str, Any] = {}
    for parties in _deliveries(Installation.from_environment(), name):
        state = parties.state()
        found = disagreements(state)
        said = values[parties.name] = _said(state, found)
        agree = "agree" if not found else f"{len(found)} disagree"
        console.print(f"[bold]{parties.name}[/] in {state.environment}: {agree}")
        for party in ("ledger", "alias", "git", "target"):
            console.print(f"  {party:<7} {_plain(str(said[party]))}")
        if state.ledger.hold is not None:
            console.print(f"  [yellow]{_plain(state.ledger.hold.sentence(parties.name))}[/]")
        _print_disagreements(found)
    answer.put("use_cases", values)
    return not any(one["disagreements"] for one in values.values())


def _said(state: DeliveryState, found: tuple[Disagreement, ...]) -> dict[str, Any]:
    file, target = state.git.file, state.target
    version = None if file is None else f"version {file.model.version}"
    serves = None if target is None else target.serves or target.problem or "nothing"
    return {
        "environment": state.environment,
        "ledger": f"version {state.ledger.champion}" if state.ledger.champion else "no champion",
        "alias": f"version {state.alias}" if state.alias else "no champion",
        "git": version or state.git.problem or "no release",
        "target": "no service"
        if target is None
        else f"{serves}{f', rolls out {target.coming}' if target.coming else ''}",
        "commit": state.git.commit,
        "hold": None if state.ledger.hold is None else state.ledger.hold.sentence(state.use_case),
        "disagreements": [{"party": one.party, "sentence": one.sentence, "mend": one.mend} for one in found],
    }
