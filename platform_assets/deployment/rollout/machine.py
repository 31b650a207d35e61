"""The rollout of one version over another, as a pure state machine.

Belongs here: the one function that turns (state, event) into (state, actions). Does not belong here: anything that starts a process, asks a
proxy or reads a clock. A target performs the actions in order and feeds back what happened; the same machine therefore serves every target,
and can be tested without any.

What the machine promises, whatever the order of events:

- a version is given traffic, and copies of it, only after it became ready and passed its probe;
- the weights that an action sets add up to 100, except the empty set that withdraws a first version that failed;
- copies go to a version that has no weight, and end before it gets any;
- a version is removed only when the weights last confirmed give it nothing, and it was drained if it ever had any;
- the share of a stage may be raised while it waits, and never falls but to nothing;
- a rollout that waits goes forward by a decision alone, and back to the old version by an abort at any time;
- a failure before the last weight was confirmed leads back to the old version alone; after it, forward to the new one, unless the old one
  is kept;
- a crash while it waits changes nothing: what stands is asserted again.

    starting -> ready -> shifting -> mirroring | observing | split -> shifting ... -> keeping -> draining -> retiring -> done
        |         |         |                  |                                        |
        |         |         +------------------+--> restoring -> withdrawing -+ <-------+
        +---------+-----------------------------------------> discarding <----+ -> rolled_back
                            restoring -> stuck   (the proxy takes nothing any more: both versions are kept)
"""

from __future__ import annotations

from dataclasses import replace

from platform_assets.deployment.errors import InvalidEvent, RolloutHeld
from platform_assets.deployment.rollout.actions import Action, Drain, Mirror, Probe, Remove, SetWeights, Start
from platform_assets.deployment.rollout.events import (
    Abort,
    Advance,
    ArmFailed,
    ArmReady,
    Drained,
    Event,
    HoldRollout,
    Interrupted,
    MirrorTaken,
    ProbePassed,
    ProbeRejected,
    RaiseShare,
    ReleaseHold,
    Removed,
    RolloutDecision,
    WeightsRefused,
    WeightsTaken,
)
from platform_assets.deployment.rollout.stages import AT_ONCE, FULL_WEIGHT, Plan, StageKind, check_plan, raised
from platform_assets.deployment.rollout.state import WAITS_IN, Phase, Rollout

Transition = tuple[Rollout, tuple[Action, ...]]


def begin(new: str, old: str | None, plan: Plan = AT_ONCE) -> Transition:
    """Start a rollout.

    Args:
        new: name of the arm that is coming; differs from `old`.
        old: name of the arm that serves now, None when there is none. A first arm takes all traffic at once.
        plan: the stages in order.

    Returns:
        The first state and the actions it asks for.

    Raises:
        ValueError: the plan makes no sense, see `stages.check_plan`; or new equals old.
    """
    check_plan(plan)
    if new == old:
        raise ValueError(f"the new arm has the name of the one that serves: {new}")
    return Rollout(Phase.STARTING, new, old, plan if old is not None else AT_ONCE), (Start(new),)


def next(state: Rollout, event: Event) -> Transition:
    """Answer one event.

    Args:
        state: the present state.
        event: what happened, or what somebody decided.

    Returns:
        The next state, and the actions to perform for it in order.

    Raises:
        InvalidEvent: the event has no meaning in this phase. The state given stays valid.
        RolloutHeld: it is held, and no person advances it.
    """
    if isinstance(event, Interrupted):
        after, actions = _resume(state, event.reason)
    elif state.waiting:
        after, actions = _while_waiting(state, event)
    else:
        after, actions = _under_way(state, event)
    return (after if after == state else replace(after, revision=state.revision + 1)), actions


def _under_way(state: Rollout, event: Event) -> Transition:
    """Answer an event while actions are being performed."""
    match state.phase, event:
        case Phase.STARTING, ArmReady():
            return replace(state, phase=Phase.READY), (Probe(state.new),)
        case Phase.READY, ProbePassed():
            return _enter(state, 0)
        case ((Phase.STARTING | Phase.READY), (ArmFailed(reason) | ProbeRejected(reason))):
            return replace(state, phase=Phase.DISCARDING, reason=reason), (Remove(state.new),)
        case Phase.SHIFTING, WeightsTaken(at) if state.stage.kind is not StageKind.MIRROR:
            return _after_stage(state, at)
        case Phase.SHIFTING, MirrorTaken(at) if state.stage.kind is StageKind.MIRROR:
            return _after_stage(state, at)
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
        case Phase.STUCK, Abort() as abort:
            return _restore(_decided(state, abort), state.reason)
    raise InvalidEvent(f"{type(event).__name__} has no meaning while a rollout is {state.phase}")


