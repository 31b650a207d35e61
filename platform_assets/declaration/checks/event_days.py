"""What a source says of its event days that it does not have.

Belongs here: fields about days, of sources that are asked what is new, or are loaded whole. Does not belong here: the fields (`sections/`).
"""

from collections.abc import Iterator
from typing import Any

from platform_assets.declaration.sections.sources import Source

Problem = tuple[tuple[str, ...], Any, str]
"""Path below the source, the value, and what is wrong with it."""


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
