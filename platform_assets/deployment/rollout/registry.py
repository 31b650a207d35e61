"""The strategies by which a version can replace another, and the plan that a declaration makes of them.

Belongs here: from what is declared to a plan. Does not belong here: any strategy, or the list of them, which is the declaration's
(`declaration/sections/rollout.py`): each model names what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.rollout import DECLARED_STRATEGIES, RolloutStage
from platform_assets.deployment.rollout.stages import Plan, planned
from platform_assets.deployment.rollout.strategy import PlannedExperiment, Strategy
from platform_assets.members import ImplementationRegistry


class MakeStrategy(Protocol):
    """Makes a strategy of what declares it."""

    def __call__(self, declared: RolloutStage, experiment: PlannedExperiment | None = None) -> Strategy:
        """The strategy."""


STRATEGIES: ImplementationRegistry[MakeStrategy] = ImplementationRegistry(
    DECLARED_STRATEGIES, lambda declared: declared.behaviour
)
"""Each member is called with what is declared of it: `STRATEGIES["canary"](CanaryStage(strategy="canary", steps_percent=(10, 50)))`."""


def experiment_of(use_case: UseCase) -> PlannedExperiment | None:
    """The experiment of a use case under its declared name."""
    experiment = use_case.experiment
    return None if experiment is None else PlannedExperiment(experiment.name, experiment)


def experiment_of_version(plan: Plan, model_version: str) -> Plan:
    """A plan whose experiment is named after the version that it is about: each new version is dealt anew.

    What an entity was given in an earlier test would otherwise be its past in the next one.
    """
    return tuple(
        stage
        if stage.assignment is None
        else replace(
            stage, assignment=replace(stage.assignment, experiment=f"{stage.assignment.experiment}_v{model_version}")
        )
        for stage in plan
    )


def declared_plan(use_case: UseCase, instead: Sequence[RolloutStage] = ()) -> Plan:
    """How a new version of a use case takes over, as it is declared, or in these stages instead."""
    experiment = experiment_of(use_case)
    stages = [
        stage
        for declared in instead or use_case.serving.rollout
        for stage in STRATEGIES[declared.strategy](declared, experiment).stages()
    ]
    return planned(stages, use_case.serving.guards.undecided)
