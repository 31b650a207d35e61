"""`platform-assets models rollback`: an earlier champion answers again.

Belongs here: materializing the rollback asset in this process, and what the command prints. Does not belong here: rolling back
(`pipelines/roll_back.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from platform_assets.cli.console import console
from platform_assets.cli.models.lookup import opened, system_user
from platform_assets.installation import Installation
from platform_assets.orchestration.assets.rollback import rollback_asset
from platform_assets.orchestration.resources.build import build_resources

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.installation import Settings


def roll_back_to(name: str, to: str | None, why: str, who: str | None) -> None:
    """Materialize the rollback asset in this process and print what it did.

    Raises:
        RuntimeError: it was refused, or failed.
    """
    use_case, _, _, settings = opened(name)
    config = {"why": why, "who": who or system_user(), **({"to": to} if to else {})}
    back = _materialized(use_case, settings, config)
    console.print(
        f"[bold]{name}[/]: version {back['model_version']} (as of {back['as_of']}) is champion of {back['environment']} again, "
        f"instead of version {back['rolled_back_from']}"
    )
    if use_case.is_realtime:
        console.print(f"  {back['address']} answers with release {back['release']}")
    console.print(
        f"[dim]version {back['rolled_back_from']} is not promoted again by itself; the next new model is. "
        f"Next: platform-assets models ledger {name}[/]"
    )


def _materialized(use_case: UseCase, settings: Settings, config: dict[str, str]) -> dict[str, Any]:
    """The metadata of the rollback that was made now.

    Raises:
        RuntimeError: it was refused, or failed.
    """
    asset = rollback_asset(use_case=use_case)
    parts = build_resources(Installation(settings))
    result = dg.materialize(
        [asset],
        instance=_instance(settings),
        resources={key: parts[key] for key in ("models", "feast", "serving")},
        run_config={
            "ops": {asset.op.name: {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        tags={"platform_assets/rollback": use_case.name},
        raise_on_error=False,
    )
    if not result.success:
        failures = [event.step_failure_data for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        raise RuntimeError("; ".join(failure_text(failure) for failure in failures) or f"run {result.run_id} failed")
    (materialization,) = result.asset_materializations_for_node(asset.op.name)
    return {key: value.value for key, value in materialization.metadata.items()}


def _instance(settings: Settings) -> dg.DagsterInstance:
    """The instance that `make` runs on: a command typed by hand finds the same runs.

    Raises:
        RuntimeError: there is none.
    """
    if "DAGSTER_HOME" not in os.environ and Path("dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(Path.cwd())
        os.environ.setdefault("PLATFORM_ASSETS_DAGSTER", str(settings.home.resolve() / "dagster"))
    try:
        return dg.DagsterInstance.get()
    except dg.DagsterError as error:
        reason = str(error).strip().partition("\n")[0]
        raise RuntimeError(
            f"the rollback could not be recorded as a run: {reason} Set DAGSTER_HOME as `make` does, to the folder of dagster.yaml"
        ) from error


def failure_text(failure: Any) -> str:
    """What a failed step says to people."""
    description = failure.user_failure_data.description if failure.user_failure_data else None
    error = failure.error.cause if failure.error.cause is not None else failure.error
    return str(description or error.message.strip().partition(": ")[2] or error.message)
