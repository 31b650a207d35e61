"""`platform-assets models ledger`: what served when, made from what, promoted by which evidence.

Belongs here: what the command prints. Does not belong here: the answer itself (`registry/history.py`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from platform_assets.cli.answer import CommandAnswer, ListedColumn, Listing
from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import opened
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.registry.champion_moves import settle
from platform_assets.registry.errors import RegistryUnreachable
from platform_assets.registry.history import served_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platform_assets.registry.base import ModelRegistry
    from platform_assets.registry.history import Served
    from platform_assets.registry.ledger import Ledger

_OTHER_COLUMNS, _NARROWEST_WHY = 74, 30
"""Characters that the columns before `why` take, and that `why` has at least."""
_MADE_FROM = {
    "as of": "as_of",
    "learner": "learner",
    "model": "model_digest",
    "code": "code_version",
    "feature contract": "feature_contract",
    "seed": "seed",
    "MLflow run": "mlflow_run",
}


def moment_of(text: str) -> datetime:
    """A time as a person writes it, in UTC.

    Raises:
        ValueError: it cannot be understood.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time: write 2018-06-01, or 2018-06-01T09:30 (UTC)") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def show_ledger(name: str | None, at: str | None, limit: int, answer: CommandAnswer) -> None:
    """Print the ledger of use cases, or what served at a time."""
    moment = moment_of(at) if at else None
    for declared in declared_use_cases(name):
        use_case, registry, ledger, _ = opened(declared.use_case.name)
        try:
            settle(registry, ledger, use_case.name)
            reachable: ModelRegistry | None = registry
        except RegistryUnreachable as error:
            console.print(f"[bold yellow]a move was broken off, and it cannot be told whether it happened:[/] {error}")
            reachable = None
        if moment is None:
            _print_entries(use_case.name, ledger, limit, answer)
        else:
            served = served_at(ledger, use_case.name, moment, reachable)
            answer.add(
                "served", {"use_case": use_case.name, "at": moment, "version": None} if served is None else served
            )
            _print_served(use_case.name, moment, served)


def ledger_columns() -> tuple[ListedColumn, ...]:
    """The columns of an entry."""
    return (
        ListedColumn("use_case", hidden=True),
        ListedColumn("environment", hidden=True),
        ListedColumn("at", "at (UTC)", shown=lambda at: f"{at:%Y-%m-%d %H:%M:%S}"),
        ListedColumn("action", "what"),
        ListedColumn("model_version", "version", right=True),
        ListedColumn("previous_version", "before", right=True, shown=_version_of),
        ListedColumn("release", shown=lambda digest: digest.removeprefix("sha256:")[:12]),
        ListedColumn("why", shown=lambda why: escape(_cut(why, max(_NARROWEST_WHY, console.width - _OTHER_COLUMNS)))),
        ListedColumn("run_id", hidden=True),
        ListedColumn("evidence", hidden=True),
    )


def _print_entries(name: str, ledger: Ledger, limit: int, answer: CommandAnswer) -> None:
    entries = ledger.entries(name)
    listing = Listing(f"ledger of {name} ({ledger.environment})", ledger_columns())
    for row in entries.tail(limit).iter_rows(named=True):
        evidence = json.loads(row["evidence"])
        kept = {key: row[key] for key in ("at", "action", "model_version", "previous_version", "release", "run_id")}
        listing.add(use_case=name, environment=ledger.environment, why=_why(evidence), evidence=evidence, **kept)
    answer.show("entries", listing)
    if entries.is_empty():
        console.print(f"[dim]nothing has served yet; next: platform-assets run {name}[/]")
        return
    if entries.height > limit:
        console.print(f"[dim]{entries.height - limit} older entries: --limit {entries.height}[/]")
    console.print(f"[dim]next: platform-assets models ledger {name} --at {entries['at'][-1]:%Y-%m-%dT%H:%M:%S}[/]")


def _why(evidence: Mapping[str, Any]) -> str:
    """Who decided and why, when a person did; then what came of it."""
    decided = evidence.get("decided") or (
        {"who": evidence["who"], "why": evidence["why"]} if evidence.get("who") else {}
    )
    by = f"{decided['who']}: {decided['why']}" if decided else str(evidence.get("why") or "")
    outcome = evidence.get("reason") or evidence.get("error") or evidence.get("message") or ""
    return ". ".join(part.rstrip(".") for part in (by, str(outcome)) if part).replace("\n", " ")


def _version_of(previous: str) -> str:
    """The version's number: moves name it alone, deployments with its release, `v3-5d3adf28776f`."""
    return previous.partition("-")[0].removeprefix("v")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def _print_served(name: str, at: datetime, served: Served | None) -> None:
    if served is None:
        console.print(f"[bold]{name}[/]: nothing served at {at:%Y-%m-%d %H:%M:%S} UTC")
        console.print(f"[dim]next: platform-assets models ledger {name}[/]")
        return
    until = f"{served.until:%Y-%m-%d %H:%M:%S}" if served.until else "now"
    console.print(
        f"[bold]{name} version {served.version}[/] served at {at:%Y-%m-%d %H:%M:%S} UTC ({served.environment}): "
        f"from {served.since:%Y-%m-%d %H:%M:%S} until {until}"
    )
    if served.champion != served.version:
        console.print(f"  champion then: {served.champion or 'none'}")
    if served.release:
        console.print(f"  release: {served.release}")
    origin = dict(served.made_from)
    for title, key in _MADE_FROM.items():
        if origin.get(key):
            console.print(f"  {title}: {escape(str(origin[key]))}")
    _print_mapping("data versions", origin.get("data_versions") or {})
    _print_mapping("libraries", origin.get("library_versions") or {})
    for decision in [served.promotion] * (served.promotion != served.decision) + [served.decision]:
        _print_decision(decision)
    console.print(f"[dim]next: platform-assets models reproduce {name}@{served.version}[/]")


def _print_decision(decision: Mapping[str, Any]) -> None:
    """An entry that made the version champion, with the gates it passed."""
    if not decision:
        return
    evidence = decision["evidence"]
    at = f"{decision['at']:%Y-%m-%d %H:%M:%S}"
    console.print(f"  {decision['action']} at {at} by run {decision['run_id']}: {escape(_why(evidence))}")
    for gate in evidence.get("gates", []):
        verdict = "[green]passed[/]" if gate["passed"] else "[red]failed[/]"
        mark = "[yellow]bypassed[/]" if gate.get("bypass") else verdict
        console.print(f"    {gate['name']} {mark}: {escape(gate['explanation'])}")


def _print_mapping(title: str, values: Mapping[str, Any]) -> None:
    if values:
        items = [f"{key.strip('/')} {value}" for key, value in sorted(values.items())]
        console.print(f"  {title}: {escape(', '.join(items))}")
