"""`platform-assets models`: versions, comparison, promotion, rollback, reproduction, and the ledger.

Belongs here: the commands and their tables. Does not belong here: the rules of a promotion (`registry/`), or what a rollback does
(`orchestration/assets/rollback.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.installation import Settings
    from platform_assets.registry.base import Environment, ModelRegistry, RegisteredVersion
    from platform_assets.registry.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="Versions of models: compare, promote, roll back, reproduce, look back.")
Model = Annotated[
    str, typer.Argument(metavar="MODEL@VERSION", help="Such as `fraud@3`, or an alias: `fraud@champion`.")
]
Who = Annotated[str | None, typer.Option(help="Who decided it; default: the name of the system's user.")]


@app.command("list")
def list_models(
    use_case: Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest versions to show.")] = 20,
) -> None:
    """The versions of each model: as of which day, which learner, how good, and which are champion or challenger."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        show_versions(use_case, limit)


@app.command()
def compare(
    first: Model,
    second: Annotated[
        str | None,
        typer.Argument(metavar="[VERSION]", help="Another version or alias of the same model; default: the champion."),
    ] = None,
) -> None:
    """Two versions side by side: metrics fold by fold, settings, and what they were made from."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.models.comparison import show_comparison

    with fail_readably():
        show_comparison(first, second)


@app.command()
def promote(
    model: Model,
    to: Annotated[str | None, typer.Option(help="dev, staging or production; default: this installation's.")] = None,
    why: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "",
    who: Who = None,
) -> None:
    """Make an evaluated version the champion of an environment, with its evidence."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        promote_version(model, to, why, who)


@app.command()
def rollback(
    use_case: Annotated[str, typer.Argument(help="Name of the use case.")],
    why: Annotated[str, typer.Option(help="What makes it necessary; kept in the ledger.")],
    to: Annotated[
        str | None, typer.Option(help="Version to go back to; default: the champion before this one.")
    ] = None,
    who: Who = None,
) -> None:
    """Go back to an earlier champion: its service starts, takes the traffic, and the ledger remembers why."""
    from platform_assets.cli.console import fail_readably

    with fail_readably():
        roll_back_to(use_case, to, why, who)


