"""A target: where services answer.

Belongs here: the one Protocol that every kind of target has, and what its users ask of it. Does not belong here: any target (each has a
folder, named in `registry.py`), or how a version replaces another (`rollout/`).

Traffic is asked for in verbs (start, probe, set weights, mirror, drain, remove), in a session during which nobody else changes the target.
`deploy` and the like are made of them, see `rollout/engine.py`: another target brings the verbs and gets every strategy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from platform_assets.deployment.release import DeploymentResult, Release, TargetStatus
from platform_assets.deployment.rollout.events import RolloutDecision
from platform_assets.deployment.rollout.session import TargetSession
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import CounterBlock, RolloutView

BESIDE = "beside-"
"""Begins the names of processes that are kept running and serve nobody."""


class Target(Protocol):
    """Where services answer, under one address for each use case that never changes with versions."""

    def address(self, use_case: str | None = None) -> str:
        """Base URL without a trailing slash: of a use case, or of the whole target."""

    def status(self) -> TargetStatus:
        """Look at the target without changing anything or waiting for other commands.

        Raises:
            StateUnreadable: what the target remembers is damaged.
        """

    def session(self) -> AbstractContextManager[TargetSession]:
        """HoldRollout the target's lock and bring it up; the verbs are asked of the session.

        Raises:
            TargetBusy: another command on this target did not end in time.
            TargetUnavailable: the target cannot be brought up or reached.
        """

    def ensure_running(self) -> TargetStatus:
        """Bring up everything that was deployed, and finish what was interrupted; what runs already is left alone.

        Raises:
            TargetBusy, TargetUnavailable, StateUnreadable: see `session` and `status`.
        """

    def deploy(self, release: Release, plan: Plan = AT_ONCE) -> DeploymentResult:
        """Let a release take over its use case without losing a request. Other use cases are not touched.

        A plan with observed stages goes as far as the first of them and waits there for `advance`: the result says in which phase.

        Raises:
            RolloutUnderWay: another release is being rolled out.
            StartFailed: the new version did not become ready; carries the last lines of its log.
            ProbeFailed: it gave wrong answers.
            RoutingRefused: the proxy did not take the new weights.
            InvalidRelease, TargetBusy, TargetUnavailable, StateUnreadable: nothing was changed.
        """

    def rollout(self, use_case: str) -> RolloutView | None:
        """What is being rolled out, without changing anything or waiting for other commands; None when nothing is.

        Raises:
            StateUnreadable: what the target remembers is damaged.
        """

    def advance(self, use_case: str, revision: int, decision: RolloutDecision) -> Rollout:
        """Take a rollout that waits where somebody decided, if it is still at the revision that the decision is about.

        Returns:
            The rollout: it waits again, or is over.

        Raises:
            NoRollout, RolloutChanged, RolloutHeld, InvalidEvent: nothing was changed.
            RoutingRefused: the proxy did not take it; the rollout turned back, or is stuck.
            TargetBusy, TargetUnavailable, StateUnreadable: see `session` and `status`.
        """

    def counters(self, use_case: str) -> Sequence[CounterBlock]:
        """What the proxy counted of both arms while the rollout under way waited, oldest first; empty when nothing is rolled out."""

    def stop(self, use_case: str) -> bool:
        """Take one use case off the address and stop its processes, after their last requests; False when it was not deployed."""

    def stop_all(self) -> None:
        """Stop every process of this target and verify that none is left; what was deployed stays recorded.

        Raises:
            StopFailed: something is still there.
        """

    def prune(self, *, remove: bool) -> Sequence[str]:
        """Name what the target once made and nothing that is recorded owns, and remove it where that is asked for; usually nothing.

        Raises:
            TargetBusy, TargetUnavailable, StateUnreadable: see `session` and `status`.
        """

    def keep_beside(self, name: str, command: Sequence[str], environment: Mapping[str, str], working_dir: Path) -> Path:
        """Keep a process running that answers no requests; its name begins with `beside-`. Returns its log."""

    def end_beside(self, name: str) -> bool:
        """Stop a process beside the services and forget it; False when it was not known."""
