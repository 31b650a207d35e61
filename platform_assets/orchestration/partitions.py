"""Partitions: event days for data, as-of days for models.

Belongs here: partition definitions, mappings between them, and reading a context's range. Does not belong here:
when partitions are materialized (`orchestration/`).
"""

from datetime import date, timedelta

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.due import as_of_days_declared, event_days_declared


def event_days(use_case: UseCase) -> dg.DailyPartitionsDefinition:
    """One partition for each event day of the history."""
    return _daily(event_days_declared(use_case), use_case.history.days_ahead, use_case.time_zone)


def as_of_days(use_case: UseCase) -> dg.DailyPartitionsDefinition:
    """One partition for each day a model can be trained as of; that of today is there when the day begins."""
    return _daily(as_of_days_declared(use_case), 1, use_case.time_zone)


def _daily(declared: tuple[date, date | None], end_offset: int, zone: str) -> dg.DailyPartitionsDefinition:
    first, last = declared
    end = (last + timedelta(days=1)).isoformat() if last else None
    start = first.isoformat()
    return dg.DailyPartitionsDefinition(start_date=start, end_date=end, end_offset=end_offset, timezone=zone)


def earlier_days(first: int, last: int) -> dg.TimeWindowPartitionMapping:
    """Mapping to the upstream days from `day + first` to `day + last` (offsets, zero or negative)."""
    return dg.TimeWindowPartitionMapping(
        start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
    )


def partition_range(context: dg.AssetExecutionContext) -> DayRange:
    """The days that this execution is about."""
    key_range = context.partition_key_range
    return DayRange(date.fromisoformat(key_range.start), date.fromisoformat(key_range.end))
