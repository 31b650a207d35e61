"""What a rollout asks for: each action is performed by a target's session, can be repeated, and is answered by an event.

Belongs here: actions as values. Does not belong here: performing them (`engine.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platform_assets.deployment.rollout.stages import Assignment


@dataclass(frozen=True)
class Start:
    """Start the arm's processes and wait until they are ready."""

    arm: str


@dataclass(frozen=True)
class Probe:
    """Run the self-test against the arm, past the proxy."""

    arm: str


@dataclass(frozen=True)
class SetWeights:
    """Give each named arm its weight in percent, every other arm none, and wait until the proxy has taken it.

    Attributes:
        weights: in percent by arm; they add up to 100, or are none.
        treated: the arm that gets the treated entities of `assignment`; every other request goes to the other arm.
        assignment: how requests are told apart; None for by chance.
    """

    weights: Mapping[str, int]
    treated: str | None = None
    assignment: Assignment | None = None


@dataclass(frozen=True)
class Mirror:
    """Send a copy of so many percent of the requests to an arm whose answers nobody gets; None ends that."""

    arm: str | None
    percent: int = 0


@dataclass(frozen=True)
class Drain:
    """Wait until the arm has no request in flight."""

    arm: str


@dataclass(frozen=True)
class Remove:
    """Stop the arm's processes and forget it."""

    arm: str


Action = Start | Probe | SetWeights | Mirror | Drain | Remove
