"""Performs what the rollout's state machine asks for, on any target, and survives being interrupted.

Belongs here: one call per action, recording the state before each, turning errors into events, and the commands made of rollouts (roll
out, settle, withdraw). Does not belong here: deciding what comes next (`machine.py`), and how a target does a verb.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from platform_assets.deployment import errors
from platform_assets.deployment.release import DeploymentResult, Release
from platform_assets.deployment.rollout import actions, events, machine
from platform_assets.deployment.rollout.actions import Action
from platform_assets.deployment.rollout.events import Event, RolloutDecision
from platform_assets.deployment.rollout.session import DeployedArm, TargetSession
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan, StageKind
from platform_assets.deployment.rollout.state import Phase, Rollout

logger = logging.getLogger(__name__)


def now() -> str:
    """The time in UTC, as rollouts keep it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def roll_out(session: TargetSession, release: Release, plan: Plan, address: str, since: float) -> DeploymentResult:
    """Let a release take over its use case, unless it serves already and is healthy, as far as it goes without a decision.

    Args:
        session: the target.
        release: what takes over.
        plan: the stages of its rollout.
        address: where the use case answers.
        since: when the command began, by `time.perf_counter`, for the result's total seconds.

    Raises:
        RolloutUnderWay: another release is being rolled out; nothing was changed.
        StartFailed, ProbeFailed, RoutingRefused: the rollout turned back; the old version serves as before.
    """
    use_case = release.use_case
    state, timings = session.rollout(use_case), dict[str, float]()
    if state is not None and not state.waiting:
        raise errors.RoutingRefused(
            f"an earlier rollout of {use_case} is {state.phase} and could not be finished "
            f"({state.reason}); stop the use case and deploy again"
        )
    if state is not None:
        coming = _arm(session, use_case, state.new)
        if coming is None or coming.fingerprint != release.fingerprint:
            raise errors.RolloutUnderWay(
                f"version {coming.version if coming else state.new} of {use_case} is being rolled out ({state.phase}); see "
                f"`platform-assets rollout status {use_case}`, and end it with `platform-assets rollout promote {use_case}` or "
                f"`platform-assets rollout abort {use_case}` before {release.version} is deployed"
            )
        old = _arm(session, use_case, state.old)
        changed = False
    else:
        old = serving_arm(session, use_case)
        same = old is not None and old.fingerprint == release.fingerprint
        changed = not same or old is None or not _comes_back(session, use_case, old)
        if changed:
            run = RolloutEngine(session, use_case, release.probe, timings)
            arm = session.prepare(release)
            # The same release again replaces one that is broken: there is nothing to compare it with.
            state = run.run(*machine.begin(arm, old.name if old else None, AT_ONCE if same else plan))
    timings["total"] = time.perf_counter() - since
    phase = state.phase.value if state is not None and state.waiting else None
    previous = old.version if old else None
    message = _message(release, previous, address, changed, phase)
    return DeploymentResult(use_case, release.version, previous, address, changed, message, timings, phase)


def advance(session: TargetSession, use_case: str, revision: int, decision: RolloutDecision) -> Rollout:
    """Take a rollout that waits where somebody decided, if it is still what the decision is about.

    Args:
        session: the target.
        use_case: whose rollout.
        revision: of the rollout that the decision is about.
        decision: Advance, RaiseShare, Abort, HoldRollout or ReleaseHold.

    Returns:
        The rollout: it waits again, or is over.

    Raises:
        NoRollout: there is none.
        RolloutChanged: it has gone on meanwhile; nothing was changed.
        RolloutHeld, InvalidEvent: the decision has no meaning where it stands; nothing was changed.
        RoutingRefused, TargetUnavailable: the proxy did not take it; the rollout turned back, or is stuck.
    """
    state = session.rollout(use_case)
    if state is None:
        raise errors.NoRollout(f"nothing of {use_case} is being rolled out: it is over, or never began")
    if state.revision != revision:
        by = f", by {state.decided_by}" if state.decided_by else ""
        raise errors.RolloutChanged(
            f"the rollout of {use_case} is {state.phase} at revision {state.revision}{by}, not at revision {revision} any more: "
            f"look at `platform-assets rollout status {use_case}` and decide again"
        )
    return RolloutEngine(session, use_case).run(*machine.next(state, decision))


