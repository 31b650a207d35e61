"""The rollout of one version over another, as a pure state machine.

Belongs here: phases, events, actions and the one function that turns (state, event) into (state, actions). Does not
belong here: anything that starts a process, asks a proxy or reads a clock. A target performs the actions in order and
feeds back what happened; the same machine therefore serves every target, and can be tested without any.

What the machine promises, whatever the order of events:

- a version is given traffic only after it became ready and passed its probe;
- the weights that an action sets add up to 100, except the empty set that withdraws a first version that failed;
- a version is removed only when the weights last confirmed give it nothing, and it was drained if it ever had any;
- a failure before the last weight was confirmed leads back to the old version alone; after it, forward to the new one.

    starting -> ready -> shifting -> draining -> retiring -> done
        |         |         |
        |         |         +-> restoring -> withdrawing -+
        +---------+------------------------> discarding <-+ -> rolled_back
                            restoring -> stuck   (the proxy takes nothing any more: both versions are kept)

Weights are whole percents. A step list such as (5, 25, 100) is a canary; (100,) is a plain replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from platform_assets.deployment.errors import InvalidEvent
from platform_assets.deployment.rollout.strategy import FULL_WEIGHT, check_steps


class Phase(StrEnum):
    """Where a rollout stands."""

    STARTING = "starting"  # the new version's processes are coming up
    READY = "ready"  # they answer; the probe decides whether they answer correctly
    SHIFTING = "shifting"  # weights move, one step at a time
    DRAINING = "draining"  # the old version has no weight; its last requests finish
    RETIRING = "retiring"  # the old version is being removed
    RESTORING = "restoring"  # something failed under way: all weight goes back to the old version
    WITHDRAWING = "withdrawing"  # the new version has no weight again; its last requests finish
    DISCARDING = "discarding"  # the new version is being removed
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"  # weights could not be confirmed either way: nothing is removed, an Interrupted event retries


FINAL = frozenset({Phase.DONE, Phase.ROLLED_BACK})


@dataclass(frozen=True)
class Rollout:
    """The whole state: small, comparable and storable.

    Attributes:
        phase: where the rollout stands.
        new: name of the arm that is coming.
        old: name of the arm that serves now, None for a first deployment.
        steps: the new arm's weight in percent after each step; strictly rising, the last one 100.
        step: index of the step being taken.
        reason: why the rollout turned back, empty while it has not.
    """

    phase: Phase
    new: str
    old: str | None
    steps: tuple[int, ...]
    step: int = 0
    reason: str = ""

    @property
    def finished(self) -> bool:
        """True when no action is left to perform."""
        return self.phase in FINAL


# What happened. Every action is answered by exactly one event.
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
    """The proxy confirmed the weights that were last asked for."""


@dataclass(frozen=True)
class WeightsRefused:
    """The proxy rejected the weights, or did not confirm them in time."""

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


Event = (
    ArmReady | ArmFailed | ProbePassed | ProbeRejected | WeightsTaken | WeightsRefused | Drained | Removed | Interrupted
)


# What to do.
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
    """Give each named arm its weight in percent, every other arm none, and wait until the proxy has taken it."""

    weights: Mapping[str, int]


@dataclass(frozen=True)
class Drain:
    """Wait until the arm has no request in flight."""

    arm: str


@dataclass(frozen=True)
class Remove:
    """Stop the arm's processes and forget it."""

    arm: str


Action = Start | Probe | SetWeights | Drain | Remove
Transition = tuple[Rollout, tuple[Action, ...]]


def begin(new: str, old: str | None, steps: tuple[int, ...] = (FULL_WEIGHT,)) -> Transition:
    """Start a rollout.

    Args:
        new: name of the arm that is coming; differs from `old`.
        old: name of the arm that serves now, None when there is none. A first arm takes all traffic in one step.
        steps: the new arm's weight in percent after each step; strictly rising within 1..100, the last one 100.

    Returns:
        The first state and the actions it asks for.

    Raises:
        ValueError: steps are empty, do not rise, leave the range or do not end at 100; or new equals old.
    """
    check_steps(steps)
    if new == old:
        raise ValueError(f"the new arm has the name of the one that serves: {new}")
    state = Rollout(Phase.STARTING, new, old, steps if old is not None else (FULL_WEIGHT,))
    return state, (Start(new),)


