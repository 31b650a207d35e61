"""Between Dagster and what is due: its memory as `Materialized`, and a due job as a run.

Belongs here: these two translations. Does not belong here: what is due (`pipelines/due.py`), or running it.
"""

from datetime import date

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.orchestration.metadata import asset_key
from platform_assets.pipelines.due import DueJob, Materialized, tables_to_read

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def read_materialized(use_case: UseCase, instance: dg.DagsterInstance) -> Materialized:
    """What an instance remembers of the tables that `due` looks at: for each day the number of its latest materialization."""
    materialized: dict[tuple[str, str], dict[date | None, int]] = {}
    for layer, table in tables_to_read(use_case):
        key = asset_key(use_case, layer, table)
        days: dict[date | None, int] = {
            date.fromisoformat(day): number
            for day, number in instance.event_log_storage.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION
            ).items()
        }
        if not days and (latest := instance.fetch_materializations(key, limit=1).records):
            days[None] = latest[0].storage_id
        materialized[layer, table] = days
    return materialized


def run_request(due_job: DueJob) -> dg.RunRequest:
    """The run of a due job. Its key is the day, so that a day is run once, however often it is requested."""
    days = due_job.days
    if days is None:
        return dg.RunRequest()
    if days.first == days.last:
        key = days.first.isoformat()
        return dg.RunRequest(run_key=key, partition_key=key)
    return dg.RunRequest(
        run_key=f"{days.first}/{days.last}",
        tags={RANGE_START: days.first.isoformat(), RANGE_END: days.last.isoformat()},
    )
