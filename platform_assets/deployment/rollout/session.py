"""What a rollout asks of a target: the verbs by which one version replaces another, whatever the target.

Belongs here: the Protocol of the verbs, and of what a target remembers for them. Does not belong here: the order of the verbs
(`machine.py`), performing them (`engine.py`), or any target's way of doing one.

A session is a target while its lock is held: nobody else changes it meanwhile. Every verb can be repeated, since whoever performed it may
have died without knowing whether it took effect; a verb on an arm that is gone does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.stages import Assignment
from platform_assets.deployment.rollout.state import Rollout


class DeployedArm(Protocol):
    """One version of one use case that a target holds."""

    @property
    def name(self) -> str:
        """Names it among the target's arms; never used twice."""

    @property
    def version(self) -> str:
        """The release's version."""

    @property
    def fingerprint(self) -> str:
        """The release's fingerprint."""

    @property
    def weight(self) -> int:
        """Its share of the use case's traffic in percent."""


class TargetSession(Protocol):
    """A target while its lock is held."""

    def use_cases(self) -> Sequence[str]:
        """Every use case that has arms or a rollout."""

    def arms(self, use_case: str) -> Sequence[DeployedArm]:
        """The arms of a use case, oldest first."""

    def rollout(self, use_case: str) -> Rollout | None:
        """The rollout under way, or that was interrupted; None when there is none."""

    def mirrored(self, use_case: str) -> str | None:
        """The arm that gets a copy of the traffic; None when none does."""

    def record(self, use_case: str, rollout: Rollout | None) -> None:
        """Remember where a rollout stands; it outlives this process. None when it is over."""

    def prepare(self, release: Release) -> str:
        """Remember a new arm without traffic; nothing runs yet.

        Returns:
            The arm's name.

        Raises:
            StartFailed: this target cannot run the release.
        """

    def start(self, use_case: str, arm: str) -> None:
        """Start the arm's processes and wait until every one is ready.

        Raises:
            StartFailed: one of them is not ready in time, or ended; carries its last lines. Nothing is stopped here.
        """

    def wait_ready(self, use_case: str, arm: str) -> None:
        """Wait until every process of an arm that runs, or is about to, is ready.

        Raises:
            StartFailed: one of them is not ready in time, or ended.
        """

    def probe(self, use_case: str, arm: str, check: Callable[[str], None]) -> None:
        """Call `check` with the base URL of each of the arm's processes, past the proxy; what it raises is passed on."""

    def set_weights(
        self,
        use_case: str,
        weights: Mapping[str, int],
        treated: str | None = None,
        assignment: Assignment | None = None,
    ) -> None:
        """Give each named arm its share in percent and every other arm none, and wait until requests go by that.

        Args:
            use_case: whose arms.
            weights: in percent; they add up to 100, or are none.
            treated: the arm that answers for the treated entities of `assignment`; the other one answers every other request.
            assignment: how requests are told apart; None for by chance.

        Raises:
            RoutingRefused: the proxy did not take them.
        """

    def mirror(self, use_case: str, arm: str | None, percent: int = 100) -> None:
        """Send a copy of so many percent of the requests to an arm whose answers nobody gets; None ends that.

        Raises:
            RoutingRefused: the proxy did not take it.
        """

    def drain(self, use_case: str, arm: str) -> None:
        """Wait until an arm without weight has no request in flight, as long as this target allows."""

    def remove(self, use_case: str, arm: str) -> None:
        """Stop the processes of an arm without weight and forget it."""
