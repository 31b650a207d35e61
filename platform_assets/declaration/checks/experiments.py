"""Cross-checks of a declared A/B test: what it assigns, and what it must not harm.

Belongs here: rules that need the event's columns. Does not belong here: limits of one field (`sections/experiments.py`), or how a version's
traffic grows (`checks/references.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""

ASSIGNED_TYPES = ("string", "int8", "int32", "int64")
"""Types whose values have one text, whatever caller writes them."""


def experiment_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the experiment; paths start at the use case."""
    experiment, events = use_case.experiment, use_case.event_source
    if experiment is None:
        return
    column = experiment.assign_by
    where = ("experiment", "assign_by")
    if column is not None and column not in events.column_names:
        yield where, column, unknown_name(f"no such column in {use_case.events!r}", column, events.column_names)
    elif column is not None and events.column(column).type not in ASSIGNED_TYPES:
        kind = events.column(column).type
        yield where, column, f"is of type {kind}: assign by text or whole numbers ({', '.join(ASSIGNED_TYPES)})"
    names = [guardrail.name for guardrail in experiment.guardrails]
    for i, name in enumerate(names):
        if name in names[:i]:
            yield ("experiment", "guardrails", i, "name"), name, "names two guardrails"