def _while_waiting(state: Rollout, event: Event) -> Transition:
    """Answer an event while nothing is due: decisions, and failures of what stands."""
    match event:
        case Advance(by_hand=by_hand):
            if state.held and not by_hand:
                raise RolloutHeld(
                    f"the rollout is held by {state.decided_by} ({state.decided_why}): only a person promotes it"
                )
            return _advance(replace(_decided(state, event), held=False), to_end=event.to_end)
        case Abort(reason):
            return _restore(replace(_decided(state, event), held=False), reason)
        case ArmFailed(reason) | WeightsRefused(reason):
            return _restore(replace(state, held=False), reason)
        case HoldRollout():
            return replace(_decided(state, event), held=True), ()
        case RaiseShare():
            return _raise_share(state, event)
        case ReleaseHold():
            return (replace(_decided(state, event), held=False) if state.held else state), ()
        case WeightsTaken() | MirrorTaken():
            return state, ()  # what stands was asserted again
    raise InvalidEvent(f"{type(event).__name__} has no meaning while a rollout is {state.phase}")


def _decided(state: Rollout, decision: RolloutDecision) -> Rollout:
    return replace(state, decided_by=decision.by, decided_why=decision.reason)


def _advance(state: Rollout, *, to_end: bool) -> Transition:
    if state.phase is Phase.KEEPING and state.old is not None:
        return replace(state, phase=Phase.DRAINING, since=""), (Drain(state.old),)
    return _enter(state, len(state.plan) - 1 if to_end else state.step + 1)


def _raise_share(state: Rollout, event: RaiseShare) -> Transition:
    """The same stage with a larger share; its minutes are counted from then on."""
    if state.held:
        raise RolloutHeld(
            f"the rollout is held by {state.decided_by} ({state.decided_why}): its share is raised once somebody promotes it"
        )
    if state.phase is Phase.KEEPING:
        raise InvalidEvent("the new version has all requests already: there is no share to raise")
    try:
        plan = raised(state.plan, state.step, event.percent)
    except ValueError as error:
        raise InvalidEvent(str(error)) from error
    return _enter(replace(_decided(state, event), plan=plan), state.step)


def _enter(state: Rollout, step: int) -> Transition:
    """Ask for what a stage gives the new version; copies end before it is given weight."""
    before = state.plan[step - 1].kind if step else None
    entered = replace(state, phase=Phase.SHIFTING, step=step, since="")
    had_copies = state.stage.kind is StageKind.MIRROR or before is StageKind.MIRROR
    actions = _assert_stage(entered)
    return entered, (Mirror(None), *actions) if had_copies and entered.stage.kind is not StageKind.MIRROR else actions


def _assert_stage(state: Rollout) -> tuple[Action, ...]:
    """What makes the present stage true."""
    stage = state.stage
    if stage.kind is StageKind.MIRROR:
        return (Mirror(state.new, stage.percent),)
    if stage.kind is StageKind.SPLIT:
        return (SetWeights(state.weights, state.new, stage.assignment),)
    return (SetWeights(state.weights),)


def _after_stage(state: Rollout, at: str) -> Transition:
    """What follows when the proxy has taken a stage."""
    if state.stage.observe:
        return replace(state, phase=WAITS_IN[state.stage.kind], since=at), ()
    if state.step + 1 < len(state.plan):
        return _enter(state, state.step + 1)
    if state.old is None:
        return replace(state, phase=Phase.DONE), ()
    if state.keep_minutes > 0:
        return replace(state, phase=Phase.KEEPING, since=at), ()
    return replace(state, phase=Phase.DRAINING), (Drain(state.old),)


def _restore(state: Rollout, reason: str) -> Transition:
    """Everything back to the old version, copies ended."""
    weights = {} if state.old is None else {state.old: FULL_WEIGHT}
    copied = any(stage.kind is StageKind.MIRROR for stage in state.plan)
    restoring = replace(state, phase=Phase.RESTORING, reason=reason, since="")
    return restoring, (Mirror(None), SetWeights(weights)) if copied else (SetWeights(weights),)


def _resume(state: Rollout, reason: str) -> Transition:
    """Pick up a rollout whose last action may or may not have happened; every action asked for here can be repeated."""
    if state.waiting:
        return state, _assert_stage(state)
    match state.phase:
        case Phase.STARTING | Phase.READY:
            return replace(state, phase=Phase.DISCARDING, reason=reason), (Remove(state.new),)
        case Phase.SHIFTING if state.old is None:
            return _enter(state, state.step)  # there is nothing to go back to, and this version has passed its probe
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
