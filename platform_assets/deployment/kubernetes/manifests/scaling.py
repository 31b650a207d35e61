"""How the number of an arm's pods follows its work, and how many may be taken away at a time.

Belongs here: HorizontalPodAutoscaler, KEDA's ScaledObject, PodDisruptionBudget. Does not belong here: the pods (`pods.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import ArmSpec, BesideSpec
from platform_assets.deployment.kubernetes.manifests.metadata import Manifest, beginning, labels_of
from platform_assets.deployment.kubernetes.settings import ClusterSettings

_UP_SECONDS, _DOWN_SECONDS, _CALM_SECONDS = 15, 60, 300


@dataclass(frozen=True)
class StreamLag:
    """What a stream door scales by: messages that nobody has taken yet.

    Attributes:
        brokers: addresses `host:port`.
        topic: that it reads.
        group: of its consumers.
        messages: that one pod may be behind.
        most: pods; more than the topic has partitions would idle.
        authentication: name of a TriggerAuthentication in the namespace; None for none.
    """

    brokers: tuple[str, ...]
    topic: str
    group: str
    messages: int = 1000
    most: int = 4
    authentication: str | None = None


def autoscaler(arm: ArmSpec, settings: ClusterSettings) -> Manifest | None:
    """The HorizontalPodAutoscaler of an arm, by requests in flight; None where the number of its pods is fixed.

    Up at once, since callers wait; down a quarter at a time after five calm minutes, since load comes back.
    """
    replicas = arm.compute.replicas
    if replicas is None or replicas.least == replicas.most:
        return None
    found = beginning("autoscaling/v2", "HorizontalPodAutoscaler", arm.name, settings, labels_of(arm))
    found["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": arm.name},
        "minReplicas": replicas.least,
        "maxReplicas": replicas.most,
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": settings.in_flight_metric},
                    "target": {"type": "AverageValue", "averageValue": str(replicas.in_flight)},
                },
            }
        ],
        "behavior": {
            "scaleUp": {
                "stabilizationWindowSeconds": 0,
                "selectPolicy": "Max",
                "policies": [
                    {"type": "Percent", "value": 100, "periodSeconds": _UP_SECONDS},
                    {"type": "Pods", "value": 2, "periodSeconds": _UP_SECONDS},
                ],
            },
            "scaleDown": {
                "stabilizationWindowSeconds": _CALM_SECONDS,
                "selectPolicy": "Max",
                "policies": [{"type": "Percent", "value": 25, "periodSeconds": _DOWN_SECONDS}],
            },
        },
    }
    return found


def scaled_object(spec: BesideSpec, lag: StreamLag, settings: ClusterSettings) -> Manifest:
    """KEDA's ScaledObject of a stream door, by what its consumers are behind; to no pod at all when nothing comes.

    Only what nobody waits for may be scaled to zero: a service that answers has no such object.
    """
    trigger: Manifest = {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": ",".join(lag.brokers),
            "topic": lag.topic,
            "consumerGroup": lag.group,
            "lagThreshold": str(lag.messages),
            "activationLagThreshold": "0",
            "offsetResetPolicy": "earliest",
        },
    }
    if lag.authentication is not None:
        trigger["authenticationRef"] = {"name": lag.authentication}
    found = beginning("keda.sh/v1alpha1", "ScaledObject", spec.name, settings, labels_of(spec))
    found["spec"] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": spec.name},
        "pollingInterval": 15,
        "cooldownPeriod": _CALM_SECONDS,
        "minReplicaCount": 0,
        "maxReplicaCount": lag.most,
        "triggers": [trigger],
    }
    return found


def disruption_budget(arm: ArmSpec, settings: ClusterSettings) -> Manifest:
    """One pod at a time may be taken away on purpose, and a pod that does not answer always: a drain of a node never hangs."""
    found = beginning("policy/v1", "PodDisruptionBudget", arm.name, settings, labels_of(arm))
    found["spec"] = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": naming.pod_labels(arm.name)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return found
