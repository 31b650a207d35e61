"""Pods, events and conditions as kubelet, scheduler and controllers write them.

Belongs here: shapes and words of the real thing, made small. Does not belong here: an assertion.
"""

from typing import Any

from platform_assets.deployment.causes import CauseKind

POD = "card-fraud-0123abcd-7-6bfb4bc65d-wtqkj"


def pod(name: str = POD, phase: str = "Running", **status: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": "2", "memory": "4G"}, "limits": {"cpu": "2", "memory": "4G"}}
    return {
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": "service", "resources": resources}],
            "initContainers": [{"name": "fetch-release", "resources": resources}],
        },
        "status": {"phase": phase, **status},
    }


def container(name: str = "service", ready: bool = False, restarts: int = 0, **states: Any) -> dict[str, Any]:
    return {
        "name": name,
        "image": "registry.example/serving@sha256:0",
        "ready": ready,
        "restartCount": restarts,
        "state": states.get("state", {}),
        "lastState": states.get("last", {}),
    }


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    found = {
        "exitCode": code,
        "reason": reason,
        "startedAt": "2026-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:09Z",
        "containerID": "containerd://0",
    }
    return {"terminated": found | ({"message": message} if message else {})}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def event(
    reason: str, message: str, name: str = POD, kind: str = "Pod", at: str = "2026-01-01T00:00:00Z"
) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}.1", "namespace": "ml", "creationTimestamp": at},
        "involvedObject": {"kind": kind, "name": name, "namespace": "ml"},
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        "type": "Warning",
    }


def node(name: str = "n1", ready: str = "True", memory: str = "8Gi", message: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "allocatable": {"cpu": "4", "memory": memory, "pods": "110"},
            "conditions": [
                condition("Ready", ready, "NodeStatusUnknown" if ready == "Unknown" else "KubeletReady", message)
            ],
        },
    }


HEALTHY = pod(
    conditions=[condition("Ready", "True", "")],
    containerStatuses=[container(ready=True, state={"running": {"startedAt": "2026-01-01T00:00:00Z"}})],
)
FORBIDDEN_POD = 'pods "card-fraud-0123abcd-7-6bfb4bc65d-2wm8j" is forbidden: '
QUOTA = (
    f"{FORBIDDEN_POD}exceeded quota: team, requested: limits.memory=4G,pods=1, used: limits.memory=6G,pods=3, "
    "limited: limits.memory=8G,pods=10"
)
QUOTA_FOR_NONE = QUOTA.replace("limited: limits.memory=8G", "limited: limits.memory=2Gi")
EVICTED = (
    "The node was low on resource: memory. Threshold quantity: 100Mi, available: 88660Ki. Container service was using 5Gi, request is 4G, "
    "has larger consumption of memory. "
)
UNSCHEDULABLE = (
    "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available: "
    "2 No preemption victims found for incoming pod."
)

NEVER, UNCHANGED, MEMORY = "never", "retry_unchanged", "retry_with_more_memory_once"
SET = "card-fraud-0123abcd-7-6bfb4bc65d"


def of(*statuses: dict[str, Any], init: bool = False, **status: Any) -> dict[str, Any]:
    return {"pods": [pod(**{("initContainerStatuses" if init else "containerStatuses"): list(statuses)}, **status)]}


def disrupted(why: str, words: str = "", **status: Any) -> dict[str, Any]:
    found = {"phase": "Failed", "conditions": [condition("DisruptionTarget", "True", why, words)], **status}
    # What is killed with its pod looks like a crash, and is none.
    return of(container(state=ended(137)), **found)


def creation(words: str) -> dict[str, Any]:
    return {"pods": [], "events": [event("FailedCreate", f"Error creating: {words}", SET, "ReplicaSet")]}


def unscheduled(message: str, **more: Any) -> dict[str, Any]:
    given = pod(phase="Pending", conditions=[condition("PodScheduled", "False", "Unschedulable", message)])
    del given["spec"]["nodeName"]
    return {"pods": [given], **more}


NO_IMAGE = 'Back-off pulling image "registry.example/serving@sha256:0": ErrImagePull: rpc error: code = NotFound desc = not found'

Case = tuple[str, dict[str, Any], CauseKind, str, bool, list[str]]
"""Name, what the API has, and kind, retry, final and words of the cause."""
