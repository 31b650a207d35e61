"""Cross-checks of explanations: which columns of a request somebody could have changed.

Belongs here: rules that need the request and its keys. Does not belong here: limits of one field (`sections/explanations.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def explanation_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of what is called changeable; paths start at the use case."""
    fixed = {*use_case.event_source.primary_key, use_case.event_source.event_time}
    for place, name in enumerate(use_case.monitoring.explanations.changeable):
        where = ("monitoring", "explanations", "changeable", place)
        if name not in use_case.serving.request:
            yield where, name, f"is no column of the request; there are {', '.join(use_case.serving.request)}"
        elif name in fixed:
            yield where, name, "says which event it is, and when: changed, it would be another event"
