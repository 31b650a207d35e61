"""The pods of arms: waiting until they are ready or cannot become so, and until they are gone.

Belongs here: what pods and events say of an arm, watched. Does not belong here: why a pod does not run (`diagnosis.py`), and what to do
when a start fails (`rollout/machine.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from platform_assets.deployment.errors import StartFailed
from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.api_errors import ClusterRefused
from platform_assets.deployment.kubernetes.client import Body, ClusterClient
from platform_assets.deployment.kubernetes.diagnosis import Cause, CauseKind, diagnose, failed_probe
from platform_assets.deployment.kubernetes.kinds import DEPLOYMENT, EVENT, POD
from platform_assets.deployment.kubernetes.watching import Objects, watched

LOG_LINES = 20
PATIENCE_SECONDS: Mapping[CauseKind, float] = {
    CauseKind.OUT_OF_MEMORY: 0.0,
    CauseKind.CRASH: 5.0,
    CauseKind.EVICTED: 15.0,
    CauseKind.PREEMPTED: 15.0,
    CauseKind.NODE_GONE: 15.0,
    CauseKind.UNSCHEDULABLE: 12.0,
}
"""A cause that may pass by is told when it has stood so long: nodes are added, other pods end, a registry comes back."""
OTHER_PATIENCE_SECONDS = 6.0
ROOM_IS_MADE = frozenset({"TriggeredScaleUp", "Nominated", "NominatedPod"})
"""Events by which those that add nodes say that one is on its way: a pod without a node is waited for then."""
REPLACED = frozenset({CauseKind.EVICTED, CauseKind.PREEMPTED, CauseKind.NODE_GONE})
"""What ends a pod for good and its arm not: another pod takes its place."""


def is_ready(pod: Body) -> bool:
    """Whether a pod answers."""
    conditions = pod.get("status", {}).get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def about_arm(event: Body, arm: str) -> bool:
    """Whether an event is about an arm's Deployment, or anything below it."""
    name = str(event.get("involvedObject", {}).get("name", ""))
    return name == arm or name.startswith(f"{arm}-")


@dataclass(frozen=True)
class _Seen:
    """What ends the wait: a cause, or one of the two below."""

    cause: Cause | None = None


_READY, _NO_DEPLOYMENT = _Seen(), _Seen()


def _that_count(pods: Sequence[Body], wanted: int) -> list[Body]:
    """The pods that say whether an arm comes up: those that failed do not while others have taken their place."""
    living = [pod for pod in pods if pod.get("status", {}).get("phase") != "Failed"]
    return living if len(living) >= wanted else list(pods)


def _container_in_trouble(pod: Body) -> str:
    """The first container that ended badly, those that prepare the pod before all others; empty when none did."""
    status = pod.get("status", {})
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        ends = [one.get(key, {}).get("terminated") or {} for key in ("state", "lastState")]
        if any(end.get("exitCode") for end in ends):
            return str(one["name"])
    return ""


class ArmPods:
    """The pods of one namespace, by arm."""

    def __init__(self, client: ClusterClient, timeout_seconds: float) -> None:
        """Describe them; nothing is asked.

        Args:
            client: of the namespace.
            timeout_seconds: the longest that an arm may take to become ready.
        """
        self._client, self._timeout = client, timeout_seconds

    def of(self, arm: str) -> list[Body]:
        """An arm's pods, oldest first.

        Raises:
            ClusterRefused: the API does not answer, or refuses.
        """
        found = self._client.items(POD, self._selector(arm))
        return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))

    def wait_ready(self, arm: str, count: int) -> None:
        """Wait until so many pods of an arm are ready.

        Raises:
            StartFailed: they are not in time, or cannot become so; says why, and what to do.
        """
        began, since = time.monotonic(), dict[str, float]()

        def look(objects: Objects) -> _Seen | None:
            deployments, pods = objects[DEPLOYMENT], objects[POD]
            if sum(map(is_ready, pods.values())) >= count:
                return _READY
            wanted = deployments.get(arm, {}).get("spec", {}).get("replicas", 0)
            if not wanted:
                return _NO_DEPLOYMENT
            events = [event for event in objects[EVENT].values() if about_arm(event, arm)]
            cause = diagnose(_that_count(list(pods.values()), wanted), events, owners=list(deployments.values()))
            if cause is None:
                since.clear()
                return None
            stands = time.monotonic() - since.setdefault(cause.kind, time.monotonic())
            told = cause.final and cause.kind not in REPLACED
            if cause.kind is CauseKind.UNSCHEDULABLE and any(event.get("reason") in ROOM_IS_MADE for event in events):
                return None
            late = stands >= PATIENCE_SECONDS.get(cause.kind, OTHER_PATIENCE_SECONDS)
            return _Seen(cause) if told or late else None

        selectors = {DEPLOYMENT: self._selector(arm), POD: self._selector(arm), EVENT: ""}
        try:
            with watched(self._client, selectors, self._timeout) as seen:
                found = seen.wait(look, len(selectors), self._timeout)
        except ClusterRefused as error:
            raise StartFailed(arm, str(error), log_path="no log", log_lines=[]) from error
        if found is _READY:
            return
        if found is _NO_DEPLOYMENT:
            self._fail(arm, "its Deployment is gone, or was scaled to no pods by hand; deploy the release again", [])
        if found is None or found.cause is None:
            self._too_late(arm, count, time.monotonic() - began, self._client.items(EVENT))
        self._fail(arm, f"{found.cause.sentence} {found.cause.what_to_do}", self._log(found.cause))

    def wait_gone(self, selector: str, seconds: float) -> list[str]:
        """Wait until no pod with these labels is left; names of those that are, when the time is over.

        Raises:
            ClusterRefused: the API refuses.
        """
        left: list[str] = []

        def look(pods: Mapping[str, Body]) -> bool | None:
            left[:] = pods
            return None if pods else True

        self._client.watch(POD, look, seconds, selector)
        return left

    def _log(self, cause: Cause) -> list[str]:
        """The last lines of the pod that a cause is about: those of its life before, where it began anew."""
        if not cause.pod:
            return []
        pod = self._client.read(POD, cause.pod)
        container = "" if pod is None else _container_in_trouble(pod)
        before = self._client.logs(cause.pod, LOG_LINES, container, previous=True)
        return before or self._client.logs(cause.pod, LOG_LINES, container)

    def _too_late(self, arm: str, count: int, seconds: float, events: Sequence[Body]) -> NoReturn:
        pods = self.of(arm)
        probe = failed_probe([event for event in events if about_arm(event, arm)])
        ready = sum(map(is_ready, pods))
        lines = next((self._client.logs(pod["metadata"]["name"], LOG_LINES) for pod in pods if not is_ready(pod)), [])
        said = "" if probe is None else f"; the last look at one said: {probe}"
        self._fail(arm, f"{ready} of {count} pods are ready after {seconds:.0f} s (start_timeout_seconds){said}", lines)

    def _fail(self, arm: str, reason: str, lines: Sequence[str]) -> NoReturn:
        where = f"`kubectl logs -n {self._client.namespace} deployment/{arm}`"
        raise StartFailed(arm, reason.strip().rstrip("."), log_path=where, log_lines=lines)

    def _selector(self, arm: str) -> str:
        return naming.selector(naming.pod_labels(arm).items())
