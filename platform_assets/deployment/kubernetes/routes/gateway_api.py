"""Routes as objects of the Gateway API, with Envoy Gateway's policies where the API has no word for it.

Belongs here: HTTPRoute, EnvoyExtensionPolicy and BackendTrafficPolicy, and what their status says. Does not belong here: what is routed
(`requests.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_assets.declaration.names import ARM_HEADER, VARIANT_HEADER
from platform_assets.deployment.kubernetes import naming
from platform_assets.deployment.kubernetes.arms import PORT
from platform_assets.deployment.kubernetes.manifests.metadata import Manifest, beginning
from platform_assets.deployment.kubernetes.routes import requests
from platform_assets.deployment.kubernetes.routes.base import (
    ArmShare,
    RouteMirror,
    RouteRefused,
    RouteSplit,
    RouteTaken,
    RouteWaiting,
    checked,
)
from platform_assets.deployment.kubernetes.settings import ClusterSettings
from platform_assets.deployment.routing.paths import VERSION_HEADER

GROUP = "gateway.networking.k8s.io"
ENVOY_GROUP = "gateway.envoyproxy.io"
_TRANSIENT = frozenset({"Pending", "BackendNotFound"})
"""Reasons that end by themselves: a controller may learn of a route before it learns of the Service that the route names."""


class GatewayApiRoutes:
    """The routes of one cluster as HTTPRoutes."""

    def __init__(self, settings: ClusterSettings) -> None:
        """Take the settings; nothing is asked."""
        self._settings = settings

    def render(
        self,
        use_case: str,
        shares: Sequence[ArmShare],
        mirror: RouteMirror | None = None,
        split: RouteSplit | None = None,
    ) -> list[Manifest]:
        """The objects by which a use case's requests go to these arms; none where there are no shares.

        Raises:
            ValueError: the shares do not add up to 100, or the split is not between two of them.
        """
        if not shares:
            return []
        checked(shares, split)
        found = [self._route(use_case, shares, mirror, split)]
        if split is not None:
            found.append(self._program(use_case, split))
        if self._settings.retries == "envoy_gateway":
            found.append(self._retries(use_case))
        return found

    def taken(self, stored: Sequence[Mapping[str, Any]]) -> RouteTaken | RouteRefused | RouteWaiting:
        """What the gateway's controller says of the objects, for the generation that was asked for."""
        waiting: RouteWaiting | None = None
        for body in stored:
            said = self._said(body)
            if isinstance(said, RouteRefused):
                return said
            if isinstance(said, RouteWaiting):
                waiting = waiting or said
        return waiting or RouteTaken()

    def _said(self, body: Mapping[str, Any]) -> RouteTaken | RouteRefused | RouteWaiting:
        is_route = body["kind"] == "HTTPRoute"
        wanted = ("Accepted", "ResolvedRefs") if is_route else ("Accepted",)
        entries = body.get("status", {}).get("parents" if is_route else "ancestors") or []
        entries = [
            entry for entry in entries if self._is_ours(entry.get("parentRef" if is_route else "ancestorRef", {}))
        ]
        gateway = f"Gateway {self._settings.gateway_namespace}/{self._settings.gateway}"
        what = f"{body['kind']} {body['metadata']['name']}"
        if not entries:
            return RouteWaiting(f"no controller has said anything of {what} as a route of {gateway}")
        lacking = ""
        for entry in entries:
            by_type = {condition["type"]: condition for condition in entry.get("conditions") or []}
            for name in wanted:
                condition = by_type.get(name)
                if condition is None or condition.get("observedGeneration", 0) < body["metadata"].get("generation", 0):
                    lacking = lacking or f"the controller of {gateway} has not said {name} of {what} as it is now"
                elif condition["status"] != "True":
                    reason, message = condition.get("reason", ""), condition.get("message", "")
                    sentence = f"{what} is not {name} by {gateway}: {reason}, {message}"
                    if condition["status"] == "False" and reason not in _TRANSIENT:
                        return RouteRefused(sentence)
                    lacking = sentence
        return RouteWaiting(lacking) if lacking else RouteTaken()

    def _is_ours(self, reference: Mapping[str, Any]) -> bool:
        settings = self._settings
        namespace = reference.get("namespace", settings.namespace)
        return (reference.get("name"), namespace) == (settings.gateway, settings.gateway_namespace)

    def _route(
        self, use_case: str, shares: Sequence[ArmShare], mirror: RouteMirror | None, split: RouteSplit | None
    ) -> Manifest:
        settings = self._settings
        parent = {
            "group": GROUP,
            "kind": "Gateway",
            "name": settings.gateway,
            "namespace": settings.gateway_namespace,
        }
        if settings.gateway_section is not None:
            parent["sectionName"] = settings.gateway_section
        found = self._beginning(f"{GROUP}/v1", "HTTPRoute", use_case)
        found["spec"] = {
            "parentRefs": [parent],
            "rules": [self._rule(path, mirror, split) for path in requests.routed_paths(use_case, shares, split)],
        }
        if settings.hostnames:
            found["spec"]["hostnames"] = list(settings.hostnames)
        return found

    def _rule(self, path: requests.RoutedPath, mirror: RouteMirror | None, split: RouteSplit | None) -> Manifest:
        match: Manifest = {"path": {"type": "PathPrefix", "value": path.prefix}}
        if path.variant is not None:
            match["headers"] = [{"type": "Exact", "name": VARIANT_HEADER, "value": path.variant}]
        filters: list[Manifest] = [
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": requests.removed_headers(split)}}
        ]
        if path.instead is not None:
            replaced = {"type": "ReplacePrefixMatch", "replacePrefixMatch": path.instead}
            filters.append({"type": "URLRewrite", "urlRewrite": {"path": replaced}})
        if mirror is not None:
            copied: Manifest = {"backendRef": _service(mirror.name)}
            if mirror.percent < 100:
                copied["percent"] = mirror.percent
            filters.append({"type": "RequestMirror", "requestMirror": copied})
        rule: Manifest = {
            "matches": [match],
            "filters": filters,
            "backendRefs": [_backend(share) for share in path.shares],
            "timeouts": {"request": duration(self._settings.request_timeout_seconds)},
        }
        if self._settings.retries == "http_route":
            rule["retry"] = {"attempts": requests.RETRY_COUNT, "backoff": requests.RETRY_BASE}
        return rule

    def _program(self, use_case: str, split: RouteSplit) -> Manifest:
        """Envoy Gateway runs the program for every request of the route, and has the route chosen anew."""
        found = self._beginning(f"{ENVOY_GROUP}/v1alpha1", "EnvoyExtensionPolicy", use_case)
        lua = {"type": "Inline", "inline": requests.program(use_case, split)}
        found["spec"] = {"targetRefs": [_target(use_case)], "lua": [lua]}
        return found

    def _retries(self, use_case: str) -> Manifest:
        found = self._beginning(f"{ENVOY_GROUP}/v1alpha1", "BackendTrafficPolicy", use_case)
        pause = {"baseInterval": requests.RETRY_BASE, "maxInterval": requests.RETRY_MAX}
        found["spec"] = {
            "targetRefs": [_target(use_case)],
            "retry": {
                "numRetries": requests.RETRY_COUNT,
                "retryOn": {"triggers": list(requests.RETRY_ON)},
                "perRetry": {"backOff": pause},
            },
        }
        return found

    def _beginning(self, api_version: str, kind: str, use_case: str) -> Manifest:
        return beginning(
            api_version, kind, naming.dns_label(use_case), self._settings, naming.labels(use_case, component="route")
        )


