"""Cross-checks of learners: what one field of a learner alone cannot tell.

Belongs here: rules that compare a learner's parts with each other, with the other learners and with the features, each problem with its
path below `training`. Does not belong here: the settings of a learner, which its own kind checks (`training/learners`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS, DeclaredLearnerKind, declared_learners
from platform_assets.declaration.tasks.base import DeclaredTask
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.declaration.unknown_names import unknown_name

if TYPE_CHECKING:
    from platform_assets.declaration.sections.training import DeclaredLearner, Training

Problem = tuple[tuple[int | str, ...], Any, str]
"""Path below `training`, the value there, and the message."""


def learner_problems(training: Training, features: Sequence[str]) -> Iterator[Problem]:
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
        known = learner.inputs if learner.inputs and set(learner.inputs) <= set(features) else features
        for name in learner.monotone:
            if name not in known:
                yield ("learners", j, "monotone", name), name, _no_such(name, known)
    for j, name in enumerate(training.categories):
        if name not in features:
            yield ("categories", j), name, _no_such(name, features)


def _no_such(name: str, features: Sequence[str]) -> str:
    return unknown_name("no such feature", name, features)


def _names(is_meant: Callable[[DeclaredLearnerKind], bool]) -> list[str]:
    """The kinds of learners that are meant, in the order of their list."""
    return [kind.name for kind in declared_learners() if is_meant(kind)]


def _either(names: Sequence[str]) -> str:
    """The names as alternatives: `a, b or c`."""
    return " or ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _feature(learner: DeclaredLearner, features: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
    kind = DECLARED_LEARNERS[learner.kind]
    if kind.needs_feature and learner.feature is None:
        yield "feature", None, f"is needed by a learner of kind {kind.name}"
    elif learner.feature is not None and not kind.may_name_feature:
        of_a_feature = _names(lambda other: other.needs_feature)
        of_a_feature += _names(lambda other: other.may_name_feature and not other.needs_feature)
        yield "feature", learner.feature, f"is needed by a learner of kind {_either(of_a_feature)}, and by no other"
    elif learner.feature is not None and learner.feature not in features:
        yield "feature", learner.feature, _no_such(str(learner.feature), features)


def _inputs(learner: DeclaredLearner, features: Sequence[str]) -> Iterator[tuple[str, Any, str]]:
    if learner.inputs and DECLARED_LEARNERS[learner.kind].joins_others:
        yield "inputs", list(learner.inputs), "is for the learners that it joins: declare it there"
    for name in learner.inputs:
        if name not in features:
            yield "inputs", name, _no_such(name, features)
    if len(set(learner.inputs)) < len(learner.inputs):
        yield "inputs", list(learner.inputs), "names a feature twice"


def _kind(learner: DeclaredLearner, task: DeclaredTask) -> Iterator[tuple[str, Any, str]]:
    wanted = DECLARED_LEARNERS[learner.kind].objectives
    if wanted and task.objective not in wanted:
        yield "kind", learner.kind, f"is for {' and '.join(wanted)} tasks, this one is {task.name}"
    if learner.monotone and task.monotone_problem:
        yield "monotone", dict(learner.monotone), task.monotone_problem
    if learner.calibrate is not None and not task.has_probabilities:
        yield "calibrate", learner.calibrate, f"applies to probabilities; a {task.name} task has none"


def _parts(learner: DeclaredLearner) -> Iterator[tuple[str, Any, str]]:
    kind = DECLARED_LEARNERS[learner.kind]
    if kind.names_estimator != (learner.estimator is not None):
        of_an_estimator = _either(_names(lambda other: other.names_estimator))
        yield "estimator", learner.estimator, f"is needed by a learner of kind {of_an_estimator}, and by no other"
    if learner.monotone and not kind.takes_monotone:
        monotone = ", ".join(_names(lambda other: other.takes_monotone))
        yield "monotone", dict(learner.monotone), f"is for learners of kind {monotone}"
    if learner.search is not None and kind.joins_others:
        yield "search", learner.kind, "is for the learners that it joins: declare it there"


def _members(learner: DeclaredLearner, before: Sequence[str], training: Training) -> Iterator[tuple[str, Any, str]]:
    if not DECLARED_LEARNERS[learner.kind].joins_others:
        if learner.of:
            joining = _either(_names(lambda other: other.joins_others))
            yield "of", list(learner.of), f"is for learners of kind {joining}"
        return
    if len(set(learner.of)) < 2:
        yield "of", list(learner.of), "names fewer than two learners"
    for name in learner.of:
        if name not in before:
            yield "of", name, unknown_name("no learner of that name is declared before it", name, before)
