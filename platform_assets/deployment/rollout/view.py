"""What a target shows of a rollout under way.

Belongs here: the values that verdicts, people and reports read. Does not belong here: reading them from a target.
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.deployment.rollout.state import Rollout


@dataclass(frozen=True)
class ArmView:
    """One of the versions beside each other.

    Attributes:
        name: names it among the target's arms; never used twice.
        version: the release's version.
        fingerprint: the release's fingerprint.
        weight: its share of the requests in percent.
        mirror_percent: share of the requests that it gets copies of; 0 for none.
    """

    name: str
    version: str
    fingerprint: str
    weight: int
    mirror_percent: int = 0


@dataclass(frozen=True)
class RolloutView:
    """A rollout under way with its arms, oldest first."""

    use_case: str
    rollout: Rollout
    arms: tuple[ArmView, ...]

    def arm(self, name: str | None) -> ArmView | None:
        """One of the arms, None when it is not there."""
        return next((arm for arm in self.arms if arm.name == name), None)

    @property
    def new(self) -> ArmView | None:
        """The arm that is coming."""
        return self.arm(self.rollout.new)

    @property
    def old(self) -> ArmView | None:
        """The arm that served before."""
        return self.arm(self.rollout.old)


@dataclass(frozen=True)
class CounterBlock:
    """What the proxy counted of one arm in a block of time.

    Attributes:
        at: end of the block, ISO 8601 in UTC.
        arm: name of the arm.
        requests: requests that were answered, by the arm or by the proxy in its place; copies, of an arm that is mirrored.
        errors: those of them that were answered with a status of 500 or more.
    """

    at: str
    arm: str
    requests: int
    errors: int
