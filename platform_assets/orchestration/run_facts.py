"""What Dagster's daemon is doing for a use case, in plain values.

Belongs here: runs, and when each sensor last looked. Does not belong here: what follows from them, or Dagster's types.
"""

from dataclasses import dataclass
from datetime import date

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus, SensorInstigatorData
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from platform_assets.declaration import UseCase
from platform_assets.orchestration.due_runs import RANGE_END, RANGE_START
from platform_assets.orchestration.sensors import CAUSE_TAG, PARTITION_TAG


@dataclass(frozen=True)
class RunFacts:
    """A run.

    Attributes:
        run_id: its id.
        job: name of the job without that of the use case; empty for a run of single assets.
        first, last: its days; None where it has none.
        status: in Dagster's word.
        cause: why monitoring asked for it; empty where something else did.
        began, ended: seconds since 1970; None while it has not.
    """

    run_id: str
    job: str
    first: date | None
    last: date | None
    status: str
    cause: str
    began: float | None
    ended: float | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.ended is not None or self.status in ("SUCCESS", "FAILURE", "CANCELED")


def runs_of(instance: dg.DagsterInstance, use_case: UseCase, limit: int = 200) -> list[RunFacts]:
    """The newest runs of a use case, the newest first.

    Args:
        instance: remembers them.
        use_case: whose.
        limit: at most so many of all runs are looked at.
    """
    prefix, found = f"{use_case.name}__", []
    for record in instance.get_run_records(limit=limit):
        run = record.dagster_run
        assets = run.asset_selection or frozenset()
        if not run.job_name.startswith(prefix) and not any(key.path[0] == use_case.name for key in assets):
            continue
        tags = run.tags
        first = tags.get(RANGE_START) or tags.get(PARTITION_TAG)
        last = tags.get(RANGE_END) or tags.get(PARTITION_TAG)
        found.append(
            RunFacts(
                run.run_id,
                run.job_name.removeprefix(prefix) if run.job_name.startswith(prefix) else "",
                date.fromisoformat(first) if first else None,
                date.fromisoformat(last) if last else None,
                run.status.value,
                tags.get(CAUSE_TAG, ""),
                record.start_time,
                record.end_time,
            )
        )
    return found


def runs_in_flight(instance: dg.DagsterInstance) -> int:
    """Runs of all use cases that are queued, started or about to end."""
    return instance.get_runs_count(dg.RunsFilter(statuses=list(NOT_FINISHED_STATUSES)))


def last_looks(instance: dg.DagsterInstance, use_case: UseCase) -> dict[str, float]:
    """When each sensor of a use case that is on began its newest completed look, in seconds since 1970; 0 for one that never looked."""
    looks = {}
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        data = state.instigator_data
        if state.instigator_name.startswith(f"{use_case.name}__") and state.status != InstigatorStatus.STOPPED:
            looked = data.last_tick_timestamp if isinstance(data, SensorInstigatorData) else None
            looks[state.instigator_name] = looked or 0.0
    return looks
