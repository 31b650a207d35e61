"""What stands between an arm and everybody else: its Service, its account, and who may talk to it.

Belongs here: Service, ServiceAccount and NetworkPolicy. Does not belong here: which requests a Service gets (`routes/`).
"""

from __future__ import annotations

from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import PORT, ArmSpec
from platform_assets.deployment.kubernetes.manifests.metadata import Manifest, beginning, labels_of
from platform_assets.deployment.kubernetes.manifests.pods import PORT_NAME
from platform_assets.deployment.kubernetes.settings import ClusterSettings

_DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def service(arm: ArmSpec, settings: ClusterSettings) -> Manifest:
    """The Service that routes name: the arm's ready pods."""
    found = beginning("v1", "Service", arm.name, settings, labels_of(arm))
    found["spec"] = {
        "type": "ClusterIP",
        "selector": naming.pod_labels(arm.name),
        "ports": [{"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP", "appProtocol": "http"}],
    }
    return found


def service_account(settings: ClusterSettings) -> Manifest:
    """The account that all pods which answer run as. It may do nothing, and no pod gets its token."""
    labels = {
        "app.kubernetes.io/name": settings.service_account,
        "app.kubernetes.io/part-of": naming.PART_OF,
        "app.kubernetes.io/managed-by": naming.FIELD_MANAGER,
    }
    found = beginning("v1", "ServiceAccount", settings.service_account, settings, labels)
    found["automountServiceAccountToken"] = False
    return found


def network_policy(arm: ArmSpec, settings: ClusterSettings) -> Manifest:
    """Who may talk to an arm's pods (the gateway, this namespace, and who reads metrics), and to whom they may (names, stores)."""
    namespaces = dict.fromkeys((settings.gateway_namespace, settings.namespace, *settings.metrics_namespaces))
    found = beginning("networking.k8s.io/v1", "NetworkPolicy", arm.name, settings, labels_of(arm))
    found["spec"] = {
        "podSelector": {"matchLabels": naming.pod_labels(arm.name)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}} for name in namespaces
                ],
                "ports": [{"port": PORT, "protocol": "TCP"}],
            }
        ],
        "egress": [
            {"ports": _DNS},
            {"ports": [{"port": port, "protocol": "TCP"} for port in sorted(set(settings.store_ports))]},
        ],
    }
    return found
