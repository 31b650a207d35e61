"""The A/B test: two versions side by side, each entity always with the same one.

Belongs here: which share of the entities the declared experiment gives to the new version. Does not belong here: which entity that is
(`experiments/assignment.py`), telling requests apart (a target's session), or the analysis (`experiments/`).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.declaration.sections.rollout import AbStage
from platform_assets.deployment.rollout.stages import BUCKETS, Assignment, Stage, StageKind, split_percent
from platform_assets.deployment.rollout.strategy import PlannedExperiment


@dataclass(frozen=True)
class Ab:
    """Both versions until the experiment has its verdict."""

    declared: AbStage
    experiment: PlannedExperiment | None = None

    def stages(self) -> tuple[Stage, ...]:
        """One observed stage.

        Raises:
            ValueError: no experiment with `assign_by` is declared, which a declaration is refused for.
        """
        if self.experiment is None or self.experiment.plan.assign_by is None:
            raise ValueError("an A/B test needs an experiment that says by which column requests are assigned")
        plan = self.experiment.plan
        assignment = Assignment(
            experiment=self.experiment.name,
            entity=self.experiment.plan.assign_by,
            traffic_buckets=max(1, round(plan.traffic_ratio * BUCKETS)),
            treatment_buckets=min(max(1, round(plan.treatment_ratio * BUCKETS)), BUCKETS - 1),
        )
        return (
            Stage(
                StageKind.SPLIT,
                split_percent(plan.traffic_ratio, plan.treatment_ratio),
                observe=True,
                at_most_minutes=self.declared.at_most_minutes(),
                assignment=assignment,
            ),
        )
