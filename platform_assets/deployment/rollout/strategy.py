"""How a new version comes to stand in the place of the one that serves.

Belongs here: the one Protocol that every strategy has, and the plain replacement, which is the default. Does not belong here: other
strategies (a file each, named by what declares them), or going through the stages (`machine.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from platform_assets.declaration.sections.experiments import Experiment
from platform_assets.declaration.sections.rollout import ReplaceStage
from platform_assets.deployment.rollout.stages import FULL_WEIGHT, Stage, StageKind


@dataclass(frozen=True)
class PlannedExperiment:
    """What a strategy may run.

    Attributes:
        name: of the experiment; two experiments assign independently of each other.
        plan: as it is declared.
    """

    name: str
    plan: Experiment


class Strategy(Protocol):
    """A way for a version that started and passed its probe to take over; made of what declares it and the experiment, if there is one."""

    def stages(self) -> tuple[Stage, ...]:
        """Its stages in order; the last one of a rollout gives all requests to the new version and is added where it lacks."""


@dataclass(frozen=True)
class Replace:
    """All requests at once; the old version stays up without any for a while."""

    declared: ReplaceStage
    experiment: PlannedExperiment | None = None

    def stages(self) -> tuple[Stage, ...]:
        """One stage, which is the last of every rollout."""
        return (Stage(StageKind.WEIGHT, FULL_WEIGHT, observe=False, minutes=self.declared.keep_minutes),)
