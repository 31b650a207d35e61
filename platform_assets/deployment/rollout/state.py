"""Where a rollout stands: small, comparable and storable.

Belongs here: phases and the state as a value, with what can be said from it alone. Does not belong here: transitions (`machine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from platform_assets.deployment.rollout.stages import AT_ONCE, FULL_WEIGHT, Plan, Stage, StageKind


class Phase(StrEnum):
    """Where a rollout stands."""

    STARTING = "starting"  # the new version's processes are coming up
    READY = "ready"  # they answer; the probe decides whether they answer correctly
    SHIFTING = "shifting"  # weights or the mirror are being set for a stage
    MIRRORING = "mirroring"  # waits: the new version gets copies and answers nobody
    OBSERVING = "observing"  # waits: the weights of a canary's step stand
    SPLIT = "split"  # waits: an experiment tells requests apart
    KEEPING = "keeping"  # waits: the new version has everything, the old one is up for an instant way back
    DRAINING = "draining"  # the old version has no weight; its last requests finish
    RETIRING = "retiring"  # the old version is being removed
    RESTORING = "restoring"  # something failed or was aborted: all weight goes back to the old version
    WITHDRAWING = "withdrawing"  # the new version has no weight again; its last requests finish
    DISCARDING = "discarding"  # the new version is being removed
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"  # weights could not be confirmed either way: nothing is removed, an Interrupted event retries


FINAL = frozenset({Phase.DONE, Phase.ROLLED_BACK})
WAITING = frozenset({Phase.MIRRORING, Phase.OBSERVING, Phase.SPLIT, Phase.KEEPING})
WAITS_IN = {
    StageKind.MIRROR: Phase.MIRRORING,
    StageKind.WEIGHT: Phase.OBSERVING,
    StageKind.SPLIT: Phase.SPLIT,
}
"""The phase in which an observed stage waits."""


@dataclass(frozen=True)
class Rollout:
    """The whole state.

    Attributes:
        phase: where the rollout stands.
        new: name of the arm that is coming.
        old: name of the arm that serves now, None for a first deployment.
        plan: the stages in order.
        step: index of the stage that stands, or is being set.
        reason: why the rollout turned back, empty while it has not.
        revision: grows with each change: who decides names the revision that the decision is about.
        since: when the present phase began if it waits, ISO 8601 in UTC.
        held: a person holds it: only a person advances it.
        decided_by: who took the last decision, empty while nobody has.
        decided_why: the reason of that decision.
    """

    phase: Phase
    new: str
    old: str | None
    plan: Plan = AT_ONCE
    step: int = 0
    reason: str = ""
    revision: int = 0
    since: str = ""
    held: bool = False
    decided_by: str = ""
    decided_why: str = ""

    @property
    def finished(self) -> bool:
        """True when no action is left to perform."""
        return self.phase in FINAL

    @property
    def waiting(self) -> bool:
        """True when no action is due and somebody has to decide."""
        return self.phase in WAITING

    @property
    def stage(self) -> Stage:
        """The stage that stands, or is being set."""
        return self.plan[self.step]

    @property
    def keep_minutes(self) -> float:
        """So long the old version is kept after the new one has everything."""
        return self.plan[-1].minutes

    @property
    def weights(self) -> Mapping[str, int]:
        """What each arm has in percent in the present stage; arms without weight are left out."""
        share = 0 if self.stage.kind is StageKind.MIRROR else self.stage.percent
        weights = {self.new: share} if share else {}
        if self.old is not None and share < FULL_WEIGHT:
            weights[self.old] = FULL_WEIGHT - share
        return weights
