"""How far ahead of this machine's clock an event may claim to be.

Belongs here: the one limit, for requests, recorded events and streams alike. Does not belong here: what happens to an event beyond it
(`serving/event_times.py`, `online/request_features.py`, `streaming/writer.py`). Imports nothing: a service's settings stand on it.

A state holds what the windows of its entity's newest event reach, so an event from the future pushes the real ones out. Clocks differ
by seconds: minutes are enough for them, and too little to push anything out that a request can ask for.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

LONGEST_CLOCK_SKEW_SECONDS = 300.0


def latest_event_time(use_case: UseCase, now: datetime, skew_seconds: float = LONGEST_CLOCK_SKEW_SECONDS) -> datetime:
    """The latest time that an event may carry: the clock's, a tolerance, and the days that events are declared to come ahead.

    Args:
        use_case: the declaration.
        now: this machine's clock.
        skew_seconds: the tolerance.
    """
    return now + timedelta(days=use_case.history.days_ahead, seconds=skew_seconds)
