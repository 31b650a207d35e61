"""Event days that a declaration counts on and that are not there.

Belongs here: fields about days, of sources that are asked what is new, or are loaded whole, and spans of days that may hold no event. Does
not belong here: the fields (`sections/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.sections.calendar import WEEKDAYS
from platform_assets.declaration.sections.sources import Source

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[str, ...], Any, str]
"""Path, below the source where it is about one, the value, and what is wrong with it."""


def event_day_problems(source: Source) -> Iterator[Problem]:
    """Fields that say nothing, for the source is not asked for event days."""
    if source.is_daily and not source.is_incremental:
        return
    reason = "asked what is new, whatever its day" if source.is_daily else "loaded whole"
    if source.calendar is not None:
        yield ("calendar",), source.name, f"{source.name!r} is {reason}: leave the calendar out"
    if source.late.then == "go_on":
        yield ("late", "then"), "go_on", f"{source.name!r} is {reason}: no day of it is late, leave the rule out"
    if source.repeated_keys is not None:
        reason = "changes find their row by its key" if source.is_incremental else "a key has one row there"
        yield ("repeated_keys",), source.repeated_keys, f"{source.name!r}: {reason}, leave it out"


def spans_without_events(use_case: UseCase) -> Iterator[Problem]:
    """Windows and test sets that fall into the closed days of a week whole, and give no verdict then."""
    events = next((source for source in use_case.sources if source.name == use_case.events), None)
    if events is None or events.calendar is None:
        return
    weekdays = events.event_calendar.weekdays
    gap = _longest_gap([day in weekdays for day in WEEKDAYS])
    splits = use_case.training.splits
    spans = {
        ("monitoring", "window_days"): use_case.monitoring.window_days,
        ("training", "splits", "test_days"): splits.test_days,
        ("training", "splits", "final_test_days"): splits.final_test_days,
    }
    for path, days in spans.items():
        if days is not None and 0 < days <= gap:
            reason = f"{events.name!r} has no events on up to {gap} days in a row"
            message = f"{reason}, so some spans of {days} days give no verdict: {gap + 1} at least"
            yield path, days, message


def _longest_gap(is_open: list[bool]) -> int:
    """Closed days in a row, over the end of the week too."""
    longest = current = 0
    for day in is_open * 2:
        current = 0 if day else current + 1
        longest = max(longest, current)
    return longest
