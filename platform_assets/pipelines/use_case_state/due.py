"""What is due now, and what of it is late.

Belongs here: the answer of `pipelines/due_now/` as parts of a state. Does not belong here: what is due, or starting it.
"""

from datetime import datetime, timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.days import DayRange
from platform_assets.declaration.time_zones import day_of
from platform_assets.monitoring.use_case_page.state_of_operations import DueState
from platform_assets.pipelines.due_now.answer import DueAnswer
from platform_assets.pipelines.due_now.times import as_of_day, due_moment
from platform_assets.pipelines.jobs import FEED

LATE_AFTER = timedelta(minutes=10)
"""What is due is asked for within half a minute."""
SIMULATED_LATE_AFTER = timedelta(days=1)
"""Where a day lasts seconds, hours of its clock go by between two looks."""


def due_states(use_case: UseCase, answer: DueAnswer, now: datetime, *, simulated: bool = False) -> tuple[DueState, ...]:
    """What is due: what could start now and has not, then what waits.

    Args:
        use_case: the declaration.
        answer: what is due at that time; sources that are polled are left out, for nobody knows whether they have anything.
        now: what time it is for the use case.
        simulated: whether that is a simulated clock's time.
    """
    grace = SIMULATED_LATE_AFTER if simulated else LATE_AFTER
    found = []
    for request in answer.requests:
        job = request.due.job
        if job == FEED:
            continue
        since = due_moment(use_case, job, as_of_day(use_case, job, now))
        late = now - since > grace
        found.append(DueState(job=job, days=_days(request.about), late=late, late_since=since if late else None))
    return (
        *found,
        *(
            DueState(job=one.job, days=_days(one.days), late=False, waits_for=one.reason, is_stuck=one.is_stuck)
            for one in answer.waiting
        ),
    )


def next_due(use_case: UseCase, answer: DueAnswer, now: datetime) -> datetime | None:
    """When something becomes due next; None once the declared history is over and its labels are there."""
    last = use_case.history.last_day
    over = last is not None and day_of(now, use_case.time_zone) > last + timedelta(days=use_case.label_delay_days + 1)
    return None if over else answer.wake_at


def _days(days: DayRange) -> str:
    return days.first.isoformat() if days.first == days.last else f"{days.first} to {days.last}"