def abort_waiting(session: TargetSession, use_case: str, why: str, by: str) -> Rollout | None:
    """Abort a rollout that waits, whatever its revision; None when there is none."""
    state = session.rollout(use_case)
    if state is None or not state.waiting:
        return None
    return advance(session, use_case, state.revision, events.Abort(why, by, now()))


def settle(session: TargetSession, use_case: str) -> None:
    """Finish what an interrupted command left of a use case; a failure is logged, for the target serves others too."""
    engine = RolloutEngine(session, use_case)
    try:
        engine.resume()
        if session.rollout(use_case) is None:
            for arm in session.arms(use_case):
                if arm.weight == 0 and arm.name != session.mirrored(use_case):
                    session.remove(use_case, arm.name)
    except errors.DeploymentError as error:
        logger.error("%s: what an interrupted command left could not be finished: %s", use_case, error)


def withdraw(session: TargetSession, use_case: str) -> None:
    """Take the use case off the address and remove all its arms, requests in flight first."""
    if session.mirrored(use_case) is not None:
        session.mirror(use_case, None)
    session.set_weights(use_case, {})
    for arm in session.arms(use_case):
        session.drain(use_case, arm.name)
        session.remove(use_case, arm.name)
    session.record(use_case, None)


def serving_arm(session: TargetSession, use_case: str) -> DeployedArm | None:
    """The arm with the most traffic, None when none has any."""
    arms = [arm for arm in session.arms(use_case) if arm.weight > 0]
    return max(arms, key=lambda arm: arm.weight, default=None)


def _comes_back(session: TargetSession, use_case: str, arm: DeployedArm) -> bool:
    """True when an arm is healthy, at once or after the start it may be in the middle of."""
    try:
        session.wait_ready(use_case, arm.name)
    except errors.StartFailed as error:
        logger.warning("version %s is recorded but not healthy and is deployed anew: %s", arm.version, error)
        return False
    return True


def _stands(session: TargetSession, use_case: str, state: Rollout) -> bool:
    """Whether the target remembers what the present stage asks for: what it remembers it asserts when it is brought up."""
    weights = {arm.name: arm.weight for arm in session.arms(use_case) if arm.weight}
    copied = state.new if state.stage.kind is StageKind.MIRROR else None
    return weights == dict(state.weights) and session.mirrored(use_case) == copied


def _arm(session: TargetSession, use_case: str, name: str | None) -> DeployedArm | None:
    return next((arm for arm in session.arms(use_case) if arm.name == name), None)


def _message(release: Release, previous: str | None, address: str, changed: bool, phase: str | None) -> str:
    """One sentence for a person about what a deployment did."""
    version = f"version {release.version} of {release.use_case}"
    if phase is not None:
        words = "is rolled out beside" if changed else "is being rolled out already beside"
        return f"{version} {words} {previous} at {address} ({phase}); see `platform-assets rollout status {release.use_case}`"
    if not changed:
        return f"{version} already serves at {address}; nothing was changed"
    return f"{version} serves at {address}" if previous is None else f"{version} took over from {previous} at {address}"


