"""The verbs of a rollout on this machine: processes under supervisord, traffic in Envoy.

Belongs here: each verb, with the stored state changed before it is acted on. Does not belong here: the order of the verbs (`rollout/`),
bringing the target up (`target.py`), and the formats of the process manager and the proxy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from platform_assets.declaration.sections.callers import Callers
from platform_assets.deployment.errors import StartFailed
from platform_assets.deployment.local.envoy import Envoy
from platform_assets.deployment.local.host import free_port, port_is_free
from platform_assets.deployment.local.services import Services, base_url
from platform_assets.deployment.local.state import Arm, Program, StateStore, TargetState
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.stages import Assignment
from platform_assets.deployment.rollout.state import Rollout

logger = logging.getLogger(__name__)


def first_port(target_id: str, generation: int) -> int:
    """Where the search for a free port begins: elsewhere for each target and each deployment."""
    return int(target_id[:8], 16) + generation * 7


@dataclass
class LocalSession:
    """The local target while its lock is held."""

    store: StateStore
    services: Services
    envoy: Envoy
    start_timeout_seconds: float
    drain_timeout_seconds: float

    def use_cases(self) -> tuple[str, ...]:
        """Every use case that has arms or a rollout."""
        return tuple(self.store.state.use_cases)

    def arms(self, use_case: str) -> tuple[Arm, ...]:
        """The arms of a use case, oldest first."""
        return self.store.state.use_case(use_case).arms

    def rollout(self, use_case: str) -> Rollout | None:
        """The rollout under way, or that was interrupted; None when there is none."""
        return self.store.state.use_case(use_case).rollout

    def mirrored(self, use_case: str) -> str | None:
        """The arm that gets a copy of the traffic; None when none does."""
        return self.store.state.use_case(use_case).mirror

    def record(self, use_case: str, rollout: Rollout | None) -> None:
        """Remember where a rollout stands."""
        self.store.put(self.store.state.with_rollout(use_case, rollout))

    def prepare(self, release: Release) -> str:
        """Record a new arm with ports of its own; nothing runs yet.

        Raises:
            StartFailed: the release's folder does not exist.
        """
        if not release.working_dir.is_dir():
            raise StartFailed(
                release.use_case, f"working_dir {release.working_dir} does not exist", log_path="no log", log_lines=[]
            )
        state = self.store.state
        generation = state.generation + 1
        name = f"{release.use_case}-{generation}"
        ports: list[int] = []
        for _ in range(release.processes):
            ports.append(free_port(first_port(state.target_id, generation), state.ports() | set(ports)))
        programs = tuple(Program(name=f"{name}-{index}", port=port) for index, port in enumerate(ports))
        arm = Arm(
            name=name,
            version=release.version,
            fingerprint=release.fingerprint,
            ready_path=release.ready_path,
            programs=programs,
            callers=None if release.callers == Callers() else release.callers,
        )
        self.services.describe(arm, release)
        self.store.put(state.model_copy(update={"generation": generation}).with_arm(release.use_case, arm))
        return name

    def start(self, use_case: str, arm: str) -> None:
        """Start the arm's processes and wait until every one is ready.

        Raises:
            StartFailed: one of them is not ready in time, or ended.
        """
        self._with(use_case, arm, self._start)

    def wait_ready(self, use_case: str, arm: str) -> None:
        """Wait until every process of an arm that runs, or is about to, is ready.

        Raises:
            StartFailed: one of them is not ready in time, or ended.
        """
        self._with(use_case, arm, lambda known: self.services.wait_ready(known, self.start_timeout_seconds))

    def probe(self, use_case: str, arm: str, check: Callable[[str], None]) -> None:
        """Call `check` with the base URL of each of the arm's processes, past the proxy."""
        known = self.store.state.arm(use_case, arm)
        for program in known.programs if known else ():
            check(base_url(program))

    def set_weights(
        self,
        use_case: str,
        weights: Mapping[str, int],
        treated: str | None = None,
        assignment: Assignment | None = None,
    ) -> None:
        """Give each named arm its share in percent and every other arm none, and wait until the proxy has taken it.

        Raises:
            RoutingRefused: the proxy did not take them.
        """
        self._route(self.store.state.with_weights(use_case, weights, treated, assignment))

    def mirror(self, use_case: str, arm: str | None, percent: int = 100) -> None:
        """Send a copy of so many percent of the requests to an arm whose answers nobody gets; None ends that.

        Raises:
            RoutingRefused: the proxy did not take it.
        """
        self._route(self.store.state.with_mirror(use_case, arm, percent))

    def drain(self, use_case: str, arm: str) -> None:
        """Wait until an arm without weight has no request in flight, or the time for that is over."""
        self._with(use_case, arm, self._drain)

    def remove(self, use_case: str, arm: str) -> None:
        """Take an arm without weight out of the proxy, stop its processes and forget it."""
        if self.mirrored(use_case) == arm:
            self.mirror(use_case, None)
        self._with(use_case, arm, lambda known: self._remove(use_case, known))

    def move_from_taken_ports(self, alive: Collection[str]) -> None:
        """Give programs of a stopped target another port where theirs is taken by now; not those that hold it themselves, being alive."""
        start = first_port(self.store.state.target_id, 0)
        for use_case, arm in list(self.store.state.arms()):
            moved: list[Program] = []
            for program in arm.programs:
                if program.name not in alive and not port_is_free(program.port):
                    reserved = self.store.state.ports() | {other.port for other in moved}
                    program = Program(name=program.name, port=free_port(start, reserved))
                    self.services.move(program)
                moved.append(program)
            self.store.put(self.store.state.with_arm(use_case, arm.model_copy(update={"programs": tuple(moved)})))

    def _with(self, use_case: str, name: str, perform: Callable[[Arm], None]) -> None:
        """Perform something on an arm; an arm that is gone already needs nothing done."""
        arm = self.store.state.arm(use_case, name)
        if arm is not None:
            perform(arm)

    def _start(self, arm: Arm) -> None:
        self.services.start(arm)
        self.services.wait_ready(arm, self.start_timeout_seconds)

    def _route(self, state: TargetState) -> None:
        self.store.put(state)
        self.envoy.set_clusters(state)
        self.envoy.set_routes(state)

    def _drain(self, arm: Arm) -> None:
        if not self.envoy.drain(arm.name, self.drain_timeout_seconds):
            logger.warning("%s still had requests in flight after %g s", arm.name, self.drain_timeout_seconds)

    def _remove(self, use_case: str, arm: Arm) -> None:
        hidden = arm.model_copy(update={"exposed": False, "weight": 0})
        self.envoy.set_clusters(self.store.put(self.store.state.with_arm(use_case, hidden)))
        self.services.remove(arm)
        self.store.put(self.store.state.without_arm(use_case, arm.name))
