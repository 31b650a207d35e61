"""The sensor that closes the loop: drift or lost quality becomes a run request for a new model.

Belongs here: remembering what was requested. Does not belong here: the decision (`pipelines/retrain.py`), or the verdicts it is made from
(`orchestration/assets/monitoring.py`).
"""

import json
from datetime import date

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.retrain_verdict import RequestedRetrain
from platform_assets.orchestration.jobs import Jobs
from platform_assets.pipelines.jobs import TRAIN
from platform_assets.pipelines.retrain import decide_retrain

CAUSE_TAG = "platform_assets/retrain_cause"


def retrain_sensor(use_case: UseCase, jobs: Jobs) -> dg.SensorDefinition:
    """Requests the training job when `monitoring.retrain` says so: once for each cause, with a cooldown."""

    @dg.sensor(
        job=jobs[TRAIN],
        name=f"{use_case.name}__retrain",
        minimum_interval_seconds=60,
        description="Asks for a new model when drift or lost quality persists.",
    )
    def retrain(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
        requested = [
            RequestedRetrain(item["cause"], date.fromisoformat(item["day"]))
            for item in json.loads(context.cursor or "[]")
        ]
        decision = decide_retrain(Catalog(use_case, lake), requested)
        if decision.as_of is None:
            return dg.SensorResult(skip_reason=decision.reason, cursor=context.cursor)
        requested.append(RequestedRetrain(decision.cause, decision.as_of))
        request = dg.RunRequest(
            run_key=decision.cause,
            partition_key=decision.as_of.isoformat(),
            tags={CAUSE_TAG: decision.cause[:256]},
        )
        cursor = json.dumps([{"cause": item.cause, "day": item.day.isoformat()} for item in requested])
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return retrain
