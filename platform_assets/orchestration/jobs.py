"""Jobs: the parts of the graph that are started together.

Belongs here: what Dagster is told about each job. Does not belong here: which tables a job makes (`pipelines/jobs.py`), or when it runs.
"""

from collections.abc import Mapping

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.orchestration.dagster_names import AssetJob
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.partitions import as_of_days, event_days
from platform_assets.pipelines.due import DAILY, OF_AN_AS_OF_DAY
from platform_assets.pipelines.jobs import LOAD, MAINTAIN, REFERENCE, TRAIN, job_tables

Jobs = Mapping[str, AssetJob]
"""The jobs of a use case by their names in `pipelines/jobs.py`; one that it does not need is absent."""


MAX_RUNTIME_TAG = "dagster/max_runtime"
HOUR_SECONDS = 3600
LONG_JOBS = frozenset({LOAD, TRAIN, REFERENCE, MAINTAIN})
"""Jobs that may take as long as `run_monitoring.max_runtime_seconds` of dagster.yaml allows; every other one has an hour."""


def job_name(use_case: UseCase, job: str) -> str:
    """Name of a job in Dagster."""
    return f"{use_case.name}__{job}"


def build_jobs(use_case: UseCase) -> Jobs:
    """The jobs of a use case."""
    days, tables = event_days(use_case), job_tables(use_case)
    partitions = {job: as_of_days(use_case) if job in OF_AN_AS_OF_DAY else days for job in DAILY if job in tables}
    return {
        job: dg.define_asset_job(
            job_name(use_case, job),
            selection=[asset_key(use_case, layer, table) for layer, table in made],
            partitions_def=partitions.get(job),
            tags={} if job in LONG_JOBS else {MAX_RUNTIME_TAG: str(HOUR_SECONDS)},
        )
        for job, made in tables.items()
    }
