"""Partitions: event days for data, as-of days for models.

Belongs here: partition definitions, mappings between them, and reading a context's range. Does not belong here:
when partitions are materialized (`orchestration/`).
"""

from datetime import date, timedelta

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.training.folds import training_offsets


def event_days(use_case: UseCase) -> dg.DailyPartitionsDefinition:
    """One partition for each event day of the history."""
    last = use_case.history.last_day
    return dg.DailyPartitionsDefinition(
        start_date=use_case.history.first_day.isoformat(),
        end_date=(last + timedelta(days=1)).isoformat() if last else None,
        end_offset=use_case.history.days_ahead,
    )


def as_of_days(use_case: UseCase) -> dg.DailyPartitionsDefinition:
    """One partition for each day a model can be trained as of: from the first with enough history behind it."""
    offsets = training_offsets(use_case)
    last = use_case.history.last_day
    return dg.DailyPartitionsDefinition(
        start_date=(use_case.history.first_day + timedelta(days=-offsets.first)).isoformat(),
        end_date=(last + timedelta(days=use_case.label_delay_days + 2)).isoformat() if last else None,
        end_offset=1,  # as of today needs nothing of today: the day's partition is there when the day begins
    )


def earlier_days(first: int, last: int) -> dg.TimeWindowPartitionMapping:
    """Mapping to the upstream days from `day + first` to `day + last` (offsets, zero or negative)."""
    return dg.TimeWindowPartitionMapping(
        start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
    )


def partition_range(context: dg.AssetExecutionContext) -> DayRange:
    """The days that this execution is about."""
    key_range = context.partition_key_range
    return DayRange(date.fromisoformat(key_range.start), date.fromisoformat(key_range.end))
