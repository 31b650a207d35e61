"""The shadow: a new version answers copies of requests, and nobody gets its answers.

Belongs here: which share is copied, for how long. Does not belong here: copying (a target's session), or comparing answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.declaration.sections.rollout import ShadowStage
from platform_assets.deployment.rollout.stages import Stage, StageKind
from platform_assets.deployment.rollout.strategy import PlannedExperiment


@dataclass(frozen=True)
class Shadow:
    """Copies of requests until a verdict compared the answers."""

    declared: ShadowStage
    experiment: PlannedExperiment | None = None

    def stages(self) -> tuple[Stage, ...]:
        """One observed stage."""
        declared = self.declared
        return (
            Stage(
                StageKind.MIRROR,
                declared.share_percent,
                observe=True,
                minutes=declared.minutes,
                at_most_minutes=declared.at_most_minutes(),
            ),
        )
