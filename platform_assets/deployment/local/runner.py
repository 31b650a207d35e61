"""Performs what the rollout's state machine asks for, on this machine, and survives being interrupted.

Belongs here: one method per action, recording the state before each, and turning errors into events.
Does not belong here: deciding what comes next (the state machine does), and how processes or the proxy work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from platform_assets.deployment import errors
from platform_assets.deployment.local.envoy import Envoy
from platform_assets.deployment.local.services import Services, base_url
from platform_assets.deployment.local.state import Arm, TargetState, save_state
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout import machine as rollout
from platform_assets.deployment.rollout.machine import Action, Event, Rollout

logger = logging.getLogger(__name__)


@dataclass
class Store:
    """The target's state while its lock is held; every change reaches the disk before it is acted on."""

    path: Path
    state: TargetState

    def put(self, state: TargetState) -> TargetState:
        """Replace the state."""
        self.state = state
        save_state(self.path, state)
        return state


@dataclass
class Runner:
    """Takes one rollout of one use case to its end.

    Attributes:
        release: what is rolled out; None when an interrupted rollout is resumed, which never starts anything.
        timings_seconds: how long each kind of action took.
    """

    store: Store
    services: Services
    envoy: Envoy
    use_case: str
    start_timeout_seconds: float
    drain_timeout_seconds: float
    release: Release | None = None
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
        found = self.store.state.use_case(self.use_case).rollout
        if found is None:
            return
        logger.warning("resuming the rollout of %s that was interrupted while %s", self.use_case, found.phase)
        self.run(*rollout.next(found, rollout.Interrupted("the rollout was interrupted")))

    def _play(self, state: Rollout, actions: tuple[Action, ...]) -> Rollout:
        self._record(state)
        while actions:
            for action in actions:
                event = self._perform(action)
            state, actions = rollout.next(state, event)
            self._record(state)
        return state

    def _record(self, state: Rollout) -> None:
        self.store.put(self.store.state.with_rollout(self.use_case, None if state.finished else state))

    def _turn_back(self, error: BaseException) -> None:
        """Bring the rollout to a safe end after an error; what goes wrong here is told with that error."""
        state = self.store.state.use_case(self.use_case).rollout
        if state is None:
            return
        try:
            state = self._play(*rollout.next(state, _event_of(error)))
            error.add_note(f"{self.use_case}: the rollout is {state.phase}; {self._serving()}")
        except errors.RoutingRefused as refused:
            state = self.store.state.use_case(self.use_case).rollout or state
            if state.phase is rollout.Phase.RESTORING:
                self._record(rollout.next(state, rollout.WeightsRefused(str(refused)))[0])
            error.add_note(f"{self.use_case}: turning back failed too: {refused}; both versions are kept running")
        except errors.DeploymentError as second:
            error.add_note(
                f"{self.use_case}: turning back failed too: {second}; the next command on this target resumes"
            )

    def _serving(self) -> str:
        arm = self.store.state.serving(self.use_case)
        return f"version {arm.version} keeps serving" if arm else "no version is serving"

    def _perform(self, action: Action) -> Event:
        started = time.perf_counter()
        match action:
            case rollout.Start(arm):
                name, event = "start", self._with(arm, self._start, rollout.ArmReady())
            case rollout.Probe(arm):
                name, event = "probe", self._with(arm, self._probe, rollout.ProbePassed())
            case rollout.SetWeights(weights):
                state = self.store.put(self.store.state.with_weights(self.use_case, weights))
                self.envoy.set_clusters(state)
                self.envoy.set_routes(state)
                name, event = "shift", rollout.WeightsTaken()
            case rollout.Drain(arm):
                name, event = "drain", self._with(arm, self._drain, rollout.Drained())
            case rollout.Remove(arm):
                name, event = "remove", self._with(arm, self.remove, rollout.Removed())
        self.timings_seconds[name] = self.timings_seconds.get(name, 0.0) + time.perf_counter() - started
        return event

    def _with(self, name: str, perform: Callable[[Arm], None], event: Event) -> Event:
        """Perform something on an arm; an arm that is gone already needs nothing done."""
        arm = self.store.state.arm(self.use_case, name)
        if arm is not None:
            perform(arm)
        return event

    def _start(self, arm: Arm) -> None:
        self.services.start(arm)
        self.services.wait_ready(arm, self.start_timeout_seconds)

    def _probe(self, arm: Arm) -> None:
        if self.release is None or self.release.probe is None:
            return
        for program in arm.programs:
            try:
                self.release.probe(base_url(program))
            except Exception as error:
                raise errors.ProbeFailed(
                    f"{self.use_case} version {arm.version} got no traffic: its self-test at {base_url(program)} "
                    f"failed with {type(error).__name__}: {error}"
                ) from error

    def _drain(self, arm: Arm) -> None:
        if not self.envoy.drain(self.store.state, arm.name, self.drain_timeout_seconds):
            logger.warning("%s still had requests in flight after %g s", arm.name, self.drain_timeout_seconds)

    def remove(self, arm: Arm) -> None:
        """Take an arm without weight out of the proxy, stop its processes and forget it."""
        hidden = arm.model_copy(update={"exposed": False, "weight": 0})
        self.envoy.set_clusters(self.store.put(self.store.state.with_arm(self.use_case, hidden)))
        self.services.remove(arm)
        self.store.put(self.store.state.without_arm(self.use_case, arm.name))

    def withdraw(self) -> None:
        """Take the use case off the address and remove all its arms, requests in flight first."""
        self._perform(rollout.SetWeights({}))
        for arm in self.store.state.use_case(self.use_case).arms:
            self._perform(rollout.Drain(arm.name))
            self._perform(rollout.Remove(arm.name))


def _event_of(error: BaseException) -> Event:
    match error:
        case errors.StartFailed():
            return rollout.ArmFailed(str(error))
        case errors.ProbeFailed():
            return rollout.ProbeFailed(str(error))
        case errors.RoutingRefused():
            return rollout.WeightsRefused(str(error))
    return rollout.Interrupted(f"{type(error).__name__}: {error}")
