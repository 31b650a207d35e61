"""Which routes attach to which gateways, and where their requests cannot go.

Belongs here: parents, listeners and backends as the Gateway API judges them. Does not belong here: what follows (`gateway.py`),
and how it is written down (`gateway_status.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_assets_tests.kubernetes.cluster.objects import NAMESPACE, SERVICE, Object, selects
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore


class Verdicts:
    """Which routes attach to which gateways."""

    def __init__(self, store: ObjectStore, gateways: Mapping[str, Object]) -> None:
        self._store, self._gateways = store, gateways

    def of(self, route: Object) -> list[Object]:
        """One verdict for each parent that is a gateway of ours; others are none of our business."""
        found = []
        namespace = route["metadata"]["namespace"]
        problems = [
            problem
            for rule in route["spec"].get("rules") or []
            for backend in _backends(rule)
            if (problem := backend_problem(self._store, route, backend))
        ]
        for reference in route["spec"].get("parentRefs") or []:
            name = f"{reference.get('namespace') or namespace}/{reference['name']}"
            if reference.get("kind", "Gateway") == "Gateway" and name in self._gateways:
                listeners, refused = self._listeners(self._gateways[name], reference, namespace)
                found.append(
                    {
                        "gateway": name,
                        "reference": reference,
                        "listeners": listeners,
                        "refused": refused,
                        "unresolved": problems[0] if problems else None,
                    }
                )
        return found

    def _listeners(
        self, gateway: Object, reference: Object, namespace: str
    ) -> tuple[list[str], tuple[str, str] | None]:
        named = [
            one
            for one in gateway["spec"]["listeners"]
            if reference.get("sectionName") in (None, one["name"]) and reference.get("port") in (None, one["port"])
        ]
        if not named:
            return [], ("NoMatchingParent", "No listener of the gateway matches the parent reference")
        allowed = [one["name"] for one in named if self._allowed(gateway, one, namespace)]
        if not allowed:
            return [], ("NotAllowedByListeners", "No listener allows routes of this namespace")
        return allowed, None

    def _allowed(self, gateway: Object, listener: Object, namespace: str) -> bool:
        rule = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
        match rule.get("from", "Same"):
            case "All":
                return True
            case "Same":
                return bool(namespace == gateway["metadata"]["namespace"])
        labels = self._store.read(NAMESPACE, None, namespace)["metadata"].get("labels") or {}
        return selects(rule.get("selector"), labels)


def backend_problem(store: ObjectStore, route: Object, backend: Mapping[str, Any]) -> tuple[str, str] | None:
    """Reason and words why requests cannot go to a backend; None when they can."""
    namespace = backend.get("namespace") or route["metadata"]["namespace"]
    if backend.get("kind", "Service") != "Service" or backend.get("group", ""):
        return "InvalidKind", f"Backends of kind {backend.get('kind')} are not supported"
    if namespace != route["metadata"]["namespace"]:
        return (
            "RefNotPermitted",
            f"Backend reference to Service {namespace}/{backend['name']} not permitted by any ReferenceGrant",
        )
    try:
        service = store.read(SERVICE, namespace, backend["name"])
    except ApiError:
        return "BackendNotFound", f"Service {namespace}/{backend['name']} not found"
    if all(one["port"] != backend.get("port") for one in service["spec"].get("ports") or []):
        return "PortNotFound", f"TCP Port {backend.get('port')} not found on Service {namespace}/{backend['name']}"
    return None


def _backends(rule: Object) -> list[Object]:
    mirrors = [
        one["requestMirror"]["backendRef"] for one in rule.get("filters") or [] if one["type"] == "RequestMirror"
    ]
    return [*(rule.get("backendRefs") or []), *mirrors]
