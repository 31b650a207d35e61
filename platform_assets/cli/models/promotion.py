"""`platform-assets models promote`: an evaluated version becomes champion.

Belongs here: what the command prints. Does not belong here: promoting (`pipelines/promote.py`), proposing (`pipelines/gitops/propose.py`).
"""

from __future__ import annotations

from uuid import uuid4

from rich.markup import escape

from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import environment_named, named_version, opened, split_model, system_user
from platform_assets.installation import Installation
from platform_assets.pipelines.promote import promote_model
from platform_assets.pipelines.write_model_card import renew_model_cards


def promote_version(model: str, to: str | None, why: str, who: str | None) -> None:
    """Promote a version and say what moved.

    Raises:
        PromotionRefused: its evidence does not allow it.
        ParityNotProven: what it serves with differs online and offline.
    """
    name, number = split_model(model)
    use_case, registry, ledger, settings = opened(name)
    target = environment_named(to, settings.environment)
    version = named_version(registry, name, number)
    decided = {"who": who or system_user(), "why": why or "promoted by hand"}
    run_id = f"by hand {uuid4().hex[:12]}"
    installation = Installation(settings)
    catalog = installation.catalog(use_case)
    promoted = promote_model(catalog, registry.of(target), ledger.of(target), version, run_id, decided)
    previous = promoted.move.previous
    if promoted.move.moved and target == settings.environment:
        folder = installation.serving.report_folder(name)
        renew_model_cards(use_case, installation.models, folder, [version, previous])
    if not promoted.move.moved:
        console.print(f"version {version.version} of {name} is the champion of {target} already")
    else:
        before = previous.version if previous else "none"
        console.print(f"[bold]{name} version {version.version}[/] is the champion of {target}; before: {before}")
        console.print(f"  {promoted.reason}")
    if target == settings.environment and use_case.is_realtime:
        day = version.tags.get("as_of", "DAY")
        keys = f'key:"{name}/serving/service" or key:"{name}/serving/deployment"'
        console.print(f"[dim]next: dg launch --assets '{keys}' --partition {day}[/]")
    else:
        setting = "" if target == settings.environment else f"PLATFORM_ASSETS_ENVIRONMENT={target} "
        console.print(f"[dim]next: {setting}platform-assets models ledger {name}[/]")


def propose_version(model: str, to: str | None, why: str, who: str | None) -> None:
    """Propose a promotion in the GitOps repository and say where it waits.

    Raises:
        SettingsError: no GitOps repository is named.
        PromotionRefused: it would not be promoted.
        GitOpsError: it could not be pushed, or no request could be opened.
    """
    from platform_assets.pipelines.gitops.propose import Proposer, propose_promotion
    from platform_assets.settings import environment_variables

    name, number = split_model(model)
    use_case, registry, _, settings = opened(name)
    target = environment_named(to, settings.environment)
    version = named_version(registry, name, number)
    installation = Installation(settings)
    releases = installation.releases
    assert settings.gitops is not None, "it has a repository"
    parts = Proposer(
        installation.models,
        installation.feature_store,
        installation.serving,
        releases,
        settings.gitops.requests,
        environment_variables(),
        lambda line: console.print(f"  [dim]{escape(line)}[/]"),
    )
    proposed = propose_promotion(
        use_case, version, target, parts, who=who or system_user(), why=why or "promoted by hand"
    )
    branch, request = proposed.branch, proposed.request
    state = "was pushed" if branch.changed else "says so already"
    console.print(
        f"[bold]{name} version {version.version}[/] is proposed for {target}: {branch.name} {state} ({branch.commit[:12]})"
    )
    console.print(f"  {escape(proposed.file.evidence.reason)}")
    if request.address is not None:
        console.print(f"  {request.address}{'' if request.opened else ' (open already; it shows the new commit)'}")
    setting = "" if target == settings.environment else f"PLATFORM_ASSETS_ENVIRONMENT={target} "
    console.print(f"[dim]next: merge it into {branch.base}; then {setting}platform-assets gitops status {name}[/]")
