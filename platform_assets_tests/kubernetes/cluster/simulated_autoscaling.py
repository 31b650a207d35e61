"""A stand-in for autoscaling: it measures nothing.

Belongs here: holding replicas within the bounds of a HorizontalPodAutoscaler, and a status that says that no metric was read.
Does not belong here: metrics, of which the test cluster has none; ScaledObjects of KEDA.
"""

from __future__ import annotations

from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    AUTOSCALER,
    DEPLOYMENT,
    Key,
    Object,
    key_of,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

NAME = "simulated-autoscaler"


class SimulatedAutoscaler:
    """Reconciles HorizontalPodAutoscalers of Deployments."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.queue = WorkQueue(self._reconcile)

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == AUTOSCALER and event != "DELETED":
            self.queue.add(key_of(thing))
        elif kind == DEPLOYMENT and event != "DELETED":
            for one in self._store.items(AUTOSCALER, thing["metadata"]["namespace"]):
                if one["spec"]["scaleTargetRef"]["name"] == thing["metadata"]["name"]:
                    self.queue.add(key_of(one))

    def _reconcile(self, key: Key) -> None:
        try:
            one = self._store.read(AUTOSCALER, *key)
        except ApiError:
            return
        spec, target = one["spec"], one["spec"]["scaleTargetRef"]
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        found: Object | None = None
        if target["kind"] == "Deployment":
            names = self._store.items(DEPLOYMENT, key[0], fields=f"metadata.name={target['name']}")
            found = names[0] if names else None
        replicas = found["spec"].get("replicas", 1) if found else 0
        bounded = min(max(replicas, least), most) if replicas else 0  # no replicas: autoscaling is off
        if found is not None and bounded != replicas:

            def scaled(thing: Object) -> None:
                thing["spec"]["replicas"] = bounded

            self._store.change(DEPLOYMENT, *key_of(found), scaled, subresource="", manager=NAME)

        def change(thing: Object) -> None:
            status = thing.setdefault("status", {})
            status |= {"currentReplicas": replicas, "desiredReplicas": bounded}
            status["observedGeneration"] = one["metadata"].get("generation", 1)
            if found is None:
                words = f'the HPA controller was unable to get the target\'s current scale: deployments.apps "{target["name"]}" not found'
                set_condition(status, "AbleToScale", False, "FailedGetScale", words)
            else:
                words = "the HPA controller was able to get the target's current scale"
                set_condition(status, "AbleToScale", True, "SucceededGetScale", words)
            words = "simulated: the test cluster reads no metrics, it holds replicas within their bounds"
            set_condition(status, "ScalingActive", False, "SimulatedAutoscaler", words)

        self._store.change(AUTOSCALER, *key, change, manager=NAME)
