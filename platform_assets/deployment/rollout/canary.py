"""The canary: a new version answers a few requests first, then more.

Belongs here: the shares of the steps. Does not belong here: taking a step or deciding to turn back (`machine.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.declaration.sections.rollout import CanaryStage
from platform_assets.deployment.rollout.stages import Stage, StageKind
from platform_assets.deployment.rollout.strategy import PlannedExperiment


@dataclass(frozen=True)
class Canary:
    """Little by little, each step with a verdict of its own."""

    declared: CanaryStage
    experiment: PlannedExperiment | None = None

    def stages(self) -> tuple[Stage, ...]:
        """One observed stage for each step."""
        minutes, at_most = self.declared.step_minutes, self.declared.at_most_minutes()
        return tuple(
            Stage(StageKind.WEIGHT, share, observe=True, minutes=minutes, at_most_minutes=at_most)
            for share in self.declared.steps_percent
        )
