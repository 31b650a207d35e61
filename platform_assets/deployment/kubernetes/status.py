"""What the target reports of itself: what it remembers, and what the cluster says, put together for people and callers.

Belongs here: building statuses. Does not belong here: anything that changes the target or waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from platform_assets.deployment.kubernetes.arms import PORT
from platform_assets.deployment.kubernetes.client import Body
from platform_assets.deployment.kubernetes.pods import is_ready
from platform_assets.deployment.kubernetes.state import ClusterArm, ClusterState
from platform_assets.deployment.release import ProcessStatus, TargetStatus, UseCaseStatus


@dataclass(frozen=True)
class ClusterStatus(TargetStatus):
    """A target on a cluster.

    Attributes:
        namespace: where everything lies.
        stopped: it was stopped on purpose.
    """

    namespace: str
    stopped: bool


def use_case_status(
    state: ClusterState, use_case: str, address: str, pods: Callable[[str], Sequence[Body]]
) -> UseCaseStatus:
    """Look at one use case: its recorded arms, and what their pods do now."""
    stored = state.use_case(use_case)
    serving = stored.serving()
    return UseCaseStatus(
        use_case=use_case,
        version=serving.version if serving else None,
        address=address,
        weights=stored.weights,
        processes=tuple(process_status(arm, pod) for arm in stored.arms for pod in pods(arm.name)),
        rollout=stored.rollout.phase.value if stored.rollout else None,
        mirror=next((arm.version for arm in stored.arms if arm.name == stored.mirror), None),
    )


def process_status(arm: ClusterArm, pod: Body) -> ProcessStatus:
    """A pod as a process of its arm."""
    status = pod.get("status", {})
    ready = is_ready(pod)
    started = status.get("startTime") or pod["metadata"].get("creationTimestamp")
    return ProcessStatus(
        program=pod["metadata"]["name"],
        version=arm.version,
        state=_state(pod),
        pid=None,
        port=PORT,
        ready=ready,
        uptime_seconds=_since(started),
        resident_bytes=0,
        reason="" if ready else _reason(pod),
    )


def _state(pod: Body) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "TERMINATING"
    waiting = next((one["waiting"] for one in _container_states(pod) if "waiting" in one), None)
    return str((waiting or {}).get("reason") or pod.get("status", {}).get("phase", "Unknown")).upper()


def _reason(pod: Body) -> str:
    said = [one["waiting"] for one in _container_states(pod) if "waiting" in one]
    conditions = pod.get("status", {}).get("conditions") or []
    said += [one for one in conditions if one["type"] in ("PodScheduled", "Ready") and one["status"] != "True"]
    words = [f"{one.get('reason', '')}: {one.get('message', '')}".strip(": ") for one in said]
    return next((text for text in words if text), "it is not ready")


def _container_states(pod: Body) -> Iterable[Body]:
    status = pod.get("status", {})
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        yield container.get("state") or {}


def _since(began: str | None) -> float:
    if not began:
        return 0.0
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(began.replace("Z", "+00:00"))).total_seconds())
