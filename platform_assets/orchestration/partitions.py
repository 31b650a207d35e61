"""Partitions: event days for data, as-of days for models.

Belongs here: partition definitions, mappings between them, and reading a context's range. Does not belong here:
when partitions are materialized (`orchestration/`).
"""

from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from platform_assets.declaration import UseCase
from platform_assets.training.folds import DayOffsets, days_needed


@dataclass(frozen=True)
class DayRange:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Every day of the range."""
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]

    def __str__(self) -> str:
        """The range in words."""
        return str(self.first) if self.first == self.last else f"{self.first} .. {self.last}"


def training_offsets(use_case: UseCase) -> DayOffsets:
    """First and last event day that training as of a day needs, as offsets from that day."""
    splits = use_case.training.splits
    return days_needed(
        label_delay_days=use_case.label_delay_days,
        train_days=splits.train_days,
        delay_days=splits.delay_days,
        test_days=splits.test_days,
        folds=splits.folds,
        final_test_days=splits.final_test_days,
    )


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
