"""Cross-checks of the label: its columns, and whether the declaration says when each of its values was known.

Belongs here: rules that compare the label with the use case's tables, each problem with its place. Does not belong here: classes of a
multi-class label (`declaration/tasks/multiclass.py`), label windows (`checks/windows.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.columns import Column
    from platform_assets.declaration.sections.sources import Source
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""
UNDATED_LABEL = ("label", "decided_at")
"""Where it is missed that nothing tells when a label was known."""


def label_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the label; paths start at the use case."""
    names = [source.name for source in use_case.sources]
    if use_case.label.source not in names:
        yield ("label", "source"), use_case.label.source, unknown_name("no such source", use_case.label.source, names)
        return
    source = use_case.label_source
    if use_case.label.column not in source.column_names:
        message = unknown_name(f"no such column in {source.name!r}", use_case.label.column, source.column_names)
        yield ("label", "column"), use_case.label.column, message
    if not source.is_daily:
        yield ("label", "source"), source.name, "the label's source needs an event_time"
    if use_case.events in names:
        missing = [key for key in use_case.event_source.primary_key if key not in source.column_names]
        if missing:
            message = f"lacks {', '.join(missing)}: labels join {use_case.events!r} by its primary key"
            yield ("label", "source"), source.name, message
    yield from _decided_at(use_case, source)
    yield from _absent(use_case, source)


def _decided_at(use_case: UseCase, source: Source) -> Iterator[Problem]:
    label = use_case.label
    if label.decided_at is None:
        if label.complete_after_days is not None:
            message = f"without decided_at it is the arrival_delay_days of {source.name!r} that says so: leave it out"
            yield ("label", "complete_after_days"), label.complete_after_days, message
        if source.name != use_case.events and (source.arrival_delay_days == 0 or source.is_incremental):
            yield UNDATED_LABEL, None, _undated(use_case, source)
        return
    if label.decided_at not in source.column_names:
        message = unknown_name(f"no such column in {source.name!r}", label.decided_at, source.column_names)
        yield ("label", "decided_at"), label.decided_at, message
    elif source.column(label.decided_at).type != "datetime":
        yield ("label", "decided_at"), label.decided_at, "the time of the decision must be a column of type datetime"
    complete, arrives = label.complete_after_days, max(1, source.arrival_delay_days)
    if complete is not None and complete < arrives:
        message = f"is shorter than the {arrives} days after which a label can be known at the earliest"
        yield ("label", "complete_after_days"), complete, message


def _undated(use_case: UseCase, source: Source) -> str:
    how = "is a feed of changes" if source.is_incremental else "has arrival_delay_days 0"
    return (
        f"cannot be told: labels come in a table of their own, {source.name!r}, which {how}, so that a label that was decided days after "
        f"its event would count before it was known. Name the column with the time of each decision: `label: {{decided_at: "
        f"{source.event_time}}}`; where every row carries its event's own time, that time will do"
    )


def _absent(use_case: UseCase, source: Source) -> Iterator[Problem]:
    label = use_case.label
    if label.absent is None:
        return
    where = ("label", "absent")
    if source.name == use_case.events:
        yield where, label.absent, "the label is a column of the events: no row of it can be absent"
        return
    if label.decided_at is not None and label.complete_after_days is None:
        message = "needs complete_after_days: how many days after an event nothing more is expected"
        yield where, label.absent, message
    if label.column in source.column_names:
        problem = _value_problem(use_case, source.column(label.column), label.absent)
        if problem:
            yield where, label.absent, problem


def _value_problem(use_case: UseCase, column: Column, value: int | float | str) -> str | None:
    allowed = column.allowed or ((0, 1) if use_case.task.has_decision else None)
    if allowed is not None and value not in allowed:
        return unknown_name(f"is no value of the label {column.name!r}", str(value), [str(item) for item in allowed])
    if column.is_numeric and isinstance(value, str):
        return f"is a text, and the label {column.name!r} is a number"
    return None