def next(state: Rollout, event: Event) -> Transition:
    """Answer one event.

    Args:
        state: the present state.
        event: what happened.

    Returns:
        The next state, and the actions to perform for it in order.

    Raises:
        InvalidEvent: the event has no meaning in this phase. The state given stays valid.
    """
    if isinstance(event, Interrupted):
        return _resume(state, event.reason)
    match state.phase, event:
        case Phase.STARTING, ArmReady():
            return replace(state, phase=Phase.READY), (Probe(state.new),)
        case Phase.READY, ProbePassed():
            return _shift(replace(state, phase=Phase.SHIFTING, step=0))
        case ((Phase.STARTING | Phase.READY), (ArmFailed(reason) | ProbeRejected(reason))):
            return replace(state, phase=Phase.DISCARDING, reason=reason), (Remove(state.new),)
        case Phase.SHIFTING, WeightsTaken():
            return _after_step(state)
        case Phase.SHIFTING, (WeightsRefused(reason) | ArmFailed(reason)):
            return _restore(state, reason)
        case Phase.DRAINING, Drained() if state.old is not None:
            return replace(state, phase=Phase.RETIRING), (Remove(state.old),)
        case Phase.RETIRING, Removed():
            return replace(state, phase=Phase.DONE), ()
        case Phase.RESTORING, WeightsTaken():
            return replace(state, phase=Phase.WITHDRAWING), (Drain(state.new),)
        case Phase.RESTORING, WeightsRefused(reason):
            return replace(state, phase=Phase.STUCK, reason=f"{state.reason}; then {reason}"), ()
        case Phase.WITHDRAWING, Drained():
            return replace(state, phase=Phase.DISCARDING), (Remove(state.new),)
        case Phase.DISCARDING, Removed():
            return replace(state, phase=Phase.ROLLED_BACK), ()
    raise InvalidEvent(f"{type(event).__name__} has no meaning while a rollout is {state.phase}")


def _shift(state: Rollout) -> Transition:
    """Ask for the weights of the present step; arms without weight are left out."""
    share = state.steps[state.step]
    weights = {state.new: share}
    if state.old is not None and share < FULL_WEIGHT:
        weights[state.old] = FULL_WEIGHT - share
    return state, (SetWeights(weights),)


def _after_step(state: Rollout) -> Transition:
    if state.step + 1 < len(state.steps):
        return _shift(replace(state, step=state.step + 1))
    if state.old is None:
        return replace(state, phase=Phase.DONE), ()
    return replace(state, phase=Phase.DRAINING), (Drain(state.old),)


def _restore(state: Rollout, reason: str) -> Transition:
    weights = {} if state.old is None else {state.old: FULL_WEIGHT}
    return replace(state, phase=Phase.RESTORING, reason=reason), (SetWeights(weights),)


def _resume(state: Rollout, reason: str) -> Transition:
    """Pick up a rollout whose last action may or may not have happened; every action asked for here can be repeated."""
    match state.phase:
        case Phase.STARTING | Phase.READY:
            return replace(state, phase=Phase.DISCARDING, reason=reason), (Remove(state.new),)
        case Phase.SHIFTING if state.old is None:
            return _shift(state)  # there is nothing to go back to, and this version has passed its probe
        case Phase.SHIFTING:
            return _restore(state, reason)
        case Phase.RESTORING | Phase.STUCK:
            return _restore(state, state.reason)
        case Phase.DRAINING if state.old is not None:
            return state, (Drain(state.old),)
        case Phase.RETIRING if state.old is not None:
            return state, (Remove(state.old),)
        case Phase.WITHDRAWING:
            return state, (Drain(state.new),)
        case Phase.DISCARDING:
            return state, (Remove(state.new),)
    raise InvalidEvent(f"a rollout that is {state.phase} cannot be interrupted")
