"""All triggers of a use case.

Belongs here: the list. Does not belong here: any trigger.
"""

from dataclasses import dataclass

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.orchestration.dagster_names import CONDITIONS, AssetJob
from platform_assets.orchestration.degrade_sensor import degrade_sensor
from platform_assets.orchestration.due_sensor import INTERVAL_SECONDS, SIMULATED_INTERVAL_SECONDS, due_sensor
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.rollout_sensor import rollout_sensor
from platform_assets.orchestration.sensors import retrain_sensor, sensor_status


@dataclass(frozen=True)
class Automation:
    """Jobs and sensors of a use case."""

    jobs: list[AssetJob]
    sensors: list[dg.SensorDefinition]


def build_automation(use_case: UseCase, *, running: bool = False, simulated: bool = False) -> Automation:
    """Everything that starts work for the use case without a person.

    One sensor starts what is due. The automation conditions of assets say the same asset by asset; their sensor stays off, for with both
    the same day would be made twice, and whoever prefers it turns it on in Dagster in the other's place.

    Args:
        use_case: the declaration.
        running: whether sensors run from the start; what somebody turned on or off in Dagster stays so.
        simulated: whether the clock is simulated, so that days may last seconds.
    """
    jobs = build_jobs(use_case)
    interval = SIMULATED_INTERVAL_SECONDS if simulated else INTERVAL_SECONDS
    conditions = dg.AutomationConditionSensorDefinition(
        name=f"{use_case.name}__{CONDITIONS}",
        target=dg.AssetSelection.key_prefixes([use_case.name]),
        default_status=sensor_status(running=False),
        description=f"Off: {use_case.name}__due starts what is due. Evaluates the automation conditions of assets instead.",
    )
    return Automation(
        jobs=list(jobs.values()),
        sensors=[
            conditions,
            due_sensor(use_case, jobs, running=running, interval_seconds=interval),
            *(
                [retrain_sensor(use_case, jobs, running=running, interval_seconds=interval)]
                if use_case.is_trained_here
                else []
            ),
            *_degrade(use_case, running, interval),
            *([rollout_sensor(use_case, running=running, interval_seconds=interval)] if use_case.is_realtime else []),
        ],
    )


def _degrade(use_case: UseCase, running: bool, interval: int) -> list[dg.SensorDefinition]:
    """The sensor of what is declared for answers that cannot be trusted; none where nothing is."""
    if not use_case.monitoring.degrade:
        return []
    return [degrade_sensor(use_case, running=running, interval_seconds=interval)]
