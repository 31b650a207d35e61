"""Cross-checks of the section `training`: metrics, learners, splits and columns that the rest of the declaration has to know.

Belongs here: rules about `training` that need other sections. Does not belong here: what one learner takes (`learners.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.checks.learners import learner_problems
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.use_case import UseCase

Problem = tuple[tuple[int | str, ...], Any, str]
"""A path in the declaration, the value there, and the message."""


def training_problems(use_case: UseCase) -> Iterator[Problem]:
    """Problems of the section `training`; paths start at the use case."""
    training = use_case.training
    for j, metric in enumerate(training.metrics):
        if metric not in use_case.task.metrics:
            message = unknown_name(f"does not apply to a {training.task} task", metric, sorted(use_case.task.metrics))
            yield (("training", "metrics", j), metric, message)
    if training.select_by not in training.metrics:
        yield (
            ("training", "select_by"),
            training.select_by,
            unknown_name("is not among the metrics", training.select_by, training.metrics),
        )
    trained_here = use_case.predictions is None
    if trained_here and not any(learner.baseline for learner in training.learners):
        yield (("training", "learners"), len(training.learners), "mark at least one learner as `baseline: true`")
    if trained_here and all(learner.baseline for learner in training.learners):
        yield (("training", "learners"), len(training.learners), "declare at least one learner that is no baseline")
    for path, value, message in learner_problems(training, use_case.feature_names):
        yield (("training", *path), value, message)
    for field, named in (("impute", list(training.impute)), ("clip", list(training.clip))):
        for name in named:
            if name not in use_case.feature_names:
                yield (("training", field), name, unknown_name("no such feature", name, use_case.feature_names))
    for name, (low, high) in training.clip.items():
        if not 0 <= low < high <= 1:
            message = "takes two quantiles, the lower one first, between 0 and 1: for example [0.01, 0.99]"
            yield (("training", "clip", name), [low, high], message)
    if trained_here and training.splits.delay_days < use_case.label_delay_days:
        yield (
            ("training", "splits", "delay_days"),
            training.splits.delay_days,
            f"is shorter than the label's delay of {use_case.label_delay_days} days: "
            "a model would be tested before its labels exist",
        )
    of_groups = [metric for metric in training.metrics if metric.startswith("group_precision_at_")]
    if of_groups and training.group is None:
        yield (
            ("training", "metrics"),
            of_groups[0],
            "needs training.group, the column that names the group: a card, a customer",
        )
    names = [source.name for source in use_case.sources]
    if (
        training.group is not None
        and use_case.events in names
        and training.group not in use_case.event_source.column_names
    ):
        columns = use_case.event_source.column_names
        message = unknown_name(f"no such column in {use_case.events!r}", training.group, columns)
        yield (("training", "group"), training.group, message)
