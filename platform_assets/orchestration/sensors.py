"""The sensor that closes the loop: drift or lost quality becomes a run request for a new model.

Belongs here: remembering what was requested. Does not belong here: the decision (`pipelines/retrain.py`), or the verdicts it is made from
(`orchestration/assets/monitoring.py`).
"""

import json
from dataclasses import replace
from datetime import date

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.monitoring.retrain_verdict import RequestedRetrain
from platform_assets.orchestration.jobs import Jobs, job_name
from platform_assets.pipelines.jobs import TRAIN
from platform_assets.pipelines.retrain import decide_retrain

CAUSE_TAG = "platform_assets/retrain_cause"
PARTITION_TAG = "dagster/partition"


def sensor_status(*, running: bool) -> dg.DefaultSensorStatus:
    """What a sensor does before somebody turns it on or off."""
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


def retrain_sensor(use_case: UseCase, jobs: Jobs, *, running: bool = False) -> dg.SensorDefinition:
    """Requests the training job when `monitoring.retrain` says so: once for each cause, with a cooldown."""

    @dg.sensor(
        job=jobs[TRAIN],
        name=f"{use_case.name}__retrain",
        minimum_interval_seconds=60,
        default_status=sensor_status(running=running),
        description="Asks for a new model when drift or lost quality persists.",
    )
    def retrain(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
        asked = [
            RequestedRetrain(item["cause"], date.fromisoformat(item["day"]))
            for item in json.loads(context.cursor or "[]")
        ]
        requested = [replace(one, failed=_has_failed(context, use_case, one)) for one in asked]
        decision = decide_retrain(Catalog(use_case, lake), requested)
        if requested and requested[-1].failed:
            context.log.warning(f"{use_case.name}: {decision.reason}")
        if decision.as_of is None:
            return dg.SensorResult(skip_reason=decision.reason, cursor=context.cursor)
        again = any(one.cause == decision.cause for one in asked)
        request = dg.RunRequest(
            # Dagster starts no second run under a key that it has seen, be the first one failed.
            run_key=f"{decision.cause} again as of {decision.as_of}" if again else decision.cause,
            partition_key=decision.as_of.isoformat(),
            tags={CAUSE_TAG: decision.cause[:256]},
        )
        asked.append(RequestedRetrain(decision.cause, decision.as_of))
        cursor = json.dumps([{"cause": item.cause, "day": item.day.isoformat()} for item in asked])
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return retrain


def _has_failed(context: dg.SensorEvaluationContext, use_case: UseCase, request: RequestedRetrain) -> bool:
    """Whether the newest run for a request ended without a model: it failed, or somebody ended it.

    A run that is executed again counts instead of the one before; one that is no longer remembered, or a sensor that is tried without an
    instance, has failed nothing.
    """
    try:
        instance = context.instance
    except dg.DagsterInvariantViolationError:
        return False
    filters = dg.RunsFilter(
        job_name=job_name(use_case, TRAIN),
        tags={CAUSE_TAG: request.cause[:256], PARTITION_TAG: request.day.isoformat()},
    )
    records = instance.get_run_records(filters=filters, limit=1)
    return bool(records) and records[0].dagster_run.status in (
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    )
