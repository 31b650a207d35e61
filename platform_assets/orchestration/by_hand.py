"""Single assets that a command materializes in this process.

Belongs here: publishing a day again, and rolling back, each as a run that the instance remembers. Does not belong here: what the assets
do (`pipelines/`), whole jobs (`in_process.py`), or printing (`cli/`).
"""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.loader import DeclaredUseCase
from platform_assets.installation import Installation
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.layout import CLEAN
from platform_assets.orchestration.assets.clean import clean_asset
from platform_assets.orchestration.assets.raw import raw_asset
from platform_assets.orchestration.assets.rollback import rollback_asset
from platform_assets.orchestration.dagster_folder import use_dagster_of_this_folder
from platform_assets.orchestration.due_runs import RANGE_END, RANGE_START
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.resources.build import build_resources

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""A command prints what it did itself."""


def load_again(declared: DeclaredUseCase, installation: Installation, source: str, day: date) -> None:
    """Load a day of a source again: what is delivered now takes the place of what was.

    Raises:
        RuntimeError: the run failed.
    """
    use_case = declared.use_case
    raw = raw_asset(use_case=use_case, source=use_case.source(source), folder=declared.folder)
    result = dg.materialize(
        [raw],
        instance=dg.DagsterInstance.get(),
        tags={RANGE_START: day.isoformat(), RANGE_END: day.isoformat()},
        resources={"lake": installation.catalog(use_case).lake, "sources": installation.sources},
        run_config=_QUIET,
        raise_on_error=False,
    )
    if not result.success:
        failures = [event.step_failure_data for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        raise RuntimeError("; ".join(map(_failure_text, failures)) or f"run {result.run_id} failed")


def publish_again(catalog: Catalog, source: str, day: date | None) -> None:
    """Audit and publish a day, or a reference table, again.

    Raises:
        RuntimeError: it does not pass, or the run failed.
    """
    use_case = catalog.use_case
    result = dg.materialize(
        [clean_asset(use_case=use_case, source=use_case.source(source))],
        instance=dg.DagsterInstance.get(),
        tags={} if day is None else {RANGE_START: day.isoformat(), RANGE_END: day.isoformat()},
        resources={"lake": catalog.lake},
        run_config=_QUIET,
        raise_on_error=False,
    )
    if result.success:
        return
    key = asset_key(use_case, CLEAN, source)
    verdicts = [one for one in result.get_asset_check_evaluations() if one.asset_key == key]
    rules = [str(rule) for one in verdicts for rule in one.metadata["failed_rules"].value[:3]]  # type: ignore[union-attr,index]
    reasons = "; ".join(dict.fromkeys(rules))
    raise RuntimeError(
        f"the decision is recorded, but {source} {day or ''} is refused: {reasons or 'the run failed'}. "
        f"Run {result.run_id}: look at it with `make dev`."
    )


def materialize_rollback(use_case: UseCase, installation: Installation, config: dict[str, str]) -> dict[str, Any]:
    """The metadata of a rollback that is made now.

    Args:
        use_case: the declaration.
        installation: whose champion it is.
        config: of the rollback asset: why, who, and the version to go back to where it is named.

    Raises:
        RuntimeError: it was refused, or failed.
    """
    asset = rollback_asset(use_case=use_case)
    parts = build_resources(installation)
    result = dg.materialize(
        [asset],
        instance=_instance(installation.settings.own_home),
        resources={key: parts[key] for key in ("models", "feast", "serving")},
        run_config={
            "ops": {asset.op.name: {"config": config}},
            **_QUIET,
        },
        tags={"platform_assets/rollback": use_case.name},
        raise_on_error=False,
    )
    if not result.success:
        failures = [event.step_failure_data for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
        raise RuntimeError("; ".join(_failure_text(failure) for failure in failures) or f"run {result.run_id} failed")
    (materialization,) = result.asset_materializations_for_node(asset.op.name)
    return {key: value.value for key, value in materialization.metadata.items()}


def _instance(home: Path) -> dg.DagsterInstance:
    """The instance that `make` runs on: a command typed by hand finds the same runs.

    Raises:
        RuntimeError: there is none.
    """
    use_dagster_of_this_folder(home)
    try:
        return dg.DagsterInstance.get()
    except dg.DagsterError as error:
        reason = str(error).strip().partition("\n")[0]
        raise RuntimeError(
            f"the rollback could not be recorded as a run: {reason} Set DAGSTER_HOME as `make` does, to the folder of dagster.yaml"
        ) from error


def _failure_text(failure: Any) -> str:
    """The message of a failed step, for people."""
    description = failure.user_failure_data.description if failure.user_failure_data else None
    error = failure.error.cause if failure.error.cause is not None else failure.error
    return str(description or error.message.strip().partition(": ")[2] or error.message)