def why_unanswered(
    settings: ClusterSettings, gateway: Mapping[str, Any] | None, gateway_class: Mapping[str, Any] | None
) -> str:
    """Why nobody says anything of a route, for the error after waiting for it.

    Args:
        settings: of the cluster.
        gateway: the Gateway as it is stored, None where there is none.
        gateway_class: its GatewayClass, None where there is none.
    """
    name = f"Gateway {settings.gateway_namespace}/{settings.gateway}"
    if gateway is None:
        return (
            f"there is no {name}: correct gateway and gateway_namespace in PLATFORM_ASSETS_KUBERNETES, or have it made"
        )
    called = gateway.get("spec", {}).get("gatewayClassName", "")
    if gateway_class is None:
        return f"{name} is of the class {called}, which does not exist: install its controller, or correct gatewayClassName"
    accepted = _condition(gateway_class, "Accepted")
    if accepted.get("status") != "True":
        said = f"{accepted.get('reason', 'nothing')} {accepted.get('message', '')}".strip()
        return f"{name} is of the class {called}, which no controller has accepted ({said}): is its controller running?"
    for kind in ("Accepted", "Programmed"):
        condition = _condition(gateway, kind)
        if condition.get("status") != "True":
            said = f"{condition.get('reason', 'nothing said')} {condition.get('message', '')}".strip()
            return f"{name} of the class {called} is not {kind} ({said})"
    listeners = [entry["name"] for entry in gateway.get("spec", {}).get("listeners", [])]
    if settings.gateway_section is not None and settings.gateway_section not in listeners:
        return (
            f"{name} has no listener {settings.gateway_section}, only {', '.join(listeners)}: correct gateway_section"
        )
    return f"{name} of the class {called} works, and says nothing of the route: does a listener admit routes of {settings.namespace}?"


def duration(seconds: float) -> str:
    """A duration as the Gateway API writes it: whole seconds, or thousandths."""
    thousandths = max(1, round(seconds * 1000))
    return f"{thousandths}ms" if thousandths % 1000 else f"{thousandths // 1000}s"


def _condition(body: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = body.get("status", {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _service(name: str) -> Manifest:
    return {"group": "", "kind": "Service", "name": name, "port": PORT}


def _backend(share: ArmShare) -> Manifest:
    """An arm's Service. It is named to the service, which so knows copies of requests that another arm answers."""
    sent_to = {"set": [{"name": ARM_HEADER, "value": share.name}]}
    answered_by = {"set": [{"name": VERSION_HEADER, "value": share.version}]}
    filters = [
        {"type": "RequestHeaderModifier", "requestHeaderModifier": sent_to},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": answered_by},
    ]
    return _service(share.name) | {"weight": share.percent, "filters": filters}


def _target(use_case: str) -> Manifest:
    return {"group": GROUP, "kind": "HTTPRoute", "name": naming.dns_label(use_case)}
