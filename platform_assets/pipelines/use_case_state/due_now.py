"""What is due now, and what of it is late.

Belongs here: the pure function's answer with the clock's time of day. Does not belong here: what is due (`pipelines/due.py`).
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from platform_assets.declaration import UseCase
from platform_assets.declaration.time_zones import day_of, day_start
from platform_assets.monitoring.use_case_page.state import DueState
from platform_assets.pipelines.due import Materialized, due

LATE_AFTER_HOURS = 3.0
"""After the start of the day: the last of the daily jobs begins at half past three, most within the first hour."""


def due_now(
    use_case: UseCase, materialized: Materialized, now: datetime, in_progress: Collection[str] = ()
) -> tuple[tuple[DueState, ...], datetime | None]:
    """Jobs that are due, and when the next day's fall due.

    Args:
        use_case: the declaration.
        materialized: what was materialized.
        now: what time it is for the use case.
        in_progress: jobs of which a run is queued or under way: those are not late.

    Returns:
        The jobs in the order in which data flows; and the next moment at which daily jobs fall due, None once the history is over.
    """
    day = day_of(now, use_case.time_zone)
    begins = day_start(day, use_case.time_zone).replace(tzinfo=UTC)
    late_since = begins + timedelta(hours=LATE_AFTER_HOURS)
    found = tuple(
        DueState(
            job=one.job,
            days="" if one.days is None else _days(one.days.first.isoformat(), one.days.last.isoformat()),
            late=now >= late_since and one.job not in in_progress,
            late_since=late_since,
        )
        for one in due(use_case, materialized, day)
    )
    last = use_case.history.last_day
    over = last is not None and day > last + timedelta(days=use_case.label_delay_days + 1)
    tomorrow = day_start(day + timedelta(days=1), use_case.time_zone).replace(tzinfo=UTC)
    return found, None if over else tomorrow


def _days(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"
