"""The verbs of a rollout on a cluster: pods behind Deployments, requests led by routes.

Belongs here: each verb, with the stored state changed before it is acted on, and which objects an arm has. Does not belong here: the order
of the verbs (`rollout/`), bringing the target up (`target.py`), and what the objects say (`manifests/`, `routes/`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platform_assets.declaration.sections.callers import Callers
from platform_assets.deployment.errors import DeploymentError, StartFailed, StopFailed, TargetBusy
from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.api_errors import ClusterRefused
from platform_assets.deployment.kubernetes.archives import ReleaseArchives
from platform_assets.deployment.kubernetes.arms import POD_ADDRESS, StoredArchive
from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.counters import GatewayCounters
from platform_assets.deployment.kubernetes.drain import drain_pods
from platform_assets.deployment.kubernetes.kinds import DEPLOYMENT, OF_ARMS, SECRET, SERVICE_ACCOUNT
from platform_assets.deployment.kubernetes.manifests.access import network_policy, service, service_account
from platform_assets.deployment.kubernetes.manifests.configuration import environment_secret
from platform_assets.deployment.kubernetes.manifests.deployment import deployment
from platform_assets.deployment.kubernetes.manifests.scaling import autoscaler, disruption_budget
from platform_assets.deployment.kubernetes.pods import ArmPods, is_ready
from platform_assets.deployment.kubernetes.reach import reached
from platform_assets.deployment.kubernetes.routing import Routing
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.kubernetes.state import ClusterArm, ClusterState, StateMap
from platform_assets.deployment.kubernetes.translate import pod_command
from platform_assets.deployment.release import Release
from platform_assets.deployment.rollout.stages import Assignment
from platform_assets.deployment.rollout.state import Rollout

logger = logging.getLogger(__name__)

END_SECONDS = 90.0
"""Beyond `drain_seconds`: a pod's own time to end, and the kubelet's."""
Ship = Callable[[Path], StoredArchive]
"""Puts a release's folder where pods fetch it from."""


