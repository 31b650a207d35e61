"""Performs what the rollout's state machine asks for, on any target, and survives being interrupted.

Belongs here: one call per action, recording the state before each, turning errors into events, and the commands made of rollouts (roll
out, settle, withdraw). Does not belong here: deciding what comes next (`machine.py`), and how a target does a verb.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from platform_assets.deployment import errors
from platform_assets.deployment.release import DeploymentResult, Release
from platform_assets.deployment.rollout import machine
from platform_assets.deployment.rollout.machine import Action, Event, Rollout
from platform_assets.deployment.rollout.session import DeployedArm, TargetSession
from platform_assets.deployment.rollout.strategy import Strategy

logger = logging.getLogger(__name__)


def roll_out(
    session: TargetSession, release: Release, strategy: Strategy, address: str, since: float
) -> DeploymentResult:
    """Let a release take over its use case, unless it serves already and is healthy.

    Args:
        session: the target.
        release: what takes over.
        strategy: how its traffic grows.
        address: where the use case answers.
        since: when the command began, by `time.perf_counter`, for the result's total seconds.

    Raises:
        StartFailed, ProbeFailed, RoutingRefused: the rollout turned back; the old version serves as before.
    """
    use_case = release.use_case
    unsettled = session.rollout(use_case)
    if unsettled is not None:
        raise errors.RoutingRefused(
            f"an earlier rollout of {use_case} is {unsettled.phase} and could not be finished "
            f"({unsettled.reason}); stop the use case and deploy again"
        )
    old = serving_arm(session, use_case)
    changed = old is None or old.fingerprint != release.fingerprint or not _comes_back(session, use_case, old)
    timings: dict[str, float] = {}
    if changed:
        engine = RolloutEngine(session, use_case, release.probe, timings)
        arm = session.prepare(release)
        engine.run(*machine.begin(arm, old.name if old else None, strategy.steps))
    timings["total"] = time.perf_counter() - since
    previous = old.version if old else None
    message = _message(release, previous, address, changed)
    return DeploymentResult(use_case, release.version, previous, address, changed, message, timings)


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


def _message(release: Release, previous: str | None, address: str, changed: bool) -> str:
    """One sentence for a person about what a deployment did."""
    version = f"version {release.version} of {release.use_case}"
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
    """

    session: TargetSession
    use_case: str
    check: Callable[[str], None] | None = None
    timings_seconds: dict[str, float] = field(default_factory=dict)

    def run(self, state: Rollout, actions: tuple[Action, ...]) -> Rollout:
        """Perform actions and those that follow from them until none is left.

        Raises:
            StartFailed, ProbeFailed, RoutingRefused: the rollout turned back; the old version serves as before.
            BaseException: whatever stopped it (an interrupt by the user too), after the rollout turned back.
        """
        try:
            return self._play(state, actions)
        except BaseException as error:
            self._turn_back(error)
            raise

    def resume(self) -> None:
        """Take an interrupted rollout to an end, if there is one."""
        interrupted = self.session.rollout(self.use_case)
        if interrupted is None:
            return
        logger.warning("resuming the rollout of %s that was interrupted while %s", self.use_case, interrupted.phase)
        self.run(*machine.next(interrupted, machine.Interrupted("the rollout was interrupted")))

    def _play(self, state: Rollout, actions: tuple[Action, ...]) -> Rollout:
        self._record(state)
        while actions:
            for action in actions:
                event = self._perform(action)
            state, actions = machine.next(state, event)
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
            if state.phase is machine.Phase.RESTORING:
                self._record(machine.next(state, machine.WeightsRefused(str(refused)))[0])
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
            case machine.Start(arm):
                self.session.start(self.use_case, arm)
                name, event = "start", machine.ArmReady()
            case machine.Probe(arm):
                self._probe(arm)
                name, event = "probe", machine.ProbePassed()
            case machine.SetWeights(weights):
                self.session.set_weights(self.use_case, weights)
                name, event = "shift", machine.WeightsTaken()
            case machine.Drain(arm):
                self.session.drain(self.use_case, arm)
                name, event = "drain", machine.Drained()
            case machine.Remove(arm):
                self.session.remove(self.use_case, arm)
                name, event = "remove", machine.Removed()
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
            return machine.ArmFailed(str(error))
        case errors.ProbeFailed():
            return machine.ProbeRejected(str(error))
        case errors.RoutingRefused():
            return machine.WeightsRefused(str(error))
    return machine.Interrupted(f"{type(error).__name__}: {error}")
