"""The sensor that closes the loop: drift or lost quality becomes a run request for a new model.

Belongs here: reading the stored verdicts and asking once. Does not belong here: the decision
(`monitoring/verdict.py`), or the verdicts themselves (`assets/monitoring.py`).
"""

import json
from collections import defaultdict
from datetime import date, timedelta

import dagster as dg
import polars as pl

from platform_assets.assets.monitoring import VERDICT_SCHEMA
from platform_assets.assets.partitions import as_of_days
from platform_assets.automation.jobs import Jobs
from platform_assets.lake.layout import MONITORING
from platform_assets.monitoring.verdict import RequestedRetrain, WindowVerdict, retrain_verdict
from platform_assets.resources.lake import LakeResource
from platform_assets.spec import EVENT_DAY, UseCase
from platform_assets.spec.tables import DRIFT, QUALITY

CAUSE_TAG = "platform_assets/retrain_cause"


def window_history(use_case: UseCase, lake: LakeResource) -> list[WindowVerdict]:
    """All stored verdicts, drift and quality joined by the day they were known as of."""
    known_after = {DRIFT: 1, QUALITY: max(1, use_case.label_delay_days)}
    causes: dict[date, list[str]] = defaultdict(list)
    for name, days in known_after.items():
        table = lake.table(use_case.name, MONITORING, name, VERDICT_SCHEMA)
        if not table.exists():
            continue
        for row in table.read(columns=[EVENT_DAY, "causes"]).sort(pl.col(EVENT_DAY)).iter_rows(named=True):
            causes[row[EVENT_DAY] + timedelta(days=days)].extend(row["causes"])
    return [WindowVerdict(day, violated=bool(found), causes=tuple(found)) for day, found in sorted(causes.items())]


def retrain_sensor(use_case: UseCase, jobs: Jobs) -> dg.SensorDefinition:
    """Requests the training job when `monitoring.retrain` says so: once for each cause, with a cooldown."""

    @dg.sensor(
        job=jobs.train,
        name=f"{use_case.name}__retrain",
        minimum_interval_seconds=60,
        description="Asks for a new model when drift or lost quality persists.",
    )
    def retrain(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult:
        requested = [
            RequestedRetrain(item["cause"], date.fromisoformat(item["day"]))
            for item in json.loads(context.cursor or "[]")
        ]
        history = window_history(use_case, lake)
        verdict = retrain_verdict(history, use_case.monitoring.retrain, requested)
        if not verdict.retrain:
            return dg.SensorResult(skip_reason=verdict.reason, cursor=context.cursor)
        as_of = history[-1].day
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
