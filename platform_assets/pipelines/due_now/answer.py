"""What is asked and what is answered, in plain values.

Belongs here: runs as the decision sees them, candidates, requests and what waits. Does not belong here: deciding (`decide.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from platform_assets.declaration.days import DayRange
from platform_assets.pipelines.due import DueJob, Materialized

Outcome = Literal["under_way", "failed", "succeeded"]


@dataclass(frozen=True)
class StartedRun:
    """A run of a job, whoever asked for it.

    Attributes:
        job: its name, one of `jobs.JOBS`.
        days: the days it is about; None where it has none, or they are not known.
        part: the part of the job that it runs; empty for the whole.
        cause: the number of the newest input that it was asked for.
        asked_at: the clock's time when the automation asked for it; None for a run of somebody else.
        outcome: how it stands. One that somebody ended, or whose process is gone, has failed.
    """

    job: str
    days: DayRange | None
    part: str = ""
    cause: int = 0
    asked_at: datetime | None = None
    outcome: Outcome = "under_way"

    def is_about(self, job: str, part: str, day: date) -> bool:
        """Whether it did this part of this job for this day."""
        return (
            self.job == job and self.part == part and self.days is not None and self.days.first <= day <= self.days.last
        )


@dataclass(frozen=True)
class Remembered:
    """What an installation remembers of a use case.

    Attributes:
        materialized: what was materialized so far.
        runs: runs that are under way, and the newest that ended.
        refused_models: as-of days of models whose gates are not all green.
        parity_is_red: whether the newest verdict on parity forbids promotions.
    """

    materialized: Materialized
    runs: Sequence[StartedRun] = ()
    refused_models: frozenset[date] = frozenset()
    parity_is_red: bool = False


@dataclass(frozen=True)
class DueDay:
    """A day of a job that is due.

    Attributes:
        job: the job.
        day: the day it is about; of a job without partitions the day as of which it is due.
        part: the part of it; empty for the whole.
        cause: the number of the newest input that makes it due.
        waits_for: what it waits for; empty where it can start.
    """

    job: str
    day: date
    part: str = ""
    cause: int = 0
    waits_for: str = ""


@dataclass(frozen=True)
class Request:
    """A run to start now.

    Attributes:
        due: what it does.
        about: the days, for jobs without partitions the day as of which they are due.
        attempt: 1 for the first.
        cause: the number of the newest input that makes it due.
        asked_at: the clock's time.
        without: days of sources that count as absent, by the rule of `late`.
    """

    due: DueJob
    about: DayRange
    attempt: int
    cause: int
    asked_at: datetime
    without: Mapping[str, Sequence[date]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for whoever asks for the same, and for the next attempt another.

        The clock's day is part of it: runs are forgotten some day, and with them the number of attempts.
        """
        part = f" {self.due.part}" if self.due.part else ""
        return (
            f"{self.due.job}{part} {self.about} since {self.cause} attempt {self.attempt} on {self.asked_at:%Y-%m-%d}"
        )


@dataclass(frozen=True)
class Waiting:
    """Something due that does not start now.

    Attributes:
        job: the job.
        days: the days.
        reason: why not, in a few words.
        until: the clock's time at which the reason ends by itself; None where something else has to happen.
        is_stuck: whether a person should look: it failed as often as it may today.
    """

    job: str
    days: DayRange
    reason: str
    until: datetime | None = None
    is_stuck: bool = False

    def __str__(self) -> str:
        """In words."""
        return f"{self.job} {self.days}: {self.reason}"


@dataclass(frozen=True)
class DueAnswer:
    """What is due now.

    Attributes:
        requests: runs to start now, in the order in which data flows.
        waiting: what is due and waits.
        notes: what else people should know, such as that nothing was loaded yet.
        wake_at: the next time of the clock at which something changes though nothing happens.
    """

    requests: Sequence[Request] = ()
    waiting: Sequence[Waiting] = ()
    notes: Sequence[str] = ()
    wake_at: datetime | None = None
