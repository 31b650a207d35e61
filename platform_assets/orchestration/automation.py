"""All triggers of a use case.

Belongs here: the list. Does not belong here: any trigger.
"""

from dataclasses import dataclass

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.orchestration.dagster_names import AssetJob
from platform_assets.orchestration.jobs import build_jobs
from platform_assets.orchestration.rollout_sensor import rollout_sensor
from platform_assets.orchestration.schedules import build_schedules
from platform_assets.orchestration.sensors import retrain_sensor, sensor_status


@dataclass(frozen=True)
class Automation:
    """Jobs, schedules and sensors of a use case."""

    jobs: list[AssetJob]
    schedules: list[dg.ScheduleDefinition]
    sensors: list[dg.SensorDefinition]


def build_automation(use_case: UseCase, *, running: bool = False) -> Automation:
    """Everything that starts work for the use case without a person.

    Args:
        use_case: the declaration.
        running: whether schedules and sensors run from the start; what somebody turned on or off in Dagster stays so.
    """
    jobs = build_jobs(use_case)
    automation = dg.AutomationConditionSensorDefinition(
        name=f"{use_case.name}__automation",
        target=dg.AssetSelection.key_prefixes([use_case.name]),
        default_status=sensor_status(running=running),
        description="Evaluates the automation conditions of this use case's assets.",
    )
    return Automation(
        jobs=list(jobs.values()),
        schedules=build_schedules(use_case, jobs, running=running),
        sensors=[
            automation,
            retrain_sensor(use_case, jobs, running=running),
            *([rollout_sensor(use_case, running=running)] if use_case.is_realtime else []),
        ],
    )
