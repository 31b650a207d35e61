"""The StatefulSet controller: pods with names and claims of their own, one after the other.

Belongs here: order, claims, replacement of pods of an older template. Does not belong here: partitions, and names that resolve: a pod of a
StatefulSet is found by its address.
"""

from __future__ import annotations

import copy

from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    CLAIM,
    POD,
    STATEFUL_SET,
    Key,
    Object,
    controller_of,
    is_finished,
    is_leaving,
    is_true,
    key_of,
    owned_by,
    owner_reference,
    suffix,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

NAME = "statefulset-controller"
REVISION = "controller-revision-hash"
FAILED_CREATE_SECONDS = 1.0


class StatefulSets:
    """Reconciles StatefulSets."""

    def __init__(self, store: ObjectStore, events: EventRecorder) -> None:
        self._store, self._events = store, events
        self.queue = WorkQueue(self._reconcile)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == STATEFUL_SET and event != "DELETED":
            self.queue.add(key_of(thing))
        elif kind == POD and (owner := controller_of(thing)) and owner["kind"] == "StatefulSet":
            self.queue.add((thing["metadata"]["namespace"], owner["name"]))

    def _reconcile(self, key: Key) -> float | None:
        try:
            one = self._store.read(STATEFUL_SET, *key)
        except ApiError:
            return None
        if is_leaving(one):
            return None
        pods = {pod["metadata"]["name"]: pod for pod in self._store.items(POD, key[0]) if owned_by(pod, one)}
        revision = f"{key[1]}-{suffix(one['spec']['template'])}"
        again = self._step(one, pods, revision)
        self._write_status(key, one, revision)
        return again

    def _step(self, one: Object, pods: dict[str, Object], revision: str) -> float | None:
        """The next thing that may be done: one at a time unless pods are managed in parallel."""
        namespace, name = key_of(one)
        wanted = [f"{name}-{number}" for number in range(one["spec"].get("replicas", 1))]
        parallel = one["spec"].get("podManagementPolicy") == "Parallel"
        for pod_name in wanted:
            pod = pods.get(pod_name)
            if pod is None:
                try:
                    self._create(one, pod_name, revision)
                except ApiError as error:
                    words = f"create Pod {pod_name} in StatefulSet {name} failed error: {error}"
                    self._events.record(one, WARNING, "FailedCreate", words, component=NAME)
                    return FAILED_CREATE_SECONDS
            elif is_finished(pod) and not is_leaving(pod):
                self._store.delete(POD, namespace, pod_name)
            if not parallel and (pod is None or is_leaving(pod) or not is_true(pod, "Ready")):
                return None
        surplus = sorted(set(pods) - set(wanted), key=_ordinal, reverse=True)
        older = [p for p in reversed(wanted) if p in pods and pods[p]["metadata"]["labels"].get(REVISION) != revision]
        if (one["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
            older = []
        for pod_name in [*surplus, *older][:1]:
            if not is_leaving(pods[pod_name]):
                self._store.delete(POD, namespace, pod_name)
                words = f"delete Pod {pod_name} in StatefulSet {name} successful"
                self._events.record(one, NORMAL, "SuccessfulDelete", words, component=NAME)
        return None

    def _create(self, one: Object, pod_name: str, revision: str) -> None:
        namespace, name = key_of(one)
        template = copy.deepcopy(one["spec"]["template"])
        metadata = template.get("metadata") or {}
        labels = {REVISION: revision, "statefulset.kubernetes.io/pod-name": pod_name}
        labels["apps.kubernetes.io/pod-index"] = str(_ordinal(pod_name))
        volumes = template["spec"].setdefault("volumes", [])
        for claim in one["spec"].get("volumeClaimTemplates") or []:
            claim_name = f"{claim['metadata']['name']}-{pod_name}"
            volumes[:] = [volume for volume in volumes if volume["name"] != claim["metadata"]["name"]]
            volumes.append({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}})
            if not self._store.exists(CLAIM, namespace, claim_name):
                body = {"metadata": {**claim["metadata"], "name": claim_name}, "spec": claim["spec"]}
                self._store.create(CLAIM, namespace, body, manager=NAME)
        metadata = {**metadata, "name": pod_name, "labels": {**(metadata.get("labels") or {}), **labels}}
        metadata["ownerReferences"] = [owner_reference(STATEFUL_SET, one)]
        body = {"metadata": metadata, "spec": {**template["spec"], "hostname": pod_name}}
        self._store.create(POD, namespace, body, manager=NAME)
        words = f"create Pod {pod_name} in StatefulSet {name} successful"
        self._events.record(one, NORMAL, "SuccessfulCreate", words, component=NAME)

    def _write_status(self, key: Key, one: Object, revision: str) -> None:
        pods = [pod for pod in self._store.items(POD, key[0]) if owned_by(pod, one)]
        ready = [pod for pod in pods if is_true(pod, "Ready") and not is_leaving(pod)]
        updated = [pod for pod in pods if pod["metadata"]["labels"].get(REVISION) == revision]
        wanted = one["spec"].get("replicas", 1)

        def change(thing: Object) -> None:
            status = thing.setdefault("status", {})
            before = status.get("currentRevision", revision)
            current = [pod for pod in pods if pod["metadata"]["labels"].get(REVISION) == before]
            status |= {
                "replicas": len(pods),
                "readyReplicas": len(ready),
                "availableReplicas": len(ready),
                "updatedReplicas": len(updated),
                "currentReplicas": len(current),
                "updateRevision": revision,
                "currentRevision": revision if len(updated) == wanted == len(ready) else before,
                "observedGeneration": one["metadata"].get("generation", 1),
                "collisionCount": 0,
            }

        self._store.change(STATEFUL_SET, *key, change, manager=NAME)


def _ordinal(pod_name: str) -> int:
    return int(pod_name.rpartition("-")[2])
