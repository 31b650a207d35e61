"""From declared learners to candidates.

Belongs here: turning names of features into their places, and naming members of ensembles. Does not belong here: searching (`search`),
comparing (`compare`), and any one learner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_assets.declaration.learner_kinds import DECLARED_LEARNERS
from platform_assets.declaration.sections.training import DeclaredLearner as Declared
from platform_assets.declaration.sections.training import Training
from platform_assets.declaration.tasks.registry import DECLARED_TASKS
from platform_assets.training.compare import Candidate
from platform_assets.training.learners import Learner, LearnerSettingsError, made_of, make_learner
from platform_assets.training.learners.calibration import calibrated
from platform_assets.training.learners.narrowed import narrowed

_SIGN = {"increasing": 1, "decreasing": -1}


def declared_candidates(training: Training, features: Sequence[str]) -> list[Candidate]:
    """Every declared learner as a candidate, in the order of the declaration.

    Args:
        training: the declaration.
        features: the model's inputs, in their order.

    Raises:
        LearnerSettingsError: a setting does not exist or its value is not allowed; the message names the learner.
    """
    by_name: dict[str, Candidate] = {}
    for declared in training.learners:
        by_name[declared.name] = candidate_of(declared, training, features, by_name)
    return list(by_name.values())


def candidate_of(
    declared: Declared, training: Training, features: Sequence[str], by_name: dict[str, Candidate]
) -> Candidate:
    """One declared learner; `by_name` holds those declared before it, with the settings that ensembles shall use.

    Raises:
        LearnerSettingsError: as `declared_candidates`.
    """
    try:
        learner = _learner(declared, training, features, by_name)
    except LearnerSettingsError as error:
        raise LearnerSettingsError(f"training.learners, {declared.name}: {error}") from error
    return Candidate(declared.name, learner, declared.baseline)


def learner_of(document: Mapping[str, Any], objective: str) -> Learner:
    """The learner that a model's manifest describes, to be fitted again: `learner`, `settings` and, where it is made of others, `members`.

    Raises:
        LearnerSettingsError: this version knows no such learner or setting.
    """
    settings = dict(document["settings"])
    members = [learner_of(member, objective) for member in document.get("members", ())]
    if not members:
        return make_learner(document["learner"], settings, objective)
    return made_of(document["learner"], members, settings)


def _learner(declared: Declared, training: Training, features: Sequence[str], by_name: dict[str, Candidate]) -> Learner:
    if DECLARED_LEARNERS[declared.kind].joins_others:
        learner = made_of(declared.kind, [by_name[name].learner for name in declared.of], declared.settings)
    else:
        own = declared.inputs or features
        learner = make_learner(
            declared.kind, _settings(declared, training, own), DECLARED_TASKS[training.task].objective
        )
        if declared.inputs:
            learner = narrowed(learner, [features.index(name) for name in declared.inputs])
    return learner if declared.calibrate is None else calibrated(learner, declared.calibrate)


def _settings(declared: Declared, training: Training, features: Sequence[str]) -> dict[str, Any]:
    """The declared settings, with names of features as their places among the inputs."""
    settings = dict(declared.settings)
    index = {name: number for number, name in enumerate(features)}
    kind = DECLARED_LEARNERS[declared.kind]
    if kind.may_name_feature:
        settings["column"] = None if declared.feature is None else index[declared.feature]
    if declared.estimator is not None:
        settings["estimator"] = declared.estimator
    if declared.monotone:
        settings["monotone"] = [_SIGN.get(declared.monotone.get(name, ""), 0) for name in features]
    if training.categories and kind.takes_categories:
        settings["categories"] = [index[name] for name in training.categories if name in index]
    return settings
