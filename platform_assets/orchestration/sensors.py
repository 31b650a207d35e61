"""The sensor that closes the loop: the newest retrain decision becomes a run request for a new model.

Belongs here: carrying out what was decided. Does not belong here: the decision (`pipelines/retrain.py`), what was requested before
(`retrain_requests.py`), or the verdicts that decisions are made from (`orchestration/assets/monitoring.py`).
"""

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.lake.catalog import Catalog
from platform_assets.lake.lake import Lake
from platform_assets.orchestration.jobs import Jobs
from platform_assets.orchestration.retrain_requests import ATTEMPT_TAG, CAUSE_TAG, cause_tag, is_trained
from platform_assets.pipelines.jobs import TRAIN
from platform_assets.pipelines.retrain import newest_decision

INTERVAL_SECONDS = 30


def sensor_status(*, running: bool) -> dg.DefaultSensorStatus:
    """What a sensor does before somebody turns it on or off."""
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED


def retrain_sensor(
    use_case: UseCase, jobs: Jobs, *, running: bool = False, interval_seconds: int = INTERVAL_SECONDS
) -> dg.SensorDefinition:
    """Requests the training job when the newest decision says so, once for each day.

    What asks again after a failure, and when nobody asks any more, is decided as well (`monitoring.retrain.max_attempts`).
    """

    @dg.sensor(
        job=jobs[TRAIN],
        name=f"{use_case.name}__retrain",
        minimum_interval_seconds=interval_seconds,
        default_status=sensor_status(running=running),
        description="Asks for a new model when the newest retrain decision says so.",
    )
    def retrain(context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]) -> dg.SensorResult:
        decision = newest_decision(Catalog(use_case, lake))
        if decision is None:
            return dg.SensorResult(skip_reason=f"No retrain decision of {use_case.name} was made yet.")
        as_of, said = decision["as_of"], f"As of {decision['as_of']}: {decision['reason']}"
        if decision["verdict"] == "given_up":
            context.log.error(f"{use_case.name}: {said}")
        elif decision["verdict"] == "mend" or decision["failed_requests"]:
            context.log.warning(f"{use_case.name}: {said}")
        if decision["verdict"] != "train":
            return dg.SensorResult(skip_reason=said)
        if is_trained(context.instance, use_case, as_of):
            return dg.SensorResult(skip_reason=f"{said} A training as of {as_of} was already requested.")
        context.log.info(f"{use_case.name}: a model is asked for. {said}")
        request = dg.RunRequest(
            run_key=f"{decision['cause']} as of {as_of}",
            partition_key=as_of.isoformat(),
            tags={CAUSE_TAG: cause_tag(decision["cause"]), ATTEMPT_TAG: str(decision["attempt"])},
        )
        return dg.SensorResult(run_requests=[request])

    return retrain
