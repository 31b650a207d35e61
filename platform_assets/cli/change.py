"""`platform-assets change`: what a commit means for the use cases, and whether it keeps the gates.

Belongs here: the commands and what they print. Does not belong here: comparing and judging (`pipelines/change/`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platform_assets.pipelines.change.check import GateOutcome

app = typer.Typer(no_args_is_help=True, help="What a commit means, before it is merged.")

Base = Annotated[str, typer.Option(help="Branch, tag or commit that the change is to go to, such as origin/main.")]
Comment = Annotated[Path | None, typer.Option(help="File for the change as a comment in Markdown.")]
Run = Annotated[
    bool,
    typer.Option(
        "--run",
        help="Run a small world of both sides, from the sources to a judged model: rows, metrics, checks, cost. Takes minutes; "
        "PLATFORM_ASSETS_SIMULATION says how small.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help='Print it as JSON, `"format": 1`.')]


@app.callback()
def _change() -> None:
    """What a commit means, before it is merged."""


@app.command()
def diff(base: Base, comment: Comment = None, as_json: Json = False, run: Run = False) -> None:
    """Show what the working tree changes: assets, columns, lineage, checks, limits, features, requests, tables. Judges nothing."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        _looked_at(base, comment, as_json=as_json, judged=False, run=run)


@app.command()
def check(
    base: Base,
    comment: Comment = None,
    as_json: Json = False,
    run: Run = False,
    gate: Annotated[list[str] | None, typer.Option(help="Only this gate; may be given several times.")] = None,
) -> None:
    """Hold the working tree to the gates of a change; exit code 1 when one is broken. `accepted_changes.yaml` says who answers for what."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        outcomes = _looked_at(base, comment, as_json=as_json, judged=True, run=run, gates=gate)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


def _looked_at(
    base: str, comment: Path | None, *, as_json: bool, judged: bool, run: bool, gates: Sequence[str] | None = None
) -> Sequence[GateOutcome]:
    from platform_assets.pipelines.change.check import check_change
    from platform_assets.pipelines.change.comment import comment_on
    from platform_assets.pipelines.change.report import report_of
    from platform_assets.pipelines.change.samples import samples_section, with_samples
    from platform_assets.pipelines.change.sides import opened_change

    with opened_change(Path.cwd(), base) as opened:
        change = with_samples(opened) if run else opened
        outcomes = check_change(change, gates) if judged else []
        report = report_of(change)
        sections = [] if change.samples is None else [samples_section(change.samples)]
        text = comment_on(change, report, outcomes, sections)
    if comment is not None:
        comment.write_text(text, encoding="utf-8")
    if as_json:
        subjects = {subject: [vars(entry) for entry in entries] for subject, entries in report.items()}
        document: dict[str, Any] = {"format": 1, "base": base, "commit": change.commit, "changes": subjects}
        if change.samples is not None:
            document["samples"] = {
                name: {"before": sample[0], "after": sample[1]} for name, sample in change.samples.items()
            }
        if judged:
            document["gates"] = [outcome.plain() for outcome in outcomes]
        typer.echo(json.dumps(document, indent=1, default=str))
    elif judged:
        _show(outcomes)
    else:
        typer.echo(text, nl=False)
    return outcomes


def _show(outcomes: Sequence[GateOutcome]) -> None:
    """Each gate in a line, and below a broken one what breaks it: where, what, what to do."""
    from rich.markup import escape

    from platform_assets.cli.console import console
    from platform_assets.pipelines.change.check import acceptance_of

    for outcome in outcomes:
        state = "[green]kept[/]  " if outcome.passed else "[bold red]BROKEN[/]"
        console.print(f"{state} [bold]{outcome.name}[/]: {outcome.about}")
        for finding in outcome.broken:
            place = f"{finding.file}:{finding.line}: " if finding.file else ""
            console.print(f"  {escape(place + finding.message)}")
            console.print(f"    to do: {escape(finding.next_step)}")
        for acceptance in dict.fromkeys(filter(None, map(acceptance_of, outcome.broken))):
            console.print(f"    [dim]or in accepted_changes.yaml: {escape(acceptance)}[/]")
        for finding, entry in outcome.accepted:
            console.print(
                f"  [yellow]accepted[/] by {escape(entry.who)} until {entry.until}: {escape(finding.message)}"
            )
