"""Cross-checks of learners: what one field of a learner alone cannot tell.

Belongs here: rules that compare a learner's parts with each other, with the other learners and with the features, each problem with its
place below `training`. Does not belong here: the settings of a learner, which its own kind checks (`training/learners`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.declaration.tasks.registry import DECLARED_TASKS

if TYPE_CHECKING:
    from platform_assets.declaration.sections.training import DeclaredLearner, Training

Found = tuple[tuple[int | str, ...], Any, str]
"""Place below `training`, the value there, and what is wrong with it."""

_TASKS = {
    "logistic_regression": ("binary", "multiclass"),
    "ridge": ("regression",),
    "single_feature": ("regression",),
    "last_value": ("regression",),
}
_OF_A_FEATURE = ("single_feature", "rule")
_MONOTONE = ("random_forest", "xgboost", "estimator")
_JOINS = ("blend", "stack")


def learner_problems(training: Training, features: Sequence[str]) -> Iterator[Found]:
    """Everything about the learners that does not fit together."""
    task = DECLARED_TASKS[training.task]
    for j, learner in enumerate(training.learners):
        for field, value, message in (
            *_feature(learner, learner.inputs or features),
            *_inputs(learner, features),
            *_kind(learner, task),
            *_parts(learner),
            *_members(learner, [other.name for other in training.learners[:j]], training),
        ):
            yield ("learners", j, field), value, message
        for name in learner.monotone:
            if name not in (learner.inputs or features):
                yield ("learners", j, "monotone", name), name, _no_such(learner.inputs or features)
    for j, name in enumerate(training.categories):
        if name not in features:
            yield ("categories", j), name, _no_such(features)


def _no_such(features: Sequence[str]) -> str:
    return f"no such feature; known: {', '.join(features)}"


def _feature(learner: DeclaredLearner, features: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
    if learner.kind in _OF_A_FEATURE and learner.feature is None:
        yield "feature", None, f"is needed by a learner of kind {learner.kind}"
    elif learner.feature is not None and learner.kind not in (*_OF_A_FEATURE, "last_value"):
        yield (
            "feature",
            learner.feature,
            "is needed by a learner of kind single_feature, rule or last_value, and by no other",
        )
    elif learner.feature is not None and learner.feature not in features:
        yield "feature", learner.feature, _no_such(features)


def _inputs(learner: DeclaredLearner, features: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
    if learner.inputs and learner.kind in _JOINS:
        yield "inputs", list(learner.inputs), "is for the learners that it joins: declare it there"
    for name in learner.inputs:
        if name not in features:
            yield "inputs", name, _no_such(features)
    if len(set(learner.inputs)) < len(learner.inputs):
        yield "inputs", list(learner.inputs), "names a feature twice"


def _kind(learner: DeclaredLearner, task: DeclaredTask) -> Iterator[tuple[str, Any, str]]:
    wanted = _TASKS.get(learner.kind)
    if wanted is not None and task.objective not in wanted:
        yield "kind", learner.kind, f"is for {' and '.join(wanted)} tasks, this one is {task.name}"
    if learner.monotone and task.monotone_problem:
        yield "monotone", dict(learner.monotone), task.monotone_problem
    if learner.calibrate is not None and not task.has_probabilities:
        yield "calibrate", learner.calibrate, f"applies to probabilities; a {task.name} task has none"


def _parts(learner: DeclaredLearner) -> Iterator[tuple[str, Any, str]]:
    if (learner.kind == "estimator") != (learner.estimator is not None):
        yield "estimator", learner.estimator, "is needed by a learner of kind estimator, and by no other"
    if learner.monotone and learner.kind not in _MONOTONE:
        yield "monotone", dict(learner.monotone), f"is for learners of kind {', '.join(_MONOTONE)}"
    if learner.search is not None and learner.kind in _JOINS:
        yield "search", learner.kind, "is for the learners that it joins: declare it there"


def _members(learner: DeclaredLearner, before: Sequence[str], training: Training) -> Iterator[tuple[str, Any, str]]:
    if learner.kind not in _JOINS:
        if learner.of:
            yield "of", list(learner.of), "is for learners of kind blend or stack"
        return
    if len(set(learner.of)) < 2:
        yield "of", list(learner.of), "names fewer than two learners"
    for name in learner.of:
        if name not in before:
            yield "of", name, f"no learner of that name is declared before it; known: {', '.join(before) or 'none'}"
