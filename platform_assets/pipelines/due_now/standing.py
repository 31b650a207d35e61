"""What is there at a moment: published days, computed days, and days that count as absent.

Belongs here: questions about what was materialized that several jobs ask. Does not belong here: what follows from the answers
(`candidates.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from platform_assets.declaration import Source, UseCase
from platform_assets.declaration.days import DayRange, consecutive_ranges
from platform_assets.lake.layout import CLEAN, FEATURES
from platform_assets.pipelines.due import (
    OF_AN_AS_OF_DAY,
    as_of_days_declared,
    event_days_declared,
    evidence_table,
    known_as_of,
    newest_day,
)
from platform_assets.pipelines.due_now.answer import Remembered
from platform_assets.pipelines.due_now.reach import Reach
from platform_assets.pipelines.due_now.times import as_of_day, due_moment
from platform_assets.pipelines.jobs import LABELS, LOAD, TableName


@dataclass(frozen=True)
class Standing:
    """A use case as it stands at a moment.

    Attributes:
        use_case: the declaration.
        remembered: what was materialized and run.
        moment: the clock's time.
    """

    use_case: UseCase
    remembered: Remembered
    moment: datetime

    @cached_property
    def found(self) -> dict[str, Any]:
        """What was found out before; several jobs ask the same."""
        return {}

    def days_of(self, table: TableName) -> Mapping[date, int]:
        """Days of a table that were materialized, each with its number."""
        return {day: at for day, at in self.remembered.materialized.get(table, {}).items() if day is not None}

    def done(self, job: str) -> Mapping[date, int]:
        """Days of a job that were done."""
        return self._days[evidence_table(self.use_case, job)]

    @cached_property
    def _days(self) -> "_Days":
        return _Days(self)

    @property
    def computed(self) -> Mapping[date, int]:
        """Days whose features were computed."""
        return self._days[FEATURES, self.use_case.features[-1].table]

    def published(self, source: str) -> Mapping[date, int]:
        """Days of a source that were published."""
        return self._days[CLEAN, source]

    @cached_property
    def handed_over_from(self) -> date | None:
        """The first day that was loaded: everything since is wanted. None where nothing was."""
        return min(self.computed, default=None)

    def newest(self, job: str) -> date:
        """The newest day that a job can do now, within the declared history."""
        day = newest_day(self.use_case, job, as_of_day(self.use_case, job, self.moment))
        _, last = as_of_days_declared(self.use_case) if job in OF_AN_AS_OF_DAY else event_days_declared(self.use_case)
        return min(day, last or day)

    def since(self, job: str, first: date) -> list[date]:
        """Days from one on to the newest that a job can do."""
        return DayRange(first, self.newest(job)).days

    def loads(self, source: Source) -> str:
        """The job that loads a source."""
        return LABELS if source.arrival_delay_days > 0 else LOAD

    def absent(self, source: Source) -> Sequence[date]:
        """Days of a source that should be there and are not."""
        if source.is_incremental and self.published(source.name):
            return []
        first = self.handed_over_from or self.use_case.history.first_day
        first = min(first, min(self.published(source.name), default=first))
        return [day for day in self.since(self.loads(source), first) if day not in self.published(source.name)]

    def left_out(self, source: Source) -> list[date]:
        """Absent days of a source that nothing waits for any longer, by its rule `late`."""
        if source.late.then != "go_on" or source.is_incremental or not source.is_daily:
            return []
        name = f"left out of {source.name}"
        if name not in self.found:
            self.found[name] = [day for day in self.absent(source) if self.is_over_its_wait(source, day)]
        days: list[date] = self.found[name]
        return days

    def is_over_its_wait(self, source: Source, day: date) -> bool:
        """Whether a day of a source was due so long ago that its rule's wait has ended."""
        job = self.loads(source)
        known = known_as_of(self.use_case, job, day) + timedelta(days=source.late.wait_days)
        return self.moment >= due_moment(self.use_case, job, known)

    def lacking(self, reach: Reach, day: date, coming: Iterable[date] = ()) -> list[date]:
        """Days that a day is made from and that were not published.

        Args:
            reach: which days of which source.
            day: the day that is made.
            coming: days that count as published, for they are before it is made.
        """
        source = self.use_case.source(reach.source)
        there = self.published(reach.source)
        if reach.first is None or not source.is_daily or source.is_incremental:
            known = self.remembered.materialized.get((CLEAN, source.name))
            return [] if known else [day]
        declared_first, declared_last = event_days_declared(self.use_case)
        first = max(day + timedelta(days=reach.first), declared_first)
        last = day + timedelta(days=reach.last)
        if last < first:
            return []
        taken = {*coming, *self.left_out(source)}
        wanted = DayRange(first, min(last, declared_last or last)).days
        return [each for each in wanted if each not in there and each not in taken]

    def made_from(self, reaches: Iterable[Reach], day: date) -> int:
        """The number of the newest materialization that a day is made from; reference tables do not count."""
        newest = 0
        for reach in reaches:
            if reach.first is None:
                continue
            there = self.published(reach.source)
            days = DayRange(day + timedelta(days=reach.first), day + timedelta(days=reach.last)).days
            newest = max(newest, *(there.get(each, 0) for each in days), 0)
        return newest


class _Days(dict[TableName, dict[date, int]]):
    """Days of tables, each looked up once."""

    def __init__(self, seen: Standing) -> None:
        super().__init__()
        self._seen = seen

    def __missing__(self, table: TableName) -> dict[date, int]:
        self[table] = dict(self._seen.days_of(table))
        return self[table]


def listed(days: Iterable[date]) -> str:
    """Days in a few words."""
    ranges = consecutive_ranges(days)
    return ", ".join(str(one) for one in ranges[:3]) + (f" and {len(ranges) - 3} more" if len(ranges) > 3 else "")
