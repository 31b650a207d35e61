"""What is declared for answers that cannot be trusted has to be possible for the kind of service.

Belongs here: `monitoring.degrade` against task and serving. Does not belong here: the fields themselves (`sections/degradation.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase


def degrade_problems(use_case: UseCase) -> Iterator[tuple[tuple[int | str, ...], Any, str]]:
    """Problems of `monitoring.degrade`; paths start at the use case."""
    for place, rule in enumerate(use_case.monitoring.degrade):
        path = ("monitoring", "degrade", place, "then")
        if rule.then == "previous_champion":
            continue
        if not use_case.is_realtime:
            yield (
                path,
                rule.then,
                "is for services: in batch mode nobody waits for an answer; declare previous_champion",
            )
        elif rule.then == "review" and use_case.serving.decision is None:
            text = f"needs a decision that it replaces; a {use_case.task.name} task has none: declare refuse"
            yield path, rule.then, text
