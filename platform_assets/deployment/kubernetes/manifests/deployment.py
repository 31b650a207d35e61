"""The Deployments of arms, and of what runs beside them.

Belongs here: how many pods there are, and how they replace each other. Does not belong here: the pods (`pods.py`).
"""

from __future__ import annotations

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import ArmSpec, BesideSpec
from platform_assets.deployment.kubernetes.manifests.metadata import (
    VERSION_ANNOTATION,
    Manifest,
    beginning,
    labels_of,
)
from platform_assets.deployment.kubernetes.manifests.pods import pod_template
from platform_assets.deployment.kubernetes.settings import ClusterSettings


def deployment(arm: ArmSpec, settings: ClusterSettings, replicas: int | None = None) -> Manifest:
    """The Deployment of an arm.

    Its pods are of one release for good: a rolling update is only for settings of the cluster that changed, and takes no pod away before
    its successor answers.

    Args:
        arm: what is deployed.
        settings: of the cluster.
        replicas: pods; None for the least that are declared. Where an autoscaler counts them, what it says now: the API refuses another.
    """
    found = beginning("apps/v1", "Deployment", arm.name, settings, labels_of(arm), {VERSION_ANNOTATION: arm.version})
    found["spec"] = {
        "replicas": arm.pods_at_least if replicas is None else replicas,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": settings.start_timeout_seconds,
        "selector": {"matchLabels": naming.pod_labels(arm.name)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": pod_template(arm, settings),
    }
    return found


def beside(spec: BesideSpec, settings: ClusterSettings, replicas: int = 1) -> Manifest:
    """The Deployment of what runs beside the services: it answers nobody, and two of one name never run at a time.

    Args:
        spec: what runs.
        settings: of the cluster.
        replicas: pods; 0 keeps it recorded.
    """
    found = beginning("apps/v1", "Deployment", spec.name, settings, labels_of(spec))
    found["spec"] = {
        "replicas": replicas,
        "revisionHistoryLimit": 1,
        "progressDeadlineSeconds": settings.start_timeout_seconds,
        "selector": {"matchLabels": naming.pod_labels(spec.name)},
        "strategy": {"type": "Recreate"},
        "template": pod_template(spec, settings),
    }
    return found
