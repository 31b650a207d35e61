"""Feeds without the automation: take in what is new and compute again what that made stale, in this process.

Belongs here: which days are stale, and in what order to mend them. Does not belong here: how a job is run (the caller says), or
the automation that does the same by itself (`orchestration/conditions.py`).
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.lake.layout import CLEAN, RAW
from platform_assets.orchestration.jobs import Jobs
from platform_assets.orchestration.metadata import asset_key
from platform_assets.orchestration.partitions import event_days

Execute = Callable[[UnresolvedAssetJobDefinition, DayRange | None], None]
"""Runs a job, on a range of days or, without one, as it is. Raises when it fails."""


def stale_days(use_case: UseCase, instance: dg.DagsterInstance, source: Source) -> list[date]:
    """Days of an incremental source whose raw partition was touched after it was last cleaned, in order."""

    def told(layer: str) -> dict[str, int]:
        key = asset_key(use_case, layer, source.name)
        found = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        return dict(found)

    cleaned = told(CLEAN)
    return sorted(date.fromisoformat(day) for day, at in told(RAW).items() if at > cleaned.get(day, -1))


def days_to_compute(use_case: UseCase, touched: Iterable[date]) -> list[DayRange]:
    """Ranges of days that have to be computed again: the touched ones, and later ones whose features look back at them.

    Days that nobody has computed yet, because they are not over, are left out.
    """
    span = max((view.span_days for view in use_case.features), default=0)
    partitions = event_days(use_case)
    days = sorted({day + timedelta(days=ahead) for day in touched for ahead in range(span + 1)})
    ranges: list[DayRange] = []
    for day in days:
        if not partitions.has_partition_key(day.isoformat()):
            continue
        if ranges and day - ranges[-1].last == timedelta(days=1):
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges


def feed_and_compute(
    use_case: UseCase, jobs: Jobs, instance: dg.DagsterInstance, execute: Execute, until: date | None = None
) -> list[DayRange]:
    """Take in what is new in every incremental source, then load the days that this made stale.

    Args:
        use_case: The declaration.
        jobs: Its jobs.
        instance: Knows what was materialized when.
        execute: Runs a job.
        until: Last day to compute; default: the last day that is over.

    Returns:
        The ranges of days that were computed; empty when nothing was new, or nothing is incremental.
    """
    if jobs.feed is None:
        return []
    execute(jobs.feed, None)
    computed: list[DayRange] = []
    incremental = [source for source in use_case.sources if source.is_incremental]
    for job, is_late in ((jobs.labels, True), (jobs.load, False)):
        of_job = [source for source in incremental if (source.arrival_delay_days > 0) == is_late]
        touched = {day for source in of_job for day in stale_days(use_case, instance, source)}
        if job is None:
            continue
        ranges = _runs(touched) if is_late else days_to_compute(use_case, touched)
        for days in ranges:
            if until is not None and days.first > until:
                continue
            days = DayRange(days.first, min(days.last, until or days.last))
            execute(job, days)
            computed.append(days)
    return computed


def _runs(days: Iterable[date]) -> list[DayRange]:
    ranges: list[DayRange] = []
    for day in sorted(days):
        if ranges and day - ranges[-1].last == timedelta(days=1):
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges
