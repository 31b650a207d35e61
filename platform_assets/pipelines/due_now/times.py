"""The time of day at which each job is due.

Belongs here: times, and the day as of which a moment asks. Does not belong here: which event days that day has (`pipelines/due.py`).
"""

from datetime import date, datetime, timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import ONE_DAY
from platform_assets.declaration.time_zones import day_of, day_start
from platform_assets.pipelines.jobs import (
    DECIDE,
    JUDGE,
    LABELS,
    LOAD,
    LOG,
    MAINTAIN,
    ONLINE,
    PREDICT,
    REFERENCE,
    TRAIN,
    WATCH,
)


def _at(hour: int, minute: int) -> timedelta:
    return timedelta(hours=hour, minutes=minute)


DUE_AT = {
    REFERENCE: _at(0, 2),
    LABELS: _at(0, 5),
    LOAD: _at(0, 15),
    LOG: _at(0, 20),
    ONLINE: _at(0, 25),
    WATCH: _at(0, 40),
    PREDICT: _at(0, 45),
    JUDGE: _at(1, 0),
    DECIDE: _at(1, 10),
    TRAIN: _at(1, 30),
    MAINTAIN: _at(3, 30),
}
"""How long after midnight, in the zone of the use case, each job is due. Jobs that are caught up do not wait for it."""

FEED_EVERY = timedelta(minutes=5)
"""How often incremental sources are asked what is new."""

SUNDAY = 6


def as_of_day(use_case: UseCase, job: str, moment: datetime) -> date:
    """The newest day as of which a job is due at a moment."""
    return day_of(moment - DUE_AT[job], use_case.time_zone)


def due_moment(use_case: UseCase, job: str, day: date) -> datetime:
    """When a job is due as of a day, in UTC."""
    return day_start(day, use_case.time_zone) + DUE_AT[job]


def next_moment(use_case: UseCase, moment: datetime) -> datetime:
    """The next time at which some job becomes due."""
    today = day_of(moment, use_case.time_zone)
    times = [due_moment(use_case, job, day) for job in DUE_AT for day in (today, today + ONE_DAY)]
    return min(time for time in times if time > moment)


def upkeep_day(use_case: UseCase, moment: datetime) -> date:
    """The newest Sunday as of which maintenance is due."""
    day = as_of_day(use_case, MAINTAIN, moment)
    return day - timedelta(days=(day.weekday() - SUNDAY) % 7)


def feed_slot(moment: datetime) -> datetime:
    """The newest moment at which incremental sources are asked."""
    seconds = FEED_EVERY.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, tz=moment.tzinfo)
