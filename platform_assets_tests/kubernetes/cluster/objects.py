"""Kinds by name, and what many controllers ask of an object: quantities, selectors, owners, conditions, times.

Belongs here: pure functions over objects. Does not belong here: anything that reads or writes the store.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.values import now, quantity

Object = dict[str, Any]
Key = tuple[str, str]

POD = Kind("", "v1", "pods", "Pod", True)
NODE = Kind("", "v1", "nodes", "Node", False)
EVENT = Kind("", "v1", "events", "Event", True)
SECRET = Kind("", "v1", "secrets", "Secret", True)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", True)
SERVICE = Kind("", "v1", "services", "Service", True)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", False)
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True)
QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota", True)
LIMIT_RANGE = Kind("", "v1", "limitranges", "LimitRange", True)
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", True)
REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet", True)
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet", True)
JOB = Kind("batch", "v1", "jobs", "Job", True)
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", True)
PRIORITY_CLASS = Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False)
DISRUPTION_BUDGET = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True)
AUTOSCALER = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True)
GATEWAY_CLASS = Kind("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", False)
GATEWAY = Kind("gateway.networking.k8s.io", "v1", "gateways", "Gateway", True)
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute", True)
TRAFFIC_POLICY = Kind("gateway.envoyproxy.io", "v1alpha1", "backendtrafficpolicies", "BackendTrafficPolicy", True)
EXTENSION_POLICY = Kind("gateway.envoyproxy.io", "v1alpha1", "envoyextensionpolicies", "EnvoyExtensionPolicy", True)

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def key_of(thing: Object) -> Key:
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def seconds_since(text: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(text.replace("Z", "+00:00"))).total_seconds()


def requests_of(pod: Object) -> dict[str, float]:
    """What a pod asks of a node: the sum of its containers, or its largest init container where that is more."""
    total: dict[str, float] = {}
    for container in pod["spec"].get("containers", []):
        for name, value in requests_of_container(container).items():
            total[name] = total.get(name, 0.0) + value
    for container in pod["spec"].get("initContainers", []):
        for name, value in requests_of_container(container).items():
            total[name] = max(total.get(name, 0.0), value)
    return total


def requests_of_container(container: Object) -> dict[str, float]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: quantity(value) for name, value in asked.items()}


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """True when a LabelSelector matches; an absent one matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(expression_holds(one, labels) for one in selector.get("matchExpressions") or [])


def selector_text(labels: Mapping[str, str]) -> str:
    """Labels as the API's query writes them."""
    return ",".join(f"{name}={value}" for name, value in labels.items())


def expression_holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    name, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    match operator:
        case "In":
            return labels.get(name) in values
        case "NotIn":
            return labels.get(name) not in values
        case "Exists":
            return name in labels
        case "DoesNotExist":
            return name not in labels
        case "Gt":
            return name in labels and int(labels[name]) > int(values[0])
        case "Lt":
            return name in labels and int(labels[name]) < int(values[0])
    raise ValueError(f"operator {operator!r} is not known")


def controller_of(thing: Object) -> Object | None:
    owners: list[Object] = thing["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def owned_by(thing: Object, owner: Object) -> bool:
    reference = controller_of(thing)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def owner_reference(kind: Kind, owner: Object) -> Object:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(thing: Object, name: str) -> Object | None:
    conditions: list[Object] = (thing.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == name), None)


def is_true(thing: Object, name: str) -> bool:
    found = condition(thing, name)
    return found is not None and found["status"] == "True"


def set_condition(
    status: Object, name: str, value: bool | str, reason: str = "", message: str = "", **more: Any
) -> bool:
    """Write a condition; its transition time moves only with its value.

    Returns:
        True when anything differs from before.
    """
    text = value if isinstance(value, str) else str(value)
    conditions = status.setdefault("conditions", [])
    old = next((one for one in conditions if one["type"] == name), None)
    fresh: Object = {"type": name, "status": text, "lastTransitionTime": now(), **more}
    if reason:
        fresh["reason"] = reason
    if message:
        fresh["message"] = message
    if old is None:
        conditions.append(fresh)
        return True
    if old["status"] == text:
        fresh["lastTransitionTime"] = old.get("lastTransitionTime", fresh["lastTransitionTime"])
    ignored = {"lastUpdateTime", "lastProbeTime"}
    same = {k: v for k, v in old.items() if k not in ignored} == {k: v for k, v in fresh.items() if k not in ignored}
    if not same:
        conditions[conditions.index(old)] = fresh
    return not same


def is_finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_leaving(thing: Object) -> bool:
    return bool(thing["metadata"].get("deletionTimestamp"))


def suffix(content: Any = None) -> str:
    """Five letters as Kubernetes puts behind a name: by chance, or of a content always the same ten."""
    if content is None:
        return "".join(random.choices(_LETTERS, k=5))
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])
