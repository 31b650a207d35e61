"""The page of a use case, as an asset, and the sensor that keeps it fresh.

Belongs here: what Dagster is told of it, and how often it is made. Does not belong here: what stands on it
(`pipelines/use_case_state/`, `monitoring/use_case_page/`).
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.clock import Clock
from platform_assets.declaration.names import PAGE
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MONITORING
from platform_assets.monitoring.use_case_page.state import UseCaseState
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, policy, written_page
from platform_assets.orchestration.operations_facts import Defined
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.orchestration.state_of_operations import read_state_of_operations
from platform_assets.pipelines.use_case_state.links import page_path
from platform_assets.pipelines.use_case_state.read import Around, StateSources, read_use_case_state
from platform_assets.pipelines.use_case_state.write import write_use_case_page
from platform_assets.registry.model_store import ModelStore

SENSOR = "page"
INTERVAL_SECONDS = 60
SIMULATED_INTERVAL_SECONDS = 5
"""In a world whose days last seconds."""
IDLE_SECONDS = 15 * 60
"""A page of a use case to which nothing happened is made again after this time, so that its age says whether anything runs."""


def page_sensor_name(use_case: UseCase) -> str:
    """Name of the sensor that keeps the page fresh."""
    return f"{use_case.name}__{SENSOR}"


def page_asset(
    *, use_case: UseCase, automation: bool, alertmanager: str | None = None, sheet: str = "own"
) -> dg.AssetsDefinition:
    """The page, made when somebody asks for it; the sensor makes it all the time."""

    @dg.asset(
        key=asset_key(use_case, MONITORING, PAGE),
        description="One page: what is wrong first, with since when, why and the next command; then data, model, service and figures.",
        code_version="1",
        op_tags=step_tags(use_case, MONITORING, PAGE),
        kinds={"html"},
        **policy(use_case, MONITORING),
    )
    def page(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
        clock: dg.ResourceParam[Clock],
    ) -> dg.MaterializeResult:
        read_from = StateSources(lake, models, serving, clock, automation, alertmanager, sheet)
        return dg.MaterializeResult(
            metadata=made_page(use_case, context.repository_def, context.instance, read_from)[1]
        )

    return page


def made_page(
    use_case: UseCase, definitions: Defined, instance: dg.DagsterInstance, read_from: StateSources
) -> tuple[UseCaseState, dict[str, Any]]:
    """Read the state and write the page.

    Returns:
        The state, and the asset's metadata.
    """
    operations = read_state_of_operations(use_case, definitions, instance, read_from.clock, datetime.now(UTC))
    state = read_use_case_state(use_case, read_from, Around(operations))
    path = write_use_case_page(state, read_from.serving)
    worst = [one.what for one in state.findings if one.severity == state.worst != "ok"]
    written = written_page(read_from.serving, "page", path, page_path(use_case))
    return state, {**written, "worst": state.worst, "findings": worst[:5]}


def page_sensor(
    *, use_case: UseCase, automation: bool, simulated: bool = False, alertmanager: str | None = None, sheet: str = "own"
) -> dg.SensorDefinition:
    """Makes the page again when anything happened, and every few minutes; a materialization is reported when the worst state changes."""

    @dg.sensor(
        name=page_sensor_name(use_case),
        asset_selection=dg.AssetSelection.assets(asset_key(use_case, MONITORING, PAGE)),
        minimum_interval_seconds=SIMULATED_INTERVAL_SECONDS if simulated else INTERVAL_SECONDS,
        default_status=sensor_status(running=automation),
        description="Keeps the page of the use case fresh, without a run.",
    )
    def page(
        context: dg.SensorEvaluationContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        read_from = StateSources(lake, models, serving, clock, automation, alertmanager, sheet)
        repository = context.repository_def
        assert repository is not None, "the code server evaluates sensors in their repository"
        return refreshed(use_case, context, lambda: made_page(use_case, repository, context.instance, read_from))

    return page


def refreshed(
    use_case: UseCase,
    context: dg.SensorEvaluationContext,
    make: Callable[[], tuple[UseCaseState, dict[str, Any]]],
    machine_seconds: Callable[[], float] = time.time,
) -> dg.SensorResult:
    """One tick: nothing where nothing happened and the page is young."""
    before = json.loads(context.cursor or "{}")
    newest, now = context.instance.event_log_storage.get_maximum_record_id(), machine_seconds()
    if before.get("newest") == newest and now - before.get("made", 0.0) < IDLE_SECONDS:
        return dg.SensorResult(skip_reason="nothing happened since the page was made", cursor=context.cursor)
    state, metadata = make()
    cursor = json.dumps({"newest": newest, "made": now, "worst": state.worst})
    if before.get("worst") == state.worst:
        return dg.SensorResult(skip_reason=f"the page was made again: {state.worst}", cursor=cursor)
    event = dg.AssetMaterialization(asset_key(use_case, MONITORING, PAGE), metadata=metadata)
    return dg.SensorResult(asset_events=[event], cursor=cursor)
