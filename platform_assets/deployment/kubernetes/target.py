"""The Kubernetes target as its users see it: deploy, look, stop.

Belongs here: the public commands, each under the namespace's Lease, and bringing the target up from what an earlier command left. Does not
belong here: the verbs of a rollout (`session.py`) and their order (`rollout/`), what the objects are (`manifests/`, `routes/`), and asking
the API (`client.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from platform_assets.deployment.callers import CallerAccess
from platform_assets.deployment.errors import DeploymentError, StartFailed, StopFailed, TargetUnavailable
from platform_assets.deployment.kubernetes import lease, naming
from platform_assets.deployment.kubernetes.archives import ReleaseArchives, left_over
from platform_assets.deployment.kubernetes.arms import POD_ADDRESS
from platform_assets.deployment.kubernetes.client import Body, ClusterClient, connected
from platform_assets.deployment.kubernetes.counters import GatewayCounters, prometheus_text
from platform_assets.deployment.kubernetes.gateway import SeenGateway, use_case_path
from platform_assets.deployment.kubernetes.kinds import AUTOSCALER, DEPLOYMENT, POD, ROUTES_OF
from platform_assets.deployment.kubernetes.manifests.configuration import environment_secret
from platform_assets.deployment.kubernetes.manifests.deployment import beside, deployment
from platform_assets.deployment.kubernetes.orphans import delete_orphans, orphans
from platform_assets.deployment.kubernetes.pods import ArmPods
from platform_assets.deployment.kubernetes.routes.registry import routes_of
from platform_assets.deployment.kubernetes.routing import Routing
from platform_assets.deployment.kubernetes.session import END_SECONDS, KubernetesSession, Ship
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.state import BesideState, ClusterState, StateMap
from platform_assets.deployment.kubernetes.status import ClusterStatus, use_case_status
from platform_assets.deployment.kubernetes.translate import beside_command
from platform_assets.deployment.release import DeploymentResult, Release
from platform_assets.deployment.rollout import engine
from platform_assets.deployment.rollout.events import RolloutDecision
from platform_assets.deployment.rollout.stages import AT_ONCE, Plan
from platform_assets.deployment.rollout.state import Rollout
from platform_assets.deployment.rollout.view import CounterBlock, RolloutView
from platform_assets.deployment.target import BESIDE

logger = logging.getLogger(__name__)

LOCK_SECONDS = 300.0


class KubernetesTarget:
    """Pods of one namespace behind one Gateway. Commands on the namespace take turns, wherever they run.

    What is remembered is in the namespace too, so that any machine which may ask its API can go on with a rollout that another began.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        ship: Ship,
        *,
        archives: ReleaseArchives | None = None,
        callers: CallerAccess | None = None,
        client: ClusterClient | None = None,
        lock_timeout_seconds: float = LOCK_SECONDS,
    ) -> None:
        """Describe a target; nothing is asked or changed.

        Args:
            settings: which cluster, and what is meant on it.
            ship: puts a release's folder where pods fetch it from.
            archives: what is remembered of releases that were put there; None where somebody else keeps them.
            callers: whether callers are to be checked, which this target leaves to the Gateway.
            client: asks the API; None for one by the settings.
            lock_timeout_seconds: the longest to wait for another command.
        """
        self.settings, self._ship, self._archives, self._callers = settings, ship, archives, callers
        self._given_client, self._lock_timeout_seconds = client, lock_timeout_seconds

    def address(self, use_case: str | None = None) -> str:
        """Base URL without a trailing slash: of a use case, or of the whole target."""
        return self.settings.address + ("" if use_case is None else use_case_path(use_case))

    def status(self) -> ClusterStatus:
        """Look at the target without changing anything or waiting for other commands.

        Raises:
            StateUnreadable: what the target remembers is damaged.
            ClusterRefused: the API does not answer, or refuses.
        """
        state = StateMap(self._client).load()
        by_arm: dict[str, list[Body]] = {}
        for pod in self._client.items(POD, naming.OURS):
            by_arm.setdefault(pod["metadata"].get("labels", {}).get(naming.ARM_LABEL, ""), []).append(pod)
        names = state.use_cases if state else {}
        use_cases = {
            name: use_case_status(state, name, self.address(name), lambda arm: by_arm.get(arm, []))
            for name in names
            if state
        }
        stopped = state is None or state.stopped
        answering = self._gateway.answers() is not None
        return ClusterStatus(
            running=not stopped and answering,
            address=self.address(),
            resident_bytes={},
            use_cases=use_cases,
            problems=() if state is None else tuple(self._problems(state, answering)),
            callers="callers are not checked by this target: let the Gateway do it (docs/operations/kubernetes.md)",
            namespace=self.settings.namespace,
            stopped=stopped,
        )

    @contextmanager
    def session(self) -> Iterator[KubernetesSession]:
        """Hold the namespace's Lease and bring the target up.

        Raises:
            TargetBusy: another command on this namespace did not end in time.
            StateUnreadable: what the target remembers is damaged.
            TargetUnavailable: the API does not answer, or refuses.
        """
        with self._locked() as session:
            self._bring_up(session)
            yield session

    def ensure_running(self) -> ClusterStatus:
        """Bring back what was stopped, finish what was interrupted, and wait until the pods answer; what runs is left alone.

        Raises:
            TargetBusy, StateUnreadable, TargetUnavailable: see `session`.
        """
        with self.session() as session:
            for use_case, arm in session.store.state.arms():
                try:
                    session.wait_ready(use_case, arm.name)
                except StartFailed as error:
                    logger.warning("%s", error)
        return self.status()

    def deploy(self, release: Release, plan: Plan = AT_ONCE) -> DeploymentResult:
        """Let a release take over its use case without losing a request. Other use cases are not touched.

        Raises:
            RolloutUnderWay: another release is being rolled out; nothing was changed.
            StartFailed: the new version cannot start; says why, with the last lines of its log.
            ProbeFailed: it gave wrong answers.
            RoutingRefused: the gateway did not take the new weights.
            InvalidRelease, ShippingFailed, TargetBusy, StateUnreadable, TargetUnavailable: nothing was changed.
        """
        started = time.perf_counter()
        if self._callers is not None and self._callers.checked:
            raise TargetUnavailable(
                "PLATFORM_ASSETS_CALLERS is on, and this target does not check callers: have the Gateway do it (with Envoy Gateway: a "
                "SecurityPolicy on the HTTPRoute), and leave the setting out"
            )
        problem = self._gateway.problem_that_stays()
        if problem is not None:
            raise TargetUnavailable(f"{problem}; nothing was changed")
        with self.session() as session:
            return engine.roll_out(session, release, plan, self.address(release.use_case), started)

    def rollout(self, use_case: str) -> RolloutView | None:
        """What is being rolled out, without changing anything or waiting for other commands; None when nothing is.

        Raises:
            StateUnreadable: what the target remembers is damaged.
        """
        state = StateMap(self._client).load()
        return None if state is None else state.use_case(use_case).view(use_case)

    def advance(self, use_case: str, revision: int, decision: RolloutDecision) -> Rollout:
        """Take a rollout that waits where somebody decided, if it is still at the revision that the decision is about.

        Raises:
            NoRollout, RolloutChanged, RolloutHeld, InvalidEvent: nothing was changed.
            RoutingRefused: the gateway did not take it; the rollout turned back, or is stuck.
            TargetBusy, StateUnreadable, TargetUnavailable: see `session`.
        """
        with self.session() as session:
            return engine.advance(session, use_case, revision, decision)

    def counters(self, use_case: str) -> Sequence[CounterBlock]:
        """What the gateway counted of both arms while the rollout under way waited, oldest first; each look ends a block.

        Raises:
            TargetUnavailable: the gateway or the API does not answer.
        """
        view = self.rollout(use_case)
        if view is None:
            return ()
        return self._counters.look(use_case, view.rollout.new, [arm.name for arm in view.arms])

    def stop(self, use_case: str) -> bool:
        """Take one use case off the address and end its pods, after their last requests; False when it was not deployed."""
        state = StateMap(self._client).load()
        if state is None or not state.use_case(use_case).arms:
            return False
        with self._locked() as session:
            if session.store.state.stopped:
                self._forget(session, use_case)
            else:
                engine.withdraw(self._bring_up(session), use_case)
            self._counters.forget(use_case)
            return True

    def stop_all(self) -> None:
        """End every pod of this target and verify that none is left; what was deployed stays recorded. Safe when nothing runs.

        Raises:
            StopFailed: pods are left.
            TargetBusy, StateUnreadable, TargetUnavailable: see `session`.
        """
        if StateMap(self._client).load() is None:
            return
        with self._locked() as session:
            state = session.store.put(session.store.state.model_copy(update={"stopped": True}))
            for use_case in state.use_cases:
                session.routing.withdraw(use_case)
            running = self._running_deployments()
            for use_case, arm in state.arms():
                if arm.name in running:
                    self._client.delete(AUTOSCALER, arm.name)  # it would start pods again
                    self._client.apply(deployment(arm.spec(use_case), self.settings, 0), force=True)
            for one in state.beside.values():
                if one.object_name in running:
                    self._client.apply(beside(one.spec(), self.settings, 0), force=True)
            seconds = self.settings.drain_seconds + END_SECONDS
            left = session.pods.wait_gone(_PODS, seconds)
            if left:
                raise StopFailed(f"{', '.join(left)} in {self.settings.namespace} did not end in {seconds:.0f} s")

    def prune(self, *, remove: bool) -> Sequence[str]:
        """Name what has the target's mark in the namespace and nothing recorded owns, and archives beyond those that are kept.

        Both are deleted where that is asked for; a rollout that ends deletes such archives by itself.

        Raises:
            TargetBusy, StateUnreadable, TargetUnavailable: see `session`.
        """
        if not remove:
            store = StateMap(self._client)
            found = orphans(self._client, store.load() or ClusterState())
            return [*map(str, found), *self._archives_left(store, remove=False)]
        with self._locked() as session:
            found = orphans(self._client, session.store.state)
            delete_orphans(self._client, found)
            return [*map(str, found), *self._archives_left(session.store, remove=True)]

    def keep_beside(self, name: str, command: Sequence[str], environment: Mapping[str, str], working_dir: Path) -> Path:
        """Keep a process running that answers no requests, as a Deployment of one pod; its name begins with `beside-`.

        Returns:
            What `kubectl logs` calls its log.

        Raises:
            InvalidRelease: it names something that pods do not have.
            TargetBusy, StateUnreadable, TargetUnavailable: see `session`.
        """
        if not name.startswith(BESIDE):
            raise ValueError(f"a process beside the services is called {BESIDE}..., not {name!r}")
        told = beside_command(name, command, environment, working_dir, self.settings)
        addressed = {key: value for key, value in told.environment.items() if POD_ADDRESS in value}
        one = BesideState(
            name=name,
            object_name=naming.dns_label(name),
            command=told.command,
            working_dir=told.working_dir,
            addressed=addressed,
        )
        with self.session() as session:
            state = session.store.state
            if name in state.beside:  # its Secret cannot be changed
                session.delete(one.object_name)
            session.store.put(state.model_copy(update={"beside": {**state.beside, name: one}}))
            self._client.apply(environment_secret(one.spec(told.environment), self.settings))
            session.ensure_account()
            self._client.apply(beside(one.spec(), self.settings))
        return Path(f"deployment/{one.object_name}")

    def end_beside(self, name: str) -> bool:
        """Stop a process beside the services and forget it; False when it was not known."""
        known = StateMap(self._client).load()
        if known is None or name not in known.beside:
            return False
        with self._locked() as session:
            state = session.store.state
            one = state.beside.get(name)
            if one is None:
                return False
            session.delete(one.object_name)
            others = {key: value for key, value in state.beside.items() if key != name}
            session.store.put(state.model_copy(update={"beside": others}))
            return True

    def _archives_left(self, store: StateMap, *, remove: bool) -> list[str]:
        return left_over(self._archives, store.target_id, store.state.archive_digests(), remove=remove)

    @cached_property
    def _client(self) -> ClusterClient:
        return self._given_client or connected(self.settings)

    @cached_property
    def _gateway(self) -> SeenGateway:
        return SeenGateway(self._client, self.settings)

    @cached_property
    def _counters(self) -> GatewayCounters:
        url = self.settings.gateway_metrics
        return GatewayCounters(self._client, None if url is None else lambda: prometheus_text(url))

    @cached_property
    def _routing(self) -> Routing:
        name = f"{self.settings.gateway_namespace}/{self.settings.gateway}"
        kinds = ROUTES_OF[self.settings.routes]
        return Routing(self._client, routes_of(self.settings), kinds, self._gateway.leads, name)

    @contextmanager
    def _locked(self) -> Iterator[KubernetesSession]:
        """A session while the Lease is held; nothing is brought up."""
        with lease.held(self._client, self._lock_timeout_seconds) as lost:
            yield self._session(lost)

    def _session(self, lost: threading.Event) -> KubernetesSession:
        store = StateMap(self._client)
        store.load()
        pods = ArmPods(self._client, self.settings.start_timeout_seconds)
        return KubernetesSession(
            self.settings, self._client, store, pods, self._routing, self._counters, self._ship, lost, self._archives
        )

    def _bring_up(self, session: KubernetesSession) -> KubernetesSession:
        """Have everything run that is recorded, and finish what was interrupted. A failure is logged, for the target serves others too."""
        state, running = session.store.state, self._running_deployments()
        for use_case, arm in state.arms():
            if arm.name in state.kept_arms(use_case) and arm.name not in running:
                with _logged(use_case):
                    session.start(use_case, arm.name)
        for one in state.beside.values():
            if one.object_name not in running:
                with _logged(one.name):
                    self._client.apply(beside(one.spec(), self.settings))
        for use_case, stored in state.use_cases.items():
            if session.routing.missing(use_case, stored):
                with _logged(use_case):
                    session.routing.put(use_case, stored)
        if state.stopped:
            session.store.put(state.model_copy(update={"stopped": False}))
        for use_case in session.use_cases():
            engine.settle(session, use_case)
        return session

    def _forget(self, session: KubernetesSession, use_case: str) -> None:
        """Delete what is left of a use case while the target is stopped."""
        for arm in session.arms(use_case):
            session.delete(arm.name)
            session.store.put(session.store.state.without_arm(use_case, arm.name))
        session.store.put(session.store.state.with_rollout(use_case, None))

    def _running_deployments(self) -> set[str]:
        found = self._client.items(DEPLOYMENT, naming.OURS)
        return {one["metadata"]["name"] for one in found if one["spec"].get("replicas", 1)}

    def _problems(self, state: ClusterState, answering: bool) -> Iterator[str]:
        gateway = self._gateway.problem()
        if gateway is not None:
            yield gateway
        elif not answering:
            yield (
                f"nothing answers at {self.address()} (`address` in PLATFORM_ASSETS_KUBERNETES): does the Gateway have an address that "
                "this machine reaches (`kubectl get gateway -A`)?"
            )
        if not state.stopped:
            for use_case, stored in state.use_cases.items():
                refusal = self._routing.refusal(use_case, stored)
                if refusal is not None:
                    yield f"{use_case}: requests may go by older weights: {refusal}"
        lost = orphans(self._client, state)
        if lost:
            yield f"{len(lost)} objects belong to nothing recorded; `platform-assets target prune` names them, with `--yes` it removes them"


@contextmanager
def _logged(name: str) -> Iterator[None]:
    """Log a failure: the target serves others too, and the status shows it."""
    try:
        yield
    except DeploymentError as error:
        logger.error("%s: %s", name, error)


_PODS = f"{naming.OURS},{naming.COMPONENT_LABEL} in ({naming.SERVICE},{naming.BESIDE})"