@app.command()
def reproduce(model: Model) -> None:
    """Build the training set again from its versions, train again, and compare bytes and metrics."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.models.reproduction import reproduce_version

    with fail_readably():
        same = reproduce_version(model)
    if not same:
        raise typer.Exit(1)


@app.command()
def ledger(
    use_case: Annotated[str | None, typer.Argument(help="Name of the use case; all of them when left out.")] = None,
    at: Annotated[str | None, typer.Option(help="What served then: 2018-06-01, or 2018-06-01T09:30 (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest entries to show.")] = 20,
) -> None:
    """What served when, made from what, promoted by which evidence."""
    from platform_assets.cli.console import fail_readably
    from platform_assets.cli.models.ledger import show_ledger

    with fail_readably():
        show_ledger(use_case, at, limit)


# What the commands do.


def opened(name: str) -> tuple[UseCase, ModelRegistry, Ledger, Settings]:
    """A use case with the registry and ledger of this installation."""
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.installation import Installation, Settings

    settings = Settings.from_environment()
    use_case = declared_use_cases(name)[0].use_case
    settings.prepare()
    models = Installation(settings).models
    return use_case, models.registry(), models.ledger(name), settings


def named_version(registry: ModelRegistry, use_case: str, version: str) -> RegisteredVersion:
    """The version of that number or alias.

    Raises:
        RegistryError: there is none.
    """
    from platform_assets.registry.errors import RegistryError

    if version.isdecimal():
        return registry.get(use_case, version)
    found = registry.by_alias(use_case, version)
    if found is None:
        raise RegistryError(
            f"no version of model {use_case!r} has the alias {version!r}; `platform-assets models list {use_case}` shows what there is"
        )
    return found


def split_model(model: str) -> tuple[str, str]:
    """`MODEL@VERSION` in its two parts.

    Raises:
        ValueError: it is written otherwise.
    """
    name, found, version = model.partition("@")
    if not found or not name or not version:
        raise ValueError(
            f"{model!r} names no version: write MODEL@VERSION, such as {name or 'fraud'}@3 or {name or 'fraud'}@champion"
        )
    return name, version


def show_versions(name: str | None, limit: int) -> None:
    """Print the versions of use cases."""
    from rich.table import Table

    from platform_assets.cli.console import console
    from platform_assets.declaration.loader import declared_use_cases
    from platform_assets.registry.base import VERDICT_TAG

    for declared in declared_use_cases(name):
        use_case, registry, _, settings = opened(declared.use_case.name)
        by = use_case.training.select_by
        versions = registry.versions(use_case.name)
        aliases = registry.aliases(use_case.name)
        table = Table(title=f"models of {use_case.name} ({settings.environment})", box=None, pad_edge=False)
        for title in ("version", "as of", "learner", by, "gates", "aliases", "made from code", "model"):
            table.add_column(title, justify="right" if title in ("version", by) else "left")
        for version in versions[-limit:]:
            value = registry.metrics(version).get(by)
            table.add_row(
                version.version,
                version.tags.get("as_of", ""),
                version.tags.get("learner", ""),
                "" if value is None else f"{value:.4f}",
                version.tags.get(VERDICT_TAG, "not judged"),
                ", ".join(aliases.get(version.version, [])),
                version.tags.get("code_version", ""),
                version.tags.get("model_digest", "").removeprefix("sha256:")[:12],
            )
        console.print(table)
        if not versions:
            console.print(f"[dim]no model of {use_case.name} yet; next: platform-assets run {use_case.name}[/]")
            continue
        console.print(f"[dim]next: {_after_list(use_case.name, registry, versions)}[/]")


def _after_list(name: str, registry: ModelRegistry, versions: list[RegisteredVersion]) -> str:
    """What to do after a look at the versions: the newest one is judged, promoted, or compared with the champion or the one before."""
    from platform_assets.declaration.names import EVALUATION
    from platform_assets.lake.layout import MODEL
    from platform_assets.registry.base import CHAMPION, VERDICT_TAG

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


def environment_named(name: str | None, own: Environment) -> Environment:
    """The environment of that name; without one, this installation's own.

    Raises:
        ValueError: there is none of that name.
    """
    from platform_assets.registry.base import ENVIRONMENTS

    if name is None:
        return own
    for environment in ENVIRONMENTS:
        if environment == name:
            return environment
    raise ValueError(f"there is no environment {name!r}; there are {', '.join(ENVIRONMENTS)}")


def promote_version(model: str, to: str | None, why: str, who: str | None) -> None:
    """Promote a version and say what moved.

    Raises:
        PromotionRefused: its evidence does not allow it.
        ParityNotProven: what it serves with differs online and offline.
    """
    from uuid import uuid4

    from platform_assets.cli.console import console
    from platform_assets.installation import Installation
    from platform_assets.orchestration.assets.champion import promote_with_evidence
    from platform_assets.pipelines.check_parity import require_parity

    name, number = split_model(model)
    use_case, registry, ledger, settings = opened(name)
    target = environment_named(to, settings.environment)
    version = named_version(registry, name, number)
    require_parity(Installation(settings).catalog(use_case), version.tags["as_of"])
    decided = {"who": who or system_user(), "why": why or "promoted by hand"}
    promotion, because = promote_with_evidence(
        registry.of(target), ledger.of(target), version, f"by hand {uuid4().hex[:12]}", decided
    )
    before = promotion.previous.version if promotion.previous else "none"
    if not promotion.moved:
        console.print(f"version {version.version} of {name} is the champion of {target} already")
    else:
        console.print(f"[bold]{name} version {version.version}[/] is the champion of {target}; before: {before}")
        console.print(f"  {because}")
    if target == settings.environment and use_case.is_realtime:
        day = version.tags.get("as_of", "DAY")
        keys = f'key:"{name}/serving/service" or key:"{name}/serving/deployment"'
        console.print(f"[dim]next: dg launch --assets '{keys}' --partition {day}[/]")
    else:
        there = "" if target == settings.environment else f"PLATFORM_ASSETS_ENVIRONMENT={target} "
        console.print(f"[dim]next: {there}platform-assets models ledger {name}[/]")


def system_user() -> str:
    """Name of the user whose process this is."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def roll_back_to(name: str, to: str | None, why: str, who: str | None) -> None:
    """Materialize the rollback asset in this process and say what it did.

    Raises:
        RuntimeError: it was refused, or failed.
    """
    import os
    from pathlib import Path

    import dagster as dg

    from platform_assets.cli.console import console
    from platform_assets.installation import Installation
    from platform_assets.orchestration.assets.rollback import rollback_asset
    from platform_assets.orchestration.resources.build import build_resources

    use_case, _, _, settings = opened(name)
    asset = rollback_asset(use_case=use_case)
    if "DAGSTER_HOME" not in os.environ and Path("dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(Path.cwd())  # what `make` says: a command typed by hand finds the same runs
        os.environ.setdefault("PLATFORM_ASSETS_DAGSTER", str(settings.home.resolve() / "dagster"))
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterError as error:
        told = str(error).strip().partition("\n")[0]
        raise RuntimeError(
            f"the rollback could not be recorded as a run: {told} Set DAGSTER_HOME as `make` does, to the folder of dagster.yaml"
        ) from error
    resources = {
        key: found
        for key, found in build_resources(Installation(settings)).items()
        if key in ("models", "feast", "serving")
    }
    config = {"why": why, "who": who or system_user(), **({"to": to} if to else {})}
    quiet = {"console": {"config": {"log_level": "CRITICAL"}}}
    result = dg.materialize(
        [asset],
        instance=instance,
        resources=resources,
        run_config={"ops": {asset.op.name: {"config": config}}, "loggers": quiet},
        tags={"platform_assets/rollback": name},
        raise_on_error=False,
    )
    if not result.success:
        failures = [event.step_failure_data for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        raise RuntimeError("; ".join(failure_text(failure) for failure in failures) or f"run {result.run_id} failed")
    made = {
        key: value.value for key, value in result.asset_materializations_for_node(asset.op.name)[0].metadata.items()
    }
    console.print(
        f"[bold]{name}[/]: version {made['model_version']} (as of {made['as_of']}) is champion of {made['environment']} again, "
        f"instead of version {made['rolled_back_from']}"
    )
    if use_case.is_realtime:
        console.print(f"  {made['address']} answers with release {made['release']}")
    console.print(
        f"[dim]version {made['rolled_back_from']} is not promoted again by itself; the next new model is. "
        f"Next: platform-assets models ledger {name}[/]"
    )


def failure_text(failure: Any) -> str:
    """What a failed step says to people."""
    description = failure.user_failure_data.description if failure.user_failure_data else None
    error = failure.error.cause if failure.error.cause is not None else failure.error
    return str(description or error.message.strip().partition(": ")[2] or error.message)
