"""Nodes: what they have, and what happens when one is lost, comes back or is removed.

Belongs here: Node objects, taints by condition, eviction of pods that do not tolerate them. Does not belong here: processes (`kubelet.py`),
which pod goes where (`scheduler.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.kubelet import Kubelet
from platform_assets_tests.kubernetes.cluster.objects import (
    NODE,
    POD,
    Object,
    is_finished,
    is_leaving,
    key_of,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

DEFAULT_NODES: tuple[Object, ...] = ({"name": "node-1", "capacity": {"cpu": "64", "memory": "256Gi"}},)
UNREACHABLE = "node.kubernetes.io/unreachable"
CONTROLLER = "node-controller"
_HEALTHY = {
    "MemoryPressure": "KubeletHasSufficientMemory",
    "DiskPressure": "KubeletHasNoDiskPressure",
    "PIDPressure": "KubeletHasSufficientPID",
}


def read_nodes(path: Path | None) -> Sequence[Object]:
    """Nodes from JSON: [{"name": ..., "capacity": {...}, "labels": {...}, "taints": [...], "folders": [...]}].

    Folders are those that pods find by hostPath. Without a file there is one roomy node.
    """
    if path is None:
        return DEFAULT_NODES
    nodes: list[Object] = json.loads(path.read_text())
    return nodes


def node_object(values: Mapping[str, Any], address: str) -> Object:
    """A Node that is ready."""
    name = values["name"]
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **values.get("labels", {}),
    }
    capacity = {"pods": "110", "ephemeral-storage": "100Gi", **values["capacity"]}
    status: Object = {
        "capacity": capacity,
        "allocatable": dict(capacity),
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        "nodeInfo": {"kubeletVersion": "v1.34.0-test", "operatingSystem": "linux", "architecture": "amd64"},
    }
    for kind, reason in _HEALTHY.items():
        set_condition(status, kind, False, reason)
    set_condition(status, "Ready", True, "KubeletReady", "kubelet is posting ready status")
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": list(values["taints"])} if values.get("taints") else {},
        "status": status,
    }


class NodeController:
    """Adds nodes, loses them and evicts what they ran."""

    def __init__(self, store: ObjectStore, events: EventRecorder, kubelet: Kubelet) -> None:
        self._store, self._events, self._kubelet = store, events, kubelet
        self._evictions: dict[str, asyncio.TimerHandle] = {}

    def add(self, values: Mapping[str, Any], address: str) -> None:
        """A node joins, with its folders."""
        for folder in values.get("folders", []):
            self._kubelet.node_folder(values["name"], folder).mkdir(parents=True, exist_ok=True)
        node = node_object(values, address)
        status = node.pop("status")
        self._store.create(NODE, None, node, manager="kubelet")
        self._store.change(NODE, None, values["name"], lambda one: one.update(status=status), manager="kubelet")

    def lose(self, name: str, *, processes_end: bool = True) -> None:
        """A node is heard of no longer: its condition is unknown, it is tainted, and its pods go when their toleration ends.

        Raises:
            ApiError: 404, there is no such node.
        """
        node = self._store.read(NODE, None, name)
        self._kubelet.lose_node(name, processes_end=processes_end)

        def unknown(one: Object) -> None:
            for kind in (*_HEALTHY, "Ready"):
                words = "Kubelet stopped posting node status."
                set_condition(one["status"], kind, "Unknown", "NodeStatusUnknown", words)

        self._store.change(NODE, None, name, unknown, manager=CONTROLLER)
        taints = [{"key": UNREACHABLE, "effect": effect} for effect in ("NoSchedule", "NoExecute")]
        self._set_taints(name, [*(node["spec"].get("taints") or []), *taints])
        self._events.record(
            node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady", component=CONTROLLER
        )
        for pod in self._pods(name):
            self._not_ready(pod)
            self._evict_later(pod, taints[1])

    def bring_back(self, name: str) -> None:
        """A lost node is heard of again."""
        for timer in self._evictions.values():
            timer.cancel()
        self._evictions.clear()

        def ready(one: Object) -> None:
            for kind, reason in _HEALTHY.items():
                set_condition(one["status"], kind, False, reason)
            set_condition(one["status"], "Ready", True, "KubeletReady", "kubelet is posting ready status")

        self._store.change(NODE, None, name, ready, manager="kubelet")
        node = self._store.read(NODE, None, name)
        self._set_taints(name, [one for one in node["spec"].get("taints") or [] if one["key"] != UNREACHABLE])
        self._kubelet.find_node(name)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change: the pods of a node that is removed are collected."""
        if kind == NODE and event == "DELETED":
            asyncio.get_running_loop().call_soon(self._collect, thing["metadata"]["name"])

    def _collect(self, name: str) -> None:
        self._kubelet.lose_node(name, processes_end=True)
        for pod in self._pods(name, finished_too=True):
            words = "PodGC: node no longer exists"

            def failed(one: Object, words: str = words) -> None:
                one["status"]["phase"] = "Failed"
                set_condition(one["status"], "DisruptionTarget", True, "DeletionByPodGC", words)

            self._end(pod, failed, grace_seconds=0)

    def _pods(self, node: str, *, finished_too: bool = False) -> list[Object]:
        return [
            pod
            for pod in self._store.items(POD)
            if pod["spec"].get("nodeName") == node and (finished_too or not is_finished(pod))
        ]

    def _set_taints(self, name: str, taints: list[Object]) -> None:
        def change(node: Object) -> None:
            node.setdefault("spec", {})["taints"] = taints

        self._store.change(NODE, None, name, change, subresource="", manager=CONTROLLER)

    def _not_ready(self, pod: Object) -> None:
        def change(one: Object) -> None:
            set_condition(one["status"], "Ready", False, "NodeNotReady", "Node is not ready")

        namespace, name = key_of(pod)
        with contextlib.suppress(ApiError):
            self._store.change(POD, namespace, name, change, manager=CONTROLLER)
        self._events.record(pod, WARNING, "NodeNotReady", "Node is not ready", component=CONTROLLER)

    def _evict_later(self, pod: Object, taint: Object) -> None:
        seconds: float | None = 0.0
        for toleration in pod["spec"].get("tolerations") or []:
            if tolerates(toleration, taint):
                value = toleration.get("tolerationSeconds")
                seconds = None if value is None else max(0.0, float(value))
                break
        if seconds is not None:
            uid = pod["metadata"]["uid"]
            timer = asyncio.get_running_loop().call_later(seconds, self._evict, key_of(pod), uid)
            self._evictions[uid] = timer

    def _evict(self, key: tuple[str, str], uid: str) -> None:
        with contextlib.suppress(ApiError):
            pod = self._store.read(POD, *key)
            if pod["metadata"]["uid"] != uid or is_leaving(pod) or is_finished(pod):
                return
            name = f"{key[0]}/{key[1]}"
            words = f"Marking for deletion Pod {name}"
            self._events.record(pod, NORMAL, "TaintManagerEviction", words, component="taint-eviction-controller")

            def disrupted(one: Object) -> None:
                words = "Taint manager: deleting due to NoExecute taint"
                set_condition(one["status"], "DisruptionTarget", True, "DeletionByTaintManager", words)

            self._end(pod, disrupted, grace_seconds=None)

    def _end(self, pod: Object, change: Any, *, grace_seconds: int | None) -> None:
        namespace, name = key_of(pod)
        with contextlib.suppress(ApiError):
            self._store.change(POD, namespace, name, change, manager=CONTROLLER)
            self._store.delete(POD, namespace, name, grace_seconds=grace_seconds)


def tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """True when a toleration is for this taint."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and toleration.get("value", "") == taint.get("value", "")
