"""`platform-assets models list`: the versions of each model.

Belongs here: what the command prints, and what to do next. Does not belong here: two versions side by side (`comparison.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platform_assets.cli.answer import CommandAnswer, ListedColumn, Listing
from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import opened
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.declaration.names import EVALUATION
from platform_assets.lake.layout import MODEL
from platform_assets.registry.base import CHAMPION, VERDICT_TAG

if TYPE_CHECKING:
    from platform_assets.registry.base import ModelRegistry, RegisteredVersion


def show_versions(name: str | None, limit: int, answer: CommandAnswer) -> None:
    """Print the versions of use cases."""
    for declared in declared_use_cases(name):
        use_case, registry, _, settings = opened(declared.use_case.name)
        by = use_case.training.select_by
        versions = registry.versions(use_case.name)
        aliases = registry.aliases(use_case.name)
        listing = Listing(f"models of {use_case.name} ({settings.environment})", _columns(by))
        for version in versions[-limit:]:
            value = registry.metrics(version).get(by)
            listing.add(
                use_case=use_case.name,
                environment=settings.environment,
                version=version.version,
                as_of=version.tags.get("as_of"),
                learner=version.tags.get("learner"),
                metric=by,
                value=value,
                gates=version.tags.get(VERDICT_TAG, "not judged"),
                aliases=list(aliases.get(version.version, [])),
                code_version=version.tags.get("code_version"),
                model_digest=version.tags.get("model_digest"),
            )
        answer.show("models", listing)
        if not versions:
            next_step = f"no model of {use_case.name} yet; next: platform-assets run {use_case.name}"
            delivered = f"{use_case.name} has no model here: its scores are delivered (`predictions`)"
            console.print(f"[dim]{next_step if use_case.is_trained_here else delivered}[/]", soft_wrap=True)
            continue
        console.print(f"[dim]next: {_after_list(use_case.name, registry, versions)}[/]")


def _columns(metric: str) -> tuple[ListedColumn, ...]:
    return (
        ListedColumn("use_case", hidden=True),
        ListedColumn("environment", hidden=True),
        ListedColumn("version", right=True),
        ListedColumn("as_of"),
        ListedColumn("learner"),
        ListedColumn("metric", hidden=True),
        ListedColumn("value", metric, right=True, shown=lambda value: f"{value:.4f}"),
        ListedColumn("gates"),
        ListedColumn("aliases", shown=", ".join),
        ListedColumn("code_version", "made from code"),
        ListedColumn("model_digest", "model", shown=lambda digest: digest.removeprefix("sha256:")[:12]),
    )


def _after_list(name: str, registry: ModelRegistry, versions: list[RegisteredVersion]) -> str:
    """What to do after a look at the versions: the newest one is judged, promoted, or compared with the champion or the one before."""
    latest, champion = versions[-1], registry.by_alias(name, CHAMPION)
    newest, command = latest.version, "platform-assets models"
    verdict = latest.tags.get(VERDICT_TAG)
    if verdict is None and (champion is None or champion.version != newest):
        return f"dg launch --assets 'key:\"{name}/{MODEL}/{EVALUATION}\"' --partition {latest.tags.get('as_of', 'DAY')}"
    if champion is None:
        return f"{command} promote {name}@{newest}" if verdict == "passed" else f"{command} ledger {name}"
    if champion.version != newest:
        return f"{command} compare {name}@{newest}"
    return (
        f"{command} compare {name}@{newest} {versions[-2].version}" if len(versions) > 1 else f"{command} ledger {name}"
    )
