"""The sensor that closes the loop: drift or lost quality becomes a run request for a new model.

Belongs here: reading the stored verdicts and asking once. Does not belong here: the decision
(`monitoring/retrain_verdict.py`), or the verdicts themselves (`orchestration/assets/monitoring.py`).
"""

import json
from datetime import date, timedelta

import dagster as dg

from platform_assets.declaration import EVENT_DAY, UseCase
from platform_assets.declaration.names import DRIFT, QUALITY
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MONITORING
from platform_assets.lake.schemas import VERDICT_SCHEMA
from platform_assets.monitoring.retrain_verdict import RequestedRetrain, RetrainVerdict, WindowVerdict, retrain_verdict
from platform_assets.orchestration.jobs import Jobs
from platform_assets.orchestration.partitions import as_of_days
from platform_assets.pipelines.jobs import TRAIN

CAUSE_TAG = "platform_assets/retrain_cause"


def window_history(use_case: UseCase, lake: Lake, name: str) -> list[WindowVerdict]:
    """The stored verdicts of drift or of quality, each under the day it was known as of.

    The two are judged apart: quality of a day is known a label delay later than its drift, so that in one sequence the
    newest windows would hold quality only and hide the drift behind them.
    """
    known_after_days = {DRIFT: 1, QUALITY: max(1, use_case.label_delay_days)}[name]
    table = lake.table(use_case.name, MONITORING, name, VERDICT_SCHEMA)
    if not table.exists():
        return []
    rows = table.read(columns=[EVENT_DAY, "causes"]).sort(EVENT_DAY).iter_rows(named=True)
    return [
        WindowVerdict(row[EVENT_DAY] + timedelta(days=known_after_days), bool(row["causes"]), tuple(row["causes"]))
        for row in rows
    ]


def decide(use_case: UseCase, lake: Lake, requested: list[RequestedRetrain]) -> tuple[RetrainVerdict, date | None]:
    """The first of drift and quality that asks for a model, with the day to train as of; else why not."""
    reasons = []
    for name in (QUALITY, DRIFT):
        history = window_history(use_case, lake, name)
        verdict = retrain_verdict(history, use_case.monitoring.retrain, requested)
        if verdict.retrain:
            return verdict, history[-1].day
        reasons.append(f"{name}: {verdict.reason}")
    return RetrainVerdict(False, "", " ".join(reasons)), None


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
        verdict, as_of = decide(use_case, lake, requested)
        if as_of is None:
            return dg.SensorResult(skip_reason=verdict.reason, cursor=context.cursor)
        if not as_of_days(use_case).has_partition_key(as_of.isoformat()):
            return dg.SensorResult(
                skip_reason=f"{verdict.reason} But {as_of} is not a day a model can be trained as of.",
                cursor=context.cursor,
            )
        requested.append(RequestedRetrain(verdict.cause, as_of))
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=verdict.cause, partition_key=as_of.isoformat(), tags={CAUSE_TAG: verdict.cause[:256]}
                )
            ],
            cursor=json.dumps([{"cause": item.cause, "day": item.day.isoformat()} for item in requested]),
        )

    return retrain
