"""The kinds of objects that the target reads and writes, and where the API has them.

Belongs here: version, kind and path. Does not belong here: what is in an object (`manifests/`, `routes/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ApiKind(NamedTuple):
    """A kind of object.

    Attributes:
        version: `v1`, or group and version.
        name: in the singular, as objects say it.
        plural: as paths say it.
    """

    version: str
    name: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """Path of one object, or of all in the namespace; without one for kinds that are the cluster's own."""
        root = "/api/v1" if self.version == "v1" else f"/apis/{self.version}"
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "")


POD = ApiKind("v1", "Pod", "pods")
EVENT = ApiKind("v1", "Event", "events")
CONFIG_MAP = ApiKind("v1", "ConfigMap", "configmaps")
SECRET = ApiKind("v1", "Secret", "secrets")
SERVICE = ApiKind("v1", "Service", "services")
SERVICE_ACCOUNT = ApiKind("v1", "ServiceAccount", "serviceaccounts")
RESOURCE_QUOTA = ApiKind("v1", "ResourceQuota", "resourcequotas")
LEASE = ApiKind("coordination.k8s.io/v1", "Lease", "leases")
DEPLOYMENT = ApiKind("apps/v1", "Deployment", "deployments")
GATEWAY = ApiKind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
GATEWAY_CLASS = ApiKind("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses")
AUTOSCALER = ApiKind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
DISRUPTION_BUDGET = ApiKind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = ApiKind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
SCALED_OBJECT = ApiKind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects")
HTTP_ROUTE = ApiKind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
BACKEND_TRAFFIC_POLICY = ApiKind("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", "backendtrafficpolicies")
ENVOY_EXTENSION_POLICY = ApiKind("gateway.envoyproxy.io/v1alpha1", "EnvoyExtensionPolicy", "envoyextensionpolicies")
VIRTUAL_SERVICE = ApiKind("networking.istio.io/v1", "VirtualService", "virtualservices")
DESTINATION_RULE = ApiKind("networking.istio.io/v1", "DestinationRule", "destinationrules")
ENVOY_FILTER = ApiKind("networking.istio.io/v1alpha3", "EnvoyFilter", "envoyfilters")

OWNED = (
    DEPLOYMENT, AUTOSCALER, SCALED_OBJECT, DISRUPTION_BUDGET, NETWORK_POLICY, SERVICE, SECRET, CONFIG_MAP, SERVICE_ACCOUNT,
    HTTP_ROUTE, BACKEND_TRAFFIC_POLICY, ENVOY_EXTENSION_POLICY, VIRTUAL_SERVICE, DESTINATION_RULE, ENVOY_FILTER,
)  # fmt: skip
"""Every kind that an arm, a route or a process beside may have an object of; those behind which pods stand come first."""
OF_ARMS, ROUTES = OWNED[:8], OWNED[9:]
"""The kinds of them that an arm has, and those that lead requests."""
ROUTES_OF = {"gateway_api": ROUTES[:3], "istio": ROUTES[3:]}
"""The kinds that each kind of route puts; the account of the target may do without the others."""
_BY_NAME = {(kind.version, kind.name): kind for kind in (*OWNED, POD, EVENT, LEASE, GATEWAY, RESOURCE_QUOTA)}


def kind_of(body: Mapping[str, Any]) -> ApiKind:
    """The kind that an object says it is of.

    Raises:
        ValueError: it is none that the target knows.
    """
    found = _BY_NAME.get((str(body.get("apiVersion")), str(body.get("kind"))))
    if found is None:
        raise ValueError(f"the target knows no objects of {body.get('apiVersion')} {body.get('kind')}")
    return found
