"""Routes as objects of Istio. Rendered and held against schemas; nobody has run them.

Belongs here: VirtualService and EnvoyFilter, and what their status says. Does not belong here: what is routed (`requests.py`).
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

_TYPE = "type.googleapis.com/envoy.extensions.filters.http.lua.v3"
_MANAGER = "envoy.filters.network.http_connection_manager"
_ROUTER = "envoy.filters.http.router"


class IstioRoutes:
    """The routes of one cluster as VirtualServices."""

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

        An EnvoyFilter lies in the namespace of the gateway, whose pods it changes.

        Raises:
            ValueError: the shares do not add up to 100, or the split is not between two of them.
        """
        if not shares:
            return []
        checked(shares, split)
        settings, paths = self._settings, requests.routed_paths(use_case, shares, split)
        found = self._beginning("networking.istio.io/v1", "VirtualService", use_case)
        found["spec"] = {
            "hosts": list(settings.hostnames) or ["*"],
            "gateways": [f"{settings.gateway_namespace}/{settings.gateway}"],
            "http": [route for path in paths for route in self._routes(use_case, path, mirror, split)],
        }
        if split is None:
            return [found]
        return [found, self._program(use_case, split, [route["name"] for route in found["spec"]["http"]])]

    def taken(self, stored: Sequence[Mapping[str, Any]]) -> RouteTaken | RouteRefused | RouteWaiting:
        """What istiod says of the VirtualService; of an EnvoyFilter it says nothing.

        istiod writes a status only where it is told to (`PILOT_ENABLE_STATUS`, `PILOT_ENABLE_CONFIG_DISTRIBUTION_TRACKING`).
        """
        for body in (body for body in stored if body["kind"] == "VirtualService"):
            status, generation = body.get("status") or {}, body["metadata"].get("generation", 0)
            what = f"VirtualService {body['metadata']['name']}"
            observed = int(status.get("observedGeneration", 0))
            faults = [message for message in status.get("validationMessages") or [] if message.get("level") == "ERROR"]
            if faults and observed >= generation:
                said = "; ".join(str(fault.get("type", {}).get("code", fault)) for fault in faults)
                return RouteRefused(f"istiod finds errors in {what}: {said}; see `istioctl analyze`")
            spread = next((entry for entry in status.get("conditions") or [] if entry["type"] == "Reconciled"), None)
            if spread is None or observed < generation:
                return RouteWaiting(
                    f"istiod has not said that every gateway has {what} as it is now; it does so only with PILOT_ENABLE_STATUS and "
                    f"PILOT_ENABLE_CONFIG_DISTRIBUTION_TRACKING"
                )
            if spread["status"] != "True":
                return RouteWaiting(f"{what} is still on its way: {spread.get('message', spread.get('reason', ''))}")
        return RouteTaken()

    def _routes(
        self, use_case: str, path: requests.RoutedPath, mirror: RouteMirror | None, split: RouteSplit | None
    ) -> list[Manifest]:
        """A path's routes: Istio's prefixes end anywhere, so the path itself and what is below it are two.

        Their names are the gateway's: patches of an EnvoyFilter find them by name among those of all use cases.
        """
        uris = (("", {"exact": path.prefix}, path.instead), ("-below", {"prefix": f"{path.prefix}/"}, path.instead))
        found = []
        for ending, uri, instead in uris:
            match: Manifest = {"uri": uri}
            if path.variant is not None:
                match["headers"] = {VARIANT_HEADER: {"exact": path.variant}}
            route: Manifest = {
                "name": f"{naming.dns_label(use_case)}-{path.name}{ending}",
                "match": [match],
                "headers": {"request": {"remove": requests.removed_headers(split)}},
                "route": [self._destination(share) for share in path.shares],
                "timeout": f"{self._settings.request_timeout_seconds:g}s",
                "retries": {
                    "attempts": requests.RETRY_COUNT,
                    "retryOn": ",".join(requests.RETRY_ON),
                    "backoff": requests.RETRY_BASE,
                },
            }
            if instead is not None:
                route["rewrite"] = {"uri": f"{instead}/" if ending else instead}
            if mirror is not None:
                copied = {"destination": self._host(mirror.name), "percentage": {"value": mirror.percent}}
                route["mirrors"] = [copied]
            found.append(route)
        return found

    def _destination(self, share: ArmShare) -> Manifest:
        return {
            "destination": self._host(share.name),
            "weight": share.percent,
            "headers": {
                "request": {"set": {ARM_HEADER: share.name}},
                "response": {"set": {VERSION_HEADER: share.version}},
            },
        }

    def _host(self, arm: str) -> Manifest:
        return {"host": f"{arm}.{self._settings.namespace}.svc.cluster.local", "port": {"number": PORT}}

    def _program(self, use_case: str, split: RouteSplit, names: Sequence[str]) -> Manifest:
        """A filter of the use case's own before the router, empty but on the use case's routes."""
        settings = self._settings
        called = f"platform_assets.assignment.{use_case}"
        added: Manifest = {
            "applyTo": "HTTP_FILTER",
            "match": {
                "context": "GATEWAY",
                "listener": {"filterChain": {"filter": {"name": _MANAGER, "subFilter": {"name": _ROUTER}}}},
            },
            "patch": {
                "operation": "INSERT_BEFORE",
                "value": {"name": called, "typed_config": {"@type": f"{_TYPE}.Lua"}},
            },
        }
        source = {"@type": f"{_TYPE}.LuaPerRoute", "source_code": {"inline_string": requests.program(use_case, split)}}
        patches = [
            {
                "applyTo": "HTTP_ROUTE",
                "match": {"context": "GATEWAY", "routeConfiguration": {"vhost": {"route": {"name": name}}}},
                "patch": {"operation": "MERGE", "value": {"typed_per_filter_config": {called: source}}},
            }
            for name in names
        ]
        found = self._beginning("networking.istio.io/v1alpha3", "EnvoyFilter", use_case)
        found["metadata"]["namespace"] = settings.gateway_namespace
        selected = {"labels": dict(settings.gateway_pods) or {"istio": "ingressgateway"}}
        found["spec"] = {"workloadSelector": selected, "configPatches": [added, *patches]}
        return found

    def _beginning(self, api_version: str, kind: str, use_case: str) -> Manifest:
        return beginning(
            api_version, kind, naming.dns_label(use_case), self._settings, naming.labels(use_case, component="route")
        )
