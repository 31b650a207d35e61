"""Whether ledger, alias, git and target say the same, as an asset, and the sensor that asks.

Belongs here: what Dagster is told of it. Does not belong here: who is right and what mends it (`pipelines/gitops/`).
"""

import hashlib
import json
import time
from typing import Any

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import CHAMPION, DELIVERY
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.gitops.repository import ReleaseRepository
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feature_store import FeatureStore
from platform_assets.lake.layout import MODEL, SERVING
from platform_assets.orchestration.kubernetes.sizes import step_tags
from platform_assets.orchestration.metadata import asset_key, place
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.pipelines.gitops.delivery import InstalledDelivery
from platform_assets.pipelines.gitops.delivery_rules import BY_ITSELF, disagreements
from platform_assets.pipelines.gitops.reconcile import Reconciled, reconcile
from platform_assets.registry.errors import RegistryError
from platform_assets.registry.model_store import ModelStore

AGREES_CHECK = "agrees"
INTERVAL_SECONDS = 30
AGAIN_SECONDS = 600
"""The same disagreement asks for a run again after this time, for what was in the way may be gone."""


def delivery_asset(*, use_case: UseCase) -> dg.AssetsDefinition:
    """Reconciles the four of a use case; a merged promotion is deployed, a rollback is written to git."""
    key = asset_key(use_case, SERVING, DELIVERY)

    @dg.asset(
        key=key,
        deps=[dg.AssetDep(asset_key(use_case, MODEL, CHAMPION), partition_mapping=dg.LastPartitionMapping())],
        description="What ledger, alias, git and target say of the release that serves; who disagreed is mended by rule.",
        kinds={"git"},
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(
                AGREES_CHECK,
                asset=key,
                description="Ledger, alias, git and target name the same release and the same hold.",
            )
        ],
        op_tags=step_tags(use_case, SERVING, DELIVERY),
        **place(use_case, SERVING),
    )
    def delivery(
        context: dg.AssetExecutionContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
        releases: dg.ResourceParam[ReleaseRepository],
    ) -> dg.MaterializeResult:
        parties = InstalledDelivery(use_case, models, feast, serving, releases, context.run_id, context.log.info)
        return _reconciled(reconcile(parties, context.log.info))

    return delivery


def _reconciled(found: Reconciled) -> dg.MaterializeResult:
    state, hold = found.state, found.state.ledger.hold
    target = state.target
    return dg.MaterializeResult(
        metadata={
            "ledger": state.ledger.champion or "nothing",
            "alias": state.alias or "nothing",
            "git": state.git.file.model.version if state.git.file else state.git.problem or "nothing",
            "target": "no service" if target is None else target.coming or target.serves or target.problem or "nothing",
            "commit": state.git.commit,
            "hold": "none" if hold is None else hold.sentence(state.use_case),
            "mended": [str(one) for one in found.mended],
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=AGREES_CHECK,
                passed=found.agrees,
                metadata={"left": [str(one) for one in found.left], "problems": list(found.problems)},
            )
        ],
    )


def delivery_sensor(
    use_case: UseCase, *, running: bool = False, interval_seconds: int = INTERVAL_SECONDS
) -> dg.SensorDefinition:
    """Asks for the asset when the four disagree: after a merge, after a rollback, after a crash."""
    key = asset_key(use_case, SERVING, DELIVERY)

    @dg.sensor(
        asset_selection=dg.AssetSelection.assets(key),
        name=f"{use_case.name}__delivery",
        minimum_interval_seconds=interval_seconds,
        default_status=sensor_status(running=running),
        description="Asks for a reconciliation when ledger, alias, git and target disagree, and changes nothing itself.",
    )
    def delivery(
        context: dg.SensorEvaluationContext,
        models: dg.ResourceParam[ModelStore],
        feast: dg.ResourceParam[FeatureStore],
        serving: dg.ResourceParam[ServingHome],
        releases: dg.ResourceParam[ReleaseRepository],
    ) -> dg.SensorResult:
        parties = InstalledDelivery(use_case, models, feast, serving, releases, "sensor")
        try:
            found = disagreements(parties.state())
        except (DeploymentError, RegistryError) as error:
            context.log.error(f"{use_case.name}: {error}")
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        return _asked(context, key, [str(one) for one in found], due=any(one.mend in BY_ITSELF for one in found))

    return delivery


def _asked(context: dg.SensorEvaluationContext, key: dg.AssetKey, found: list[str], *, due: bool) -> dg.SensorResult:
    """One run for each disagreement, and again after a while."""
    if not due:
        return dg.SensorResult(skip_reason="; ".join(found) or "all four say the same", cursor="")
    what = hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]
    before: dict[str, Any] = json.loads(context.cursor or "{}")
    now = time.time()
    if before.get("what") == what and now - before.get("asked", 0.0) < AGAIN_SECONDS:
        return dg.SensorResult(skip_reason=f"a run was asked for: {'; '.join(found)}", cursor=context.cursor)
    for line in found:
        context.log.warning(line)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(asset_selection=[key])], cursor=json.dumps({"what": what, "asked": now})
    )
