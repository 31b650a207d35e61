"""Which event times a request may carry: no event from before the declared history, none from the future.

Belongs here: the two limits and how they are worded. Does not belong here: what the online store still holds of an entity
(`scoring.py`), or how a time is written (`request.py`).

A day before the history has no partition: its prediction could never be stored, watched or compared. What lies within the history but
behind what the online store holds is refused by the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from platform_assets.features.clock_skew import latest_event_time
from serving.refusals import Problem, unusable

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase


class EventTimes:
    """The event times that a use case's requests may carry."""

    def __init__(self, use_case: UseCase) -> None:
        """Derive the limits from the declaration: its first day, and the days that events come ahead."""
        self._use_case = use_case
        self.column = use_case.event_time
        self._first_day = use_case.history.first_day
        self._earliest = datetime.combine(self._first_day, time(), tzinfo=UTC)

    def check(self, event: Mapping[str, Any], now: datetime, max_future_seconds: float) -> None:
        """Refuse an event whose time lies outside.

        Args:
            event: request columns by name.
            now: this machine's clock.
            max_future_seconds: tolerance for clocks that differ.

        Raises:
            RequestRefused: it does.
        """
        moment: datetime = event[self.column]
        if moment < self._earliest:
            reason = f"Input lies before the first day of the declared history, {self._first_day}: no such event can be scored"
            raise unusable(Problem(field=self.column, reason=reason))
        latest = latest_event_time(self._use_case, now, max_future_seconds)
        if moment > latest:
            ahead, most = (moment - now).total_seconds(), (latest - now).total_seconds()
            reason = f"Input lies {ahead:.0f} seconds in the future; at most {most:.0f} are accepted"
            raise unusable(Problem(field=self.column, reason=reason))
