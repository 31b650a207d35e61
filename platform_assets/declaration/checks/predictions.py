"""Cross-checks of scores that somebody else delivers: their table, their columns, and what is left out with them.

Belongs here: rules about `predictions` and the mode `external`. Does not belong here: limits of a single field (pydantic's job).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.sections.columns import NUMERIC_TYPES
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.predictions import Predictions
    from platform_assets.declaration.sections.sources import Source
    from platform_assets.declaration.use_case import UseCase

OF_A_PREDICTION = frozenset({"request_id", "scored_at", "score", "decision", "model_version"})
"""Columns of a prediction that delivered scores fill."""

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def prediction_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of delivered scores; paths start at the use case."""
    given, mode = use_case.predictions, use_case.serving.mode
    if given is None and mode == "external":
        yield ("serving", "mode"), mode, "is for scores that somebody else makes: declare the section `predictions`"
    if given is None:
        return
    if use_case.training.learners:
        message = "the scores are delivered, so no model is trained here: leave the learners out"
        yield ("training", "learners"), len(use_case.training.learners), message
    if use_case.task.has_classes:
        message = f"a {use_case.task.name} task has a probability for each class; delivered is one score: binary or regression"
        yield ("training", "task"), use_case.training.task, message
    if use_case.experiment is not None:
        yield ("experiment",), use_case.experiment.name, "compares versions of a service, and none is served here"
    for j, name in enumerate(use_case.serving.request):
        if name in OF_A_PREDICTION:
            message = "a prediction has a column of this name of its own, which holds what was delivered: leave it out"
            yield ("serving", "request", j), name, message
    reference, history = given.reference, use_case.history
    where = ("predictions", "reference")
    if reference.last_day < reference.first_day:
        yield (*where, "last_day"), str(reference.last_day), f"lies before first_day {reference.first_day}"
    if reference.first_day < history.first_day:
        yield (*where, "first_day"), str(reference.first_day), f"lies before the history, from {history.first_day} on"
    if history.last_day is not None and reference.last_day >= history.last_day:
        message = f"the history ends on {history.last_day}: no day is left to watch"
        yield (*where, "last_day"), str(reference.last_day), message
    names = [source.name for source in use_case.sources]
    if given.source not in names:
        yield ("predictions", "source"), given.source, unknown_name("no such source", given.source, names)
        return
    for path, value, message in _table(use_case, use_case.source(given.source), given):
        yield ("predictions", *path), value, message


def _table(use_case: UseCase, source: Source, given: Predictions) -> Iterator[Problem]:
    """What is wrong with the table of scores, below `predictions`."""
    if not source.is_daily:
        yield ("source",), source.name, "has no event time: scores are watched by day"
    elif source.arrival_delay_days > 0:
        message = f"arrives {source.arrival_delay_days} days late: scores come with their events, labels may come later"
        yield ("source",), source.name, message
    lacking = [key for key in use_case.event_source.primary_key if key not in source.column_names]
    if lacking:
        message = f"has no column {', '.join(lacking)}: a score names its event by the key of {use_case.events!r}"
        yield ("source",), source.name, message
    of_score, of_text = tuple(NUMERIC_TYPES), ("string",)
    kinds = {"score": of_score, "decision": of_text, "model_version": (*of_text, *of_score), "scored_at": ("datetime",)}
    for field, types in kinds.items():
        name = getattr(given, field)
        if name is None:
            continue
        if name not in source.column_names:
            yield (field,), name, unknown_name(f"no such column in {source.name!r}", name, source.column_names)
        elif source.column(name).type not in types:
            yield (field,), name, f"is {source.column(name).type}; needed is one of {', '.join(types)}"
