"""`platform-assets explain`: one prediction computed again, taken apart, with everything that it came from.

Belongs here: finding the use case, and what is printed. Does not belong here: explaining (`pipelines/explain_prediction`).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from platform_assets.installation import Installation
    from platform_assets.pipelines.explain_prediction.explain import PredictionExplanation


def explain(
    request_id: Annotated[
        list[str], typer.Argument(help="Id of a request, as the answer said it or as the log has it; or several.")
    ],
    use_case: Annotated[str | None, typer.Option(help="Name of the use case; all are searched when left out.")] = None,
    day: Annotated[
        str | None, typer.Option(help="Day of the event, YYYY-MM-DD; finds it faster in a long log.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help='Print everything as JSON, `"format": 1`; of several requests a line each.')
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page for people to this file; of one request.")] = None,
) -> None:
    """Compute predictions again from what was known, and say what made them; exit code 1 where one is not the same to the bit."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.installation import Installation
    from platform_assets.pipelines.explain_prediction.errors import NotExplained

    if html is not None and len(request_id) > 1:
        raise typer.BadParameter("a page is of one request: name one, or leave --html out", param_hint="--html")
    unproven: list[str] = []
    with fail_readably():
        on = None if day is None else date.fromisoformat(day)
        installation = Installation.from_environment()
        for request in request_id:
            try:
                explained = explained_request(installation, request, use_case, on)
            except NotExplained as error:
                if len(request_id) == 1:
                    raise
                _say_refused(request, error)
                unproven.append(request)
                continue
            if html is not None:
                _write_page(explained, html)
            if as_json:
                import json

                indent = 1 if len(request_id) == 1 else None
                typer.echo(json.dumps(explained.document(), indent=indent, default=_plain))
            else:
                _show(explained, html)
            unproven += [] if explained.is_proven else [request]
    if len(request_id) > 1 and not as_json:
        _say_how_many(request_id, unproven)
    if unproven:
        raise typer.Exit(1)


def explained_request(
    installation: Installation, request: str, name: str | None = None, day: date | None = None
) -> PredictionExplanation:
    """The explanation of a request of any use case, or of the one that is named.

    Raises:
        NotExplained: no log has the request, or what it was answered with is gone.
    """
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.pipelines.explain_prediction.errors import NotExplained
    from platform_assets.pipelines.explain_prediction.explain import explain_prediction
    from platform_assets.pipelines.explain_prediction.find import find_prediction

    declared = declared_use_cases(name)
    for use_case in (one.use_case for one in declared):
        catalog = installation.catalog(use_case)
        found = find_prediction(catalog, installation.serving.log_folder(use_case.name), request, day)
        if found is not None:
            return explain_prediction(catalog, found, installation.serving, installation.models)
    searched = ", ".join(one.use_case.name for one in declared)
    raise NotExplained(
        f"no prediction of {searched} has the request id {request!r}"
        + (f" on {day}" if day is not None else "")
        + ": not in the stored log, and not in the segments of the services' log. It may have been erased: `platform-assets audit verify` "
        "lists erasures"
    )


def _write_page(explained: PredictionExplanation, path: Path) -> None:
    from platform_assets.monitoring.explanation_page import explanation_page

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        explanation_page(explained.document(), datetime.now(UTC).isoformat(timespec="seconds")), encoding="utf-8"
    )


def _say_refused(request: str, error: Exception) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import errors

    errors.print(f"[red]{escape(request)}[/]: {escape(str(error))}")


def _say_how_many(requests: list[str], unproven: list[str]) -> None:
    from rich.markup import escape

    from platform_assets.cli.console import console

    proven = len(requests) - len(unproven)
    console.print(f"{proven} of {len(requests)} requests are equal to the bit, both ways")
    if unproven:
        console.print(f"  [red]not proven: {escape(', '.join(unproven))}[/]")


def _show(explained: PredictionExplanation, page: Path | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    from platform_assets.cli.console import console

    row, parts, model = explained.found.row, explained.sum, explained.model
    console.print(
        f"[bold]{explained.use_case.name}[/] request {escape(str(row['request_id']))}, {escape(explained.found.place)}"
    )
    console.print(f"  answered {row['scored_at'].isoformat()}: [bold]{row['decision']}[/], score {row['score']!r}")
    console.print(f"  [{'green' if explained.is_proven else 'red'}]{escape(explained.verdict)}[/]")
    console.print(f"  decided by {escape(explained.answer.decided_by)}", markup=True)
    table = Table("feature", "value", "added", "again", "what stands behind it")
    for one in explained.accounts:
        if one.contribution:
            again = {True: "equal", False: "[red]differs[/]", None: "expired"}[one.same]
            events = "" if one.counted is None else f"{one.counted} events; "
            behind = f"{events}{one.made_by}{''.join(f'; {text}' for text in one.tables)}"
            table.add_row(
                one.name,
                "missing" if one.logged is None else repr(one.logged),
                f"{one.contribution:+.4f}",
                again,
                escape(behind),
            )
    console.print(table)
    console.print(
        f"  {escape(parts.method)}: {parts.base:.6f} + {sum(one.contribution for one in explained.accounts):.6f} + rounding "
        f"{parts.rounding:.2g} = {parts.total:.6f} ({parts.space}{f'; {parts.onward}' if parts.onward else ''}); missed by {parts.gap:.1g}"
    )
    for change in explained.search.changes:
        console.print(
            f"  with {change.column} {change.changed!r} instead of {change.value!r}: {change.decision}, score {change.score:.4f}"
        )
    console.print(f"  [dim]{escape(explained.search.sentence)}[/]")
    console.print(f"  {escape(explained.features.sentence)}")
    trained = model.predictor.trained_on
    console.print(
        f"  model version {row['model_version']}, {model.predictor.learner}, {trained.rows:,} rows of {trained.first_day} .. "
        f"{trained.last_day}; {escape(model.source)}"
    )
    for known in explained.tables:
        kept = "the newest" if known.kept_until is None else f"kept until {known.kept_until:%Y-%m-%d} at least"
        console.print(f"  {known.table} version {known.version}: {kept}")
    if explained.origin.promotion is not None:
        promotion = explained.origin.promotion
        console.print(f"  promoted {promotion.at.isoformat()}: {escape(promotion.entry)}")
    for entry in explained.origin.rollout:
        console.print(f"  rollout: {entry.action} {entry.at.isoformat()}, version {entry.model_version}")
    console.print(f"page: {page}" if page else "As a page for people: --html FILE; everything: --json")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
