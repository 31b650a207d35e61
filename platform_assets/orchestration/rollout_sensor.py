"""The sensor that takes rollouts on: it looks, and what the verdict says is done.

Belongs here: asking again and again, and asking for the page after a decision. Does not belong here: looking and deciding
(`pipelines/advance_rollout.py`).
"""

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.names import ROLLOUT
from platform_assets.deployment.errors import DeploymentError
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.lake.layout import SERVING
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.sensors import sensor_status
from platform_assets.pipelines.advance_rollout import StepOutcome, advance_rollout
from platform_assets.registry.model_store import ModelStore

INTERVAL_SECONDS = 30
_NO_DECISION = frozenset(
    {
        StepOutcome.NOTHING,
        StepOutcome.UNDER_WAY,
        StepOutcome.WAITING,
        StepOutcome.HELD,
        StepOutcome.CLOCK_BEHIND,
        StepOutcome.CHANGED,
    }
)


def rollout_sensor(
    use_case: UseCase, *, running: bool = False, interval_seconds: int = INTERVAL_SECONDS
) -> dg.SensorDefinition:
    """Advances, holds or aborts the rollout that waits, by its verdict. Off until somebody turns it on, unless all that starts by itself
    is `running`."""
    page = asset_key(use_case, SERVING, ROLLOUT)

    @dg.sensor(
        asset_selection=dg.AssetSelection.assets(page),
        name=f"{use_case.name}__rollout",
        minimum_interval_seconds=interval_seconds,
        default_status=sensor_status(running=running),
        description="Takes a rollout to its next stage, or back, by verdict. Asks for nothing while nothing is rolled out.",
    )
    def rollout(
        context: dg.SensorEvaluationContext,
        models: dg.ResourceParam[ModelStore],
        serving: dg.ResourceParam[ServingHome],
    ) -> dg.SensorResult:
        try:
            step = advance_rollout(use_case, models, serving, f"sensor {context.cursor or 0}")
        except DeploymentError as error:
            context.log.error(f"{use_case.name}: {error}")
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        if step.outcome in _NO_DECISION:
            return dg.SensorResult(skip_reason=f"{step.outcome}: {step.sentence}", cursor=context.cursor)
        context.log.info(f"{use_case.name}: rollout {step.outcome}: {step.sentence}")
        number = int(context.cursor or 0) + 1
        return dg.SensorResult(run_requests=[dg.RunRequest(asset_selection=[page])], cursor=str(number))

    return rollout