@dataclass
class KubernetesSession:
    """The target while its Lease is held.

    Attributes:
        store: what the target remembers.
        lost: set when another command took the Lease.
        archives: what is remembered of releases that were put there; None where somebody else keeps them.
    """

    settings: ClusterSettings
    client: ClusterClient
    store: StateMap
    pods: ArmPods
    routing: Routing
    counters: GatewayCounters
    ship: Ship
    lost: threading.Event
    archives: ReleaseArchives | None = None

    def use_cases(self) -> tuple[str, ...]:
        """Every use case that has arms or a rollout."""
        return tuple(self.store.state.use_cases)

    def arms(self, use_case: str) -> tuple[ClusterArm, ...]:
        """The arms of a use case, oldest first."""
        return self.store.state.use_case(use_case).arms

    def rollout(self, use_case: str) -> Rollout | None:
        """The rollout under way, or that was interrupted; None when there is none."""
        return self.store.state.use_case(use_case).rollout

    def mirrored(self, use_case: str) -> str | None:
        """The arm that gets a copy of the traffic; None when none does."""
        return self.store.state.use_case(use_case).mirror

    def record(self, use_case: str, rollout: Rollout | None) -> None:
        """Remember where a rollout stands; one that waits is counted from here on."""
        self._put(self.store.state.with_rollout(use_case, rollout))
        if rollout is None:
            self._settle_archives(use_case)
        if rollout is not None and rollout.waiting:
            try:
                self.counters.begin(use_case, rollout.new, [arm.name for arm in self.arms(use_case)])
            except DeploymentError as error:
                logger.warning("requests are counted from the first look on: %s", error)

    def prepare(self, release: Release) -> str:
        """Put the release where pods fetch it from, and record a new arm; nothing runs yet.

        Raises:
            StartFailed: the release's folder does not exist, or the cluster does not take its variables.
            InvalidRelease: it names something that pods do not have.
            ShippingFailed: it could not be put there.
        """
        root = release.root or release.working_dir
        for folder in (root, release.working_dir):
            if not folder.is_dir():
                raise StartFailed(
                    release.use_case, f"the folder {folder} does not exist", log_path="no log", log_lines=[]
                )
        translated = pod_command(release, self.settings)
        archive = self.ship(root)
        state = self.store.state
        generation = state.generation + 1
        arm = ClusterArm(
            name=naming.arm_name(release.use_case, release.fingerprint, generation),
            version=release.version,
            fingerprint=release.fingerprint,
            ready_path=release.ready_path,
            callers=None if release.callers == Callers() else release.callers,
            command=translated.command,
            working_dir=translated.working_dir,
            addressed={name: value for name, value in translated.environment.items() if POD_ADDRESS in value},
            processes=release.processes,
            compute=release.compute,
            archive=archive,
        )
        self._put(state.model_copy(update={"generation": generation}).with_arm(release.use_case, arm))
        self._remember_archive(release.use_case, arm)
        secret = environment_secret(arm.spec(release.use_case, translated.environment), self.settings)
        self._applied(arm.name, [secret])
        return arm.name

    def start(self, use_case: str, arm: str) -> None:
        """Have the arm's pods run, and wait until every one is ready. An arm that runs is left as it is.

        Raises:
            StartFailed: the cluster refuses an object, or a pod does not become ready; says why, and what to do.
        """
        known = self.store.state.arm(use_case, arm)
        if known is None:
            return
        self._ours()
        self.run(use_case, known)
        self.wait_ready(use_case, arm)

    def run(self, use_case: str, arm: ClusterArm) -> None:
        """Put everything of an arm but its routes.

        Raises:
            StartFailed: the cluster refuses an object.
        """
        spec, settings = arm.spec(use_case), self.settings
        try:
            there = self.client.read(DEPLOYMENT, arm.name)
            if self.client.read(SECRET, arm.name) is None:
                raise StartFailed(
                    arm.name,
                    f"its variables are gone (Secret {arm.name}); deploy the release again",
                    log_path="no log",
                    log_lines=[],
                )
            self.ensure_account()
        except ClusterRefused as error:
            raise StartFailed(arm.name, str(error), log_path="no log", log_lines=[]) from error
        scaler = autoscaler(spec, settings)
        counted = (there or {}).get("spec", {}).get("replicas") or None  # by the autoscaler, which owns the number
        objects: list[Body | None] = [
            network_policy(spec, settings) if settings.network_policy else None,
            service(spec, settings),
            deployment(spec, settings, counted if scaler else None),
            scaler,
            disruption_budget(spec, settings),
        ]
        self._applied(arm.name, [body for body in objects if body is not None])

    def ensure_account(self) -> None:
        """Have the account that pods run as; one that somebody else made, such as the chart, is left as it is.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        if self.client.read(SERVICE_ACCOUNT, self.settings.service_account) is None:
            self.client.create(service_account(self.settings))

    def wait_ready(self, use_case: str, arm: str) -> None:
        """Wait until every pod of an arm that runs, or is about to, is ready.

        Raises:
            StartFailed: one of them is not ready in time, or cannot become so.
        """
        known = self.store.state.arm(use_case, arm)
        if known is not None:
            self.pods.wait_ready(arm, known.spec(use_case).pods_at_least)

    def probe(self, use_case: str, arm: str, check: Callable[[str], None]) -> None:
        """Call `check` with a base URL of each of the arm's pods, past the gateway; what it raises is passed on."""
        for pod in self.pods.of(arm):
            if is_ready(pod):
                with reached(self.client, pod, self.settings.reach) as url:
                    check(url)

    def set_weights(
        self,
        use_case: str,
        weights: Mapping[str, int],
        treated: str | None = None,
        assignment: Assignment | None = None,
    ) -> None:
        """Give each named arm its share in percent and every other arm none, and wait until the gateway has taken it.

        Raises:
            RoutingRefused: the gateway, or the API, did not take them; requests go by the old ones.
        """
        self._route(use_case, self.store.state.with_weights(use_case, weights, treated, assignment))

    def mirror(self, use_case: str, arm: str | None, percent: int = 100) -> None:
        """Send a copy of so many percent of the requests to an arm whose answers nobody gets; None ends that.

        Raises:
            RoutingRefused: the gateway, or the API, did not take it.
        """
        self._route(use_case, self.store.state.with_mirror(use_case, arm, percent))

    def drain(self, use_case: str, arm: str) -> None:
        """Wait until an arm without weight has no request in flight, or the time for that is over."""
        if self.store.state.arm(use_case, arm) is None:
            return
        self._ours()
        drain_pods(self.client, [pod for pod in self.pods.of(arm) if is_ready(pod)], self.settings)

    def remove(self, use_case: str, arm: str) -> None:
        """Delete everything of an arm without weight, wait until its pods have ended, and forget it.

        Raises:
            StopFailed: pods are left; the arm stays recorded, and the next command removes it.
        """
        if self.store.state.arm(use_case, arm) is None:
            return
        self._ours()
        if self.mirrored(use_case) == arm:
            self.mirror(use_case, None)
        self.delete(arm)
        self._put(self.store.state.without_arm(use_case, arm))

    def delete(self, arm: str) -> None:
        """Delete every object with an arm's label, and wait until no pod is left.

        Raises:
            StopFailed: pods are left.
        """
        ours = naming.selector([(naming.ARM_LABEL, arm)])
        for kind in OF_ARMS:
            for body in self.client.items(kind, ours):
                self.client.delete(kind, body["metadata"]["name"], foreground=kind is DEPLOYMENT)
        seconds = self.settings.drain_seconds + END_SECONDS
        left = self.pods.wait_gone(ours, seconds)
        if left:
            raise StopFailed(
                f"{', '.join(left)} in {self.settings.namespace} did not end in {seconds:.0f} s; is the node there? `kubectl describe pod` "
                "says what it waits for, `platform-assets target status` looks again"
            )

    def _remember_archive(self, use_case: str, arm: ClusterArm) -> None:
        if self.archives is None or arm.archive is None or not self.store.target_id:
            return
        with _archives_are_no_reason_to_fail(self.settings):
            self.archives.shipped(self.store.target_id, use_case, arm.version, arm.archive)

    def _settle_archives(self, use_case: str) -> None:
        """A rollout is over: remember what serves, and take away what nobody goes back to."""
        if self.archives is None or not self.store.target_id:
            return
        serving = self.store.state.serving(use_case)
        with _archives_are_no_reason_to_fail(self.settings):
            if serving is not None and serving.archive is not None:
                self.archives.serves(self.store.target_id, use_case, serving.version, serving.archive)
            self.archives.prune(self.store.target_id, self.store.state.archive_digests())

    def _route(self, use_case: str, state: ClusterState) -> None:
        self._put(state)
        self.routing.put(use_case, state.use_case(use_case))

    def _put(self, state: ClusterState) -> None:
        self._ours()
        self.store.put(state)

    def _applied(self, arm: str, objects: list[Body]) -> None:
        try:
            for body in objects:
                self.client.apply(body)
        except ClusterRefused as error:
            raise StartFailed(arm, str(error), log_path="no log", log_lines=[]) from error

    def _ours(self) -> None:
        if self.lost.is_set():
            raise TargetBusy(
                f"another command took the Lease of {self.settings.namespace}, since this one did not renew it in time; run it again"
            )


@contextmanager
def _archives_are_no_reason_to_fail(settings: ClusterSettings) -> Iterator[None]:
    """What was deployed serves, whatever becomes of archives; the next rollout, or `target prune`, tries again."""
    try:
        yield
    except OSError as error:
        logger.warning(
            "archives in %s are kept as they are: %s; `platform-assets target prune` tries again",
            settings.releases,
            error,
        )
