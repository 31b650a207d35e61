"""The requests for a new model that were made, read from the runs that they led to.

Belongs here: how a run says what asked for it, and what became of it. Does not belong here: whether to ask (`pipelines/retrain.py`), or
asking (`sensors.py`).

A run is the memory: a sensor whose cursor is lost, or that is turned off and on again, asks for nothing twice.
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.monitoring.retrain_verdict import RequestedRetrain
from platform_assets.orchestration.jobs import job_name
from platform_assets.pipelines.jobs import TRAIN

CAUSE_TAG = "platform_assets/retrain_cause"
PARTITION_TAG = "dagster/partition"
ATTEMPT_TAG = "platform_assets/attempt"
TAG_CHARACTERS = 256
REMEMBERED_RUNS = 500
_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def cause_tag(cause: str) -> str:
    """A cause as it stands on a run."""
    return cause[:TAG_CHARACTERS]


def read_requests(instance: dg.DagsterInstance, use_case: UseCase) -> list[RequestedRetrain]:
    """The requests that were made, oldest first; of each day the newest run tells what became of it.

    A run that is executed again counts instead of the one before. One that waits or works has not failed. A person's or a schedule's run
    of the same day counts like the one that was asked for: it makes the same model.
    """
    newest: dict[str, dg.DagsterRun] = {}
    causes: dict[str, str] = {}
    for run in _trainings(instance, use_case):
        day = run.tags.get(PARTITION_TAG)
        if day is None:
            continue
        newest.setdefault(day, run)
        if CAUSE_TAG in run.tags:
            causes.setdefault(day, run.tags[CAUSE_TAG])
    return [
        RequestedRetrain(causes[day], date.fromisoformat(day), failed=newest[day].status in _FAILED)
        for day in sorted(causes)
    ]


def is_trained(instance: dg.DagsterInstance, use_case: UseCase, day: date) -> bool:
    """Whether a training as of a day waits, works, or has ended in any way: nothing asks for the same day again."""
    filters = dg.RunsFilter(job_name=job_name(use_case, TRAIN), tags={PARTITION_TAG: day.isoformat()})
    return bool(instance.get_runs(filters=filters, limit=1))


def _trainings(instance: dg.DagsterInstance, use_case: UseCase) -> Iterator[dg.DagsterRun]:
    """The newest runs of the training job, newest first."""
    yield from instance.get_runs(filters=dg.RunsFilter(job_name=job_name(use_case, TRAIN)), limit=REMEMBERED_RUNS)
