"""The ReplicaSet controller: as many pods as asked for.

Belongs here: creating, deleting and counting pods. Does not belong here: which ReplicaSets there are (`workloads.py`).
"""

from __future__ import annotations

import copy

from platform_assets_tests.kubernetes.cluster.events import NORMAL, WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    POD,
    REPLICA_SET,
    Key,
    Object,
    condition,
    controller_of,
    is_finished,
    is_leaving,
    is_true,
    key_of,
    owned_by,
    owner_reference,
    seconds_since,
    selector_text,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

NAME = "replicaset-controller"
FAILED_CREATE_SECONDS = 1.0


def pod_from(template: Object, kind: Kind, owner: Object) -> Object:
    """A pod of a template, named after and owned by what the template stands in."""
    metadata = copy.deepcopy(template.get("metadata") or {})
    metadata["generateName"] = f"{owner['metadata']['name']}-"
    metadata["ownerReferences"] = [owner_reference(kind, owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy.deepcopy(template["spec"])}


def available_in(pod: Object, least_seconds: float) -> float | None:
    """In how many seconds a pod will have been ready for that long: 0 when it was, None when it is not ready."""
    if not is_true(pod, "Ready") or is_leaving(pod):
        return None
    ready = condition(pod, "Ready")
    assert ready is not None
    return max(0.0, least_seconds - seconds_since(ready["lastTransitionTime"])) if least_seconds else 0.0


class ReplicaSets:
    """Reconciles ReplicaSets."""

    def __init__(self, store: ObjectStore, events: EventRecorder) -> None:
        self._store, self._events = store, events
        self.queue = WorkQueue(self._reconcile)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == REPLICA_SET and event != "DELETED":
            self.queue.add(key_of(thing))
        elif kind == POD and (owner := controller_of(thing)) and owner["kind"] == "ReplicaSet":
            self.queue.add((thing["metadata"]["namespace"], owner["name"]))

    def _reconcile(self, key: Key) -> float | None:
        try:
            one = self._store.read(REPLICA_SET, *key)
        except ApiError:
            return None
        if is_leaving(one):
            return None
        labels = selector_text(one["spec"]["selector"].get("matchLabels") or {})
        pods = [pod for pod in self._store.items(POD, key[0], labels=labels) if owned_by(pod, one)]
        alive = [pod for pod in pods if not is_finished(pod) and not is_leaving(pod)]
        wanted = one["spec"].get("replicas", 1)
        failure = ""
        for _ in range(wanted - len(alive)):
            try:
                made = self._store.create(
                    POD, key[0], pod_from(one["spec"]["template"], REPLICA_SET, one), manager=NAME
                )
            except ApiError as error:
                failure = str(error)
                self._events.record(one, WARNING, "FailedCreate", f"Error creating: {error}", component=NAME)
                break
            alive.append(made)
            self._events.record(
                one, NORMAL, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}", component=NAME
            )
        for pod in sorted(alive, key=_first_to_go)[: max(0, len(alive) - wanted)]:
            alive.remove(pod)
            name = pod["metadata"]["name"]
            self._store.delete(POD, key[0], name)
            self._events.record(one, NORMAL, "SuccessfulDelete", f"Deleted pod: {name}", component=NAME)
        return self._write_status(key, one, alive, failure)

    def _write_status(self, key: Key, one: Object, alive: list[Object], failure: str) -> float | None:
        least = float(one["spec"].get("minReadySeconds") or 0)
        waits = [available_in(pod, least) for pod in alive]
        template = (one["spec"]["template"].get("metadata") or {}).get("labels") or {}
        labelled = [pod for pod in alive if template.items() <= (pod["metadata"].get("labels") or {}).items()]

        def change(thing: Object) -> None:
            status = thing.setdefault("status", {})
            status |= {
                "replicas": len(alive),
                "fullyLabeledReplicas": len(labelled),
                "readyReplicas": sum(wait is not None for wait in waits),
                "availableReplicas": sum(wait == 0 for wait in waits),
                "observedGeneration": one["metadata"].get("generation", 1),
            }
            if failure:
                set_condition(status, "ReplicaFailure", True, "FailedCreate", failure)
            else:
                status["conditions"] = [c for c in status.get("conditions", []) if c["type"] != "ReplicaFailure"]

        self._store.change(REPLICA_SET, *key, change, manager=NAME)
        later = [wait for wait in waits if wait]
        if failure:
            later.append(FAILED_CREATE_SECONDS)
        return min(later) if later else None


def _first_to_go(pod: Object) -> tuple[bool, bool, bool, float]:
    """Not placed before placed, not running before running, not ready before ready, young before old."""
    running = (pod.get("status") or {}).get("phase") == "Running"
    return (
        bool(pod["spec"].get("nodeName")),
        running,
        is_true(pod, "Ready"),
        seconds_since(pod["metadata"]["creationTimestamp"]),
    )
