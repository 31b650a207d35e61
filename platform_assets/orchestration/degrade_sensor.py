"""The sensor that carries out what is declared for answers that cannot be trusted.

Belongs here: asking for the rollback, giving the standing order, telling. Does not belong here: whether anything is to be done
(`monitoring/degradation.py`), rolling back (`pipelines/roll_back.py`), lifting an order (a person's, `cli/degraded.py`).
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import ROLLBACK
from platform_assets.declaration.standing_order import StandingOrder, read_order, write_order
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MODEL
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.pipelines.retrain import newest_decision
from platform_assets.registry.model_store import ModelStore

WHO = "degradation"
"""Who rolled back, in the ledger: what is declared as `monitoring.degrade`."""


def degrade_sensor(use_case: UseCase, *, running: bool = False, interval_seconds: int = 30) -> dg.SensorDefinition:
    """Carries out `monitoring.degrade`: once for each state of each champion; a person lifts it."""
    rollback = asset_key(use_case, MODEL, ROLLBACK)

    @dg.sensor(
        asset_selection=dg.AssetSelection.assets(rollback),
        name=f"{use_case.name}__degrade",
        minimum_interval_seconds=interval_seconds,
        default_status=sensor_status(running=running),
        description="Goes back to the champion before, or puts answers under review or off, as declared for what lasts.",
    )
    def degrade(
        context: dg.SensorEvaluationContext,
        lake: dg.ResourceParam[Lake],
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.SensorResult:
        decision = newest_decision(Catalog(use_case, lake))
        found = json.loads(decision["evidence"]).get("degradation") if decision else None
        if decision is None or not found:
            return dg.SensorResult(skip_reason="Nothing that is declared in `monitoring.degrade` lasts.")
        if found["then"] != "previous_champion":
            said = _give_order(use_case, serving, found, decision["as_of"].isoformat())
            context.log.error(f"{use_case.name}: {said} Tell {found['tell']}.")
            return dg.SensorResult(skip_reason=said)
        moves = models.ledger(use_case.name).moves(use_case.name)
        if moves.is_empty() or moves["action"][-1] == "rolled_back":
            said = f"{found['why']}, but an earlier champion answers already, or there is none. A person has to decide."
            context.log.error(f"{use_case.name}: {said} Tell {found['tell']}.")
            return dg.SensorResult(skip_reason=said)
        context.log.error(f"{use_case.name}: the champion before answers again: {found['why']}. Tell {found['tell']}.")
        config = {"why": found["why"], "who": WHO}
        request = dg.RunRequest(
            run_key=found["cause"],
            asset_selection=[rollback],
            run_config={"ops": {"__".join(rollback.path): {"config": config}}},
        )
        return dg.SensorResult(run_requests=[request])

    return degrade


def _give_order(use_case: UseCase, serving: ServingHome, found: Mapping[str, Any], as_of: str) -> str:
    """Give the order, unless it is in force, or was lifted for the same cause; what is in force, in words."""
    folder = serving.log_folder(use_case.name)
    order = read_order(folder)
    if order is not None and order.cause == found["cause"] and not order.is_in_force:
        return f"{found['why']}, but {order.lifted_by} lifted the order: {order.lifted_because}."
    if order is None or not order.is_in_force:
        kept = {name: found[name] for name in ("then", "cause", "why", "tell", "rule") if name in found}
        write_order(folder, StandingOrder(since=as_of, **kept))
    return f"{found['then']} is in force until `platform-assets degraded {use_case.name} --lift`: {found['why']}."
