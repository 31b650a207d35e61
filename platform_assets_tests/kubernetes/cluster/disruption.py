"""Disruption budgets and evictions that obey them.

Belongs here: the status of PodDisruptionBudgets and the answer to an eviction. Does not belong here: evictions that ask nobody, by a node
(`kubelet.py`), by a taint (`nodes.py`) or by a pod that matters more (`scheduler.py`).
"""

from __future__ import annotations

import math

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    POD,
    REPLICA_SET,
    Key,
    Object,
    controller_of,
    is_finished,
    is_leaving,
    is_true,
    key_of,
    selects,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ObjectStore

NAME = "disruption-controller"


class Disruptions:
    """Reconciles budgets, and evicts."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.queue = WorkQueue(self._reconcile)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == DISRUPTION_BUDGET and event != "DELETED":
            self.queue.add(key_of(thing))
        elif kind == POD:
            for budget in self._of(thing):
                self.queue.add(key_of(budget))

    def evict(self, namespace: str, name: str, grace_seconds: int | None = None) -> None:
        """Delete a pod unless a budget forbids it.

        Raises:
            ApiError: 404; 429 where a budget allows no disruption now.
        """
        pod = self._store.read(POD, namespace, name)
        if not is_finished(pod) and (pod.get("status") or {}).get("phase") != "Pending":
            for budget in self._of(pod):
                self._reconcile(key_of(budget))
                status = self._store.read(DISRUPTION_BUDGET, *key_of(budget))["status"]
                if status["disruptionsAllowed"] < 1 and is_true(pod, "Ready"):
                    words = (
                        f"The disruption budget {budget['metadata']['name']} needs {status['desiredHealthy']} healthy pods "
                        f"and has {status['currentHealthy']} currently"
                    )
                    cause = {"reason": "DisruptionBudget", "message": words}
                    refusal = "Cannot evict pod as it would violate the pod's disruption budget."
                    raise ApiError(429, "TooManyRequests", refusal, {"causes": [cause]})

        def disrupted(one: Object) -> None:
            words = "Eviction API: evicting"
            set_condition(one.setdefault("status", {}), "DisruptionTarget", True, "EvictionByEvictionAPI", words)

        self._store.change(POD, namespace, name, disrupted)
        self._store.delete(POD, namespace, name, grace_seconds=grace_seconds)

    def _of(self, pod: Object) -> list[Object]:
        labels = pod["metadata"].get("labels") or {}
        budgets = self._store.items(DISRUPTION_BUDGET, pod["metadata"]["namespace"])
        return [one for one in budgets if selects(one["spec"].get("selector"), labels)]

    def _reconcile(self, key: Key) -> None:
        if not self._store.exists(DISRUPTION_BUDGET, *key):
            return
        budget = self._store.read(DISRUPTION_BUDGET, *key)
        spec = budget["spec"]
        pods = [
            pod
            for pod in self._store.items(POD, key[0])
            if selects(spec.get("selector"), pod["metadata"].get("labels") or {}) and not is_finished(pod)
        ]
        healthy = sum(is_true(pod, "Ready") and not is_leaving(pod) for pod in pods)
        expected = self._expected(pods)
        if "maxUnavailable" in spec:
            desired = max(0, expected - _part(spec["maxUnavailable"], expected))
        else:
            expected = len(pods) if not str(spec.get("minAvailable", 1)).endswith("%") else expected
            desired = _part(spec.get("minAvailable", 1), expected)
        allowed = max(0, healthy - desired) if expected else 0

        def change(one: Object) -> None:
            status = one.setdefault("status", {})
            status |= {
                "currentHealthy": healthy,
                "desiredHealthy": desired,
                "disruptionsAllowed": allowed,
                "expectedPods": expected,
                "observedGeneration": budget["metadata"].get("generation", 1),
            }
            reason = "SufficientPods" if allowed else "InsufficientPods"
            set_condition(status, "DisruptionAllowed", allowed > 0, reason)

        self._store.change(DISRUPTION_BUDGET, *key, change, manager=NAME)

    def _expected(self, pods: list[Object]) -> int:
        """How many pods their controllers want, as far as they have some."""
        wanted: dict[str, int] = {}
        for pod in pods:
            owner = controller_of(pod)
            if owner is None or owner["kind"] != "ReplicaSet":
                wanted[pod["metadata"]["uid"]] = 1
                continue
            namespace = pod["metadata"]["namespace"]
            found = self._store.read(REPLICA_SET, namespace, owner["name"])
            if top := controller_of(found):
                found = self._store.read(DEPLOYMENT, namespace, top["name"])
            wanted[found["metadata"]["uid"]] = found["spec"].get("replicas", 1)
        return sum(wanted.values())


def _part(value: int | str, of: int) -> int:
    return math.ceil(int(value[:-1]) * of / 100) if isinstance(value, str) and value.endswith("%") else int(value)