@dataclass
class RolloutEngine:
    """Takes one rollout of one use case to its end.

    Attributes:
        session: the target.
        use_case: whose rollout.
        check: the self-test of a process; None skips it. A resumed rollout starts nothing and needs none.
        timings_seconds: how long each kind of action took.
        clock: the time, as rollouts keep it.
    """

    session: TargetSession
    use_case: str
    check: Callable[[str], None] | None = None
    timings_seconds: dict[str, float] = field(default_factory=dict)
    clock: Callable[[], str] = now

    def run(self, state: Rollout, due: tuple[Action, ...]) -> Rollout:
        """Perform actions and those that follow from them until none is left: the rollout waits for a decision, or is over.

        Raises:
            StartFailed, ProbeFailed, RoutingRefused: the rollout turned back; the old version serves as before.
            BaseException: whatever stopped it (an interrupt by the user too), after the rollout turned back.
        """
        try:
            return self._play(state, due)
        except BaseException as error:
            self._turn_back(error)
            raise

    def resume(self) -> None:
        """Take an interrupted rollout to an end, if there is one."""
        interrupted = self.session.rollout(self.use_case)
        if interrupted is None:
            return
        if interrupted.waiting and _stands(self.session, self.use_case, interrupted):
            return
        if not interrupted.waiting:
            logger.warning("resuming the rollout of %s that was interrupted while %s", self.use_case, interrupted.phase)
        self.run(*machine.next(interrupted, events.Interrupted("the rollout was interrupted")))

    def _play(self, state: Rollout, due: tuple[Action, ...]) -> Rollout:
        self._record(state)
        while due:
            for action in due:
                event = self._perform(action)
            state, due = machine.next(state, event)
            self._record(state)
        return state

    def _record(self, state: Rollout) -> None:
        self.session.record(self.use_case, None if state.finished else state)

    def _turn_back(self, error: BaseException) -> None:
        """Bring the rollout to a safe end after an error; what goes wrong on the way is noted on that error."""
        state = self.session.rollout(self.use_case)
        if state is None:
            return
        try:
            state = self._play(*machine.next(state, _event_of(error)))
            error.add_note(f"{self.use_case}: the rollout is {state.phase}; {self._serving()}")
        except errors.RoutingRefused as refused:
            state = self.session.rollout(self.use_case) or state
            if state.phase is Phase.RESTORING:
                self._record(machine.next(state, events.WeightsRefused(str(refused)))[0])
            error.add_note(f"{self.use_case}: turning back failed too: {refused}; both versions are kept running")
        except errors.DeploymentError as second:
            error.add_note(
                f"{self.use_case}: turning back failed too: {second}; the next command on this target resumes"
            )

    def _serving(self) -> str:
        arm = serving_arm(self.session, self.use_case)
        return f"version {arm.version} keeps serving" if arm else "no version is serving"

    def _perform(self, action: Action) -> Event:
        started = time.perf_counter()
        event: Event
        match action:
            case actions.Start(arm):
                self.session.start(self.use_case, arm)
                name, event = "start", events.ArmReady()
            case actions.Probe(arm):
                self._probe(arm)
                name, event = "probe", events.ProbePassed()
            case actions.SetWeights(weights, treated, assignment):
                self.session.set_weights(self.use_case, weights, treated, assignment)
                name, event = "shift", events.WeightsTaken(self.clock())
            case actions.Mirror(mirrored, percent):
                self.session.mirror(self.use_case, mirrored, percent)
                name, event = "mirror", events.MirrorTaken(self.clock())
            case actions.Drain(arm):
                self.session.drain(self.use_case, arm)
                name, event = "drain", events.Drained()
            case actions.Remove(arm):
                self.session.remove(self.use_case, arm)
                name, event = "remove", events.Removed()
        self.timings_seconds[name] = self.timings_seconds.get(name, 0.0) + time.perf_counter() - started
        return event

    def _probe(self, name: str) -> None:
        check = self.check
        if check is None:
            return
        version = next((arm.version for arm in self.session.arms(self.use_case) if arm.name == name), name)

        def checked(url: str) -> None:
            try:
                check(url)
            except Exception as error:
                raise errors.ProbeFailed(
                    f"{self.use_case} version {version} got no traffic: its self-test at {url} "
                    f"failed with {type(error).__name__}: {error}"
                ) from error

        self.session.probe(self.use_case, name, checked)


def _event_of(error: BaseException) -> Event:
    match error:
        case errors.StartFailed():
            return events.ArmFailed(str(error))
        case errors.ProbeFailed():
            return events.ProbeRejected(str(error))
        case errors.RoutingRefused():
            return events.WeightsRefused(str(error))
    return events.Interrupted(f"{type(error).__name__}: {error}")
