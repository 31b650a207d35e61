"""Old logs of runs: removed, so that a machine can run for years, while what was materialized stays known.

Belongs here: which runs' logs go. Does not belong here: how long they stay (`declaration/sections/retention.py`), files
(`event_log.py`), or what the looks of sensors leave (`retention` in dagster.yaml).
"""

from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.orchestration.event_log import KeptConnectionsEventLogStorage

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
PAGE = 500


@dataclass(frozen=True)
class RemovedLogs:
    """What was removed of runs.

    Attributes:
        runs: how many lost their log.
        bytes: what their logs had taken.
    """

    runs: int
    bytes: int


def remove_old_run_logs(
    instance: dg.DagsterInstance, use_case: UseCase, before: datetime, *, dry_run: bool = False
) -> RemovedLogs:
    """Remove event logs and outputs of a use case's runs that ended and were made before a time; the runs themselves stay listed.

    Nothing that is known by asset is touched: materializations, observations and checks of every partition stay, for `due` reads them.

    Args:
        instance: Dagster's.
        use_case: whose runs.
        before: runs made earlier.
        dry_run: remove nothing.
    """
    storage, removed, freed = instance.event_log_storage, 0, 0
    cursor: str | None = None
    filters = dg.RunsFilter(statuses=ENDED, created_before=before)
    while records := instance.get_run_records(filters, limit=PAGE, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        for run in (record.dagster_run for record in records):
            if not _is_of(run, use_case):
                continue
            if isinstance(storage, KeptConnectionsEventLogStorage):
                size = storage.run_log_bytes(run.run_id)
                removed, freed = removed + (size > 0), freed + size
                if not dry_run:
                    storage.remove_run_log(run.run_id)
            if not dry_run:
                instance.compute_log_manager.delete_logs(prefix=[run.run_id])
    return RemovedLogs(removed, freed)


def _is_of(run: dg.DagsterRun, use_case: UseCase) -> bool:
    if run.asset_selection:
        return all(key.path[0] == use_case.name for key in run.asset_selection)
    return run.job_name.startswith(f"{use_case.name}__")
