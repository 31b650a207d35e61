"""Runs that were asked for twice: two daemons on one storage look at the same moment, and each asks.

Dagster looks for a run with a request's key before it makes one, and nothing keeps another daemon from doing so in between; a run that is
to be tried again is tried again by both. Belongs here: which run came first. Does not belong here: starting runs (`launcher.py`), or
telling that there are two daemons (`monitoring/telemetry/runs.py`).
"""

from datetime import timedelta
from typing import Final

import dagster as dg
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, RUN_KEY_TAG, SENSOR_NAME_TAG

AT_ONCE: Final = timedelta(minutes=2)
"""Runs that were asked for so soon after one another were asked for at once: a person who wants one again takes longer."""
_NO_ANSWER = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.CANCELING}


def earlier_twin(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The run that was asked for with the same key just before this one and may still do the work; None where there is none.

    Args:
        instance: of the run.
        run: that is about to start. One that no sensor asked for has no twin.
    """
    key, sensor = run.tags.get(RUN_KEY_TAG), run.tags.get(SENSOR_NAME_TAG)
    if key is None or sensor is None:
        return None
    same = dg.RunsFilter(job_name=run.job_name, tags={RUN_KEY_TAG: key, SENSOR_NAME_TAG: sensor})
    records = instance.get_run_records(same)
    own = next((record for record in records if record.dagster_run.run_id == run.run_id), None)
    if own is None:
        return None
    earlier = [
        record
        for record in records
        if record.storage_id < own.storage_id
        and record.dagster_run.tags.get(PARENT_RUN_ID_TAG) == run.tags.get(PARENT_RUN_ID_TAG)
        and record.dagster_run.status not in _NO_ANSWER
        and own.create_timestamp - record.create_timestamp < AT_ONCE
    ]
    return min(earlier, key=lambda record: record.storage_id).dagster_run.run_id if earlier else None
