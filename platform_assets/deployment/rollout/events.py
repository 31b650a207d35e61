"""What can happen to a rollout: every action is answered by one event, and people, verdicts and watchers send others.

Belongs here: events as values. Does not belong here: what follows from one (`machine.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

WATCHER = "watcher"
"""Who takes a dead version's requests away, besides verdicts and people; in ledger and status."""


@dataclass(frozen=True)
class ArmReady:
    """Every process of the new arm answers its readiness path."""


@dataclass(frozen=True)
class ArmFailed:
    """A process of the new arm did not start, or died."""

    reason: str


@dataclass(frozen=True)
class ProbePassed:
    """The self-test found the answers right."""


@dataclass(frozen=True)
class ProbeRejected:
    """The self-test found the answers wrong, or could not run."""

    reason: str


@dataclass(frozen=True)
class WeightsTaken:
    """The proxy confirmed the weights that were last asked for, at a time (ISO 8601)."""

    at: str = ""


@dataclass(frozen=True)
class MirrorTaken:
    """The proxy confirmed whom it copies requests to, at a time (ISO 8601)."""

    at: str = ""


@dataclass(frozen=True)
class WeightsRefused:
    """The proxy rejected the weights or the mirror, or did not confirm them in time."""

    reason: str


@dataclass(frozen=True)
class Drained:
    """The arm has no request in flight any more, or the time allowed for that is over."""


@dataclass(frozen=True)
class Removed:
    """The arm's processes are gone."""


@dataclass(frozen=True)
class Interrupted:
    """Whoever performed the actions went away or was told to stop; a later controller picks up from the state."""

    reason: str


@dataclass(frozen=True)
class RolloutDecision:
    """Something that somebody decided about a rollout that waits.

    Attributes:
        reason: why, for people.
        by: who: a person's name, `verdict`, `watcher`, ...
        at: when, ISO 8601 in UTC.
    """

    reason: str
    by: str
    at: str


@dataclass(frozen=True)
class Advance(RolloutDecision):
    """On to the next stage; out of the last one, the old version goes.

    Attributes:
        by_hand: a person promotes: this also releases a rollout that is held.
        to_end: past all stages in between, to all requests.
    """

    by_hand: bool = False
    to_end: bool = False


@dataclass(frozen=True)
class Abort(RolloutDecision):
    """Back to the old version."""


@dataclass(frozen=True)
class HoldRollout(RolloutDecision):
    """Stay in this stage, whatever verdicts say."""


@dataclass(frozen=True)
class RaiseShare(RolloutDecision):
    """More for the new version in the stage that stands, which begins anew.

    Attributes:
        percent: of the requests, copied to it or answered by it; in an experiment of the entities that take part.
    """

    percent: int = 0


@dataclass(frozen=True)
class ReleaseHold(RolloutDecision):
    """Verdicts count again."""


Event = (
    ArmReady
    | ArmFailed
    | ProbePassed
    | ProbeRejected
    | WeightsTaken
    | MirrorTaken
    | WeightsRefused
    | Drained
    | Removed
    | Interrupted
    | RolloutDecision
)
