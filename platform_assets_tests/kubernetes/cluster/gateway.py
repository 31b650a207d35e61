"""The Gateway API's controller: GatewayClass, Gateway, HTTPRoute and inline Lua of EnvoyExtensionPolicy, with one Envoy as the data plane.

Belongs here: what is accepted, and status, which is written only when Envoy answers by it. Does not belong here: Envoy
(`gateway_envoy.py`), its routes (`gateway_routes.py`).

It differs from a real one in that each gateway has one port on 127.0.0.1 whatever its listeners say, without TLS; in that a
Service's port is one cluster of Envoy's, named `NAMESPACE/SERVICE/PORT`; and in that it knows of EnvoyExtensionPolicy its inline Lua alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from platform_assets_tests.kubernetes.cluster.endpoints import SERVICE_LABEL, ready_addresses
from platform_assets_tests.kubernetes.cluster.gateway_envoy import GatewayEnvoy, Rejected
from platform_assets_tests.kubernetes.cluster.gateway_routes import NO_BACKEND, routes_of
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    ENDPOINT_SLICE,
    EXTENSION_POLICY,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    NAMESPACE,
    SERVICE,
    Object,
    key_of,
    selects,
    set_condition,
)
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

logger = logging.getLogger(__name__)

CONTROLLER = "test-cluster/envoy-gateway"
CLASS = "test-envoy"
ADDRESS, METRICS = "test-cluster/address", "test-cluster/metrics"
"""Annotations of a Gateway: where it listens, and where Envoy's counters are."""
WATCHED = {GATEWAY_CLASS, GATEWAY, HTTP_ROUTE, EXTENSION_POLICY, SERVICE, ENDPOINT_SLICE, NAMESPACE}


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class GatewayController:
    """Brings Envoy in line with the Gateway API's objects, and says so in their status."""

    def __init__(self, store: ObjectStore, envoy: GatewayEnvoy, first_port: int) -> None:
        """Args:
        store: the cluster's objects.
        envoy: the data plane.
        first_port: of the oldest gateway; others get free ones.
        """
        self._store, self._envoy, self._first_port = store, envoy, first_port
        self._ports: dict[str, int] = {}
        self._dirty = asyncio.Event()
        self._slices_only = True
        self._clusters: dict[str, tuple[str, str, str]] = {}
        self._refused: dict[str, tuple[int, str]] = {}

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change; endpoints of known clusters are passed on at once."""
        if kind not in WATCHED:
            return
        if kind == ENDPOINT_SLICE:
            self._pass_on((thing["metadata"].get("labels") or {}).get(SERVICE_LABEL), thing["metadata"]["namespace"])
        else:
            self._dirty.set()

    def _pass_on(self, service: str | None, namespace: str) -> None:
        for name, (place, owner, port) in self._clusters.items():
            if (place, owner) == (namespace, service):
                self._envoy.set_endpoints(name, self._endpoints(place, owner, port))

    def _endpoints(self, namespace: str, service: str, port: str) -> list[tuple[str, int]]:
        try:
            found = self._store.read(SERVICE, namespace, service)
        except ApiError:
            return []
        slices = self._store.items(ENDPOINT_SLICE, namespace, labels=f"{SERVICE_LABEL}={service}")
        ports = [one for one in found["spec"].get("ports") or [] if str(one["port"]) == port]
        return [address for one in ports for address in ready_addresses(slices, one)]

    async def run(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._reconcile()
            except Exception:
                logger.exception("gateway")
                await asyncio.sleep(1.0)
                self._dirty.set()

    async def _reconcile(self) -> None:
        classes = {one["metadata"]["name"] for one in self._store.items(GATEWAY_CLASS) if _ours(one)}
        gateways = [one for one in self._store.items(GATEWAY) if one["spec"].get("gatewayClassName") in classes]
        gateways.sort(key=lambda one: (one["metadata"]["creationTimestamp"], key_of(one)))
        for one in gateways:
            if _name(one) not in self._ports:
                taken = self._first_port in self._ports.values()
                self._ports[_name(one)] = free_port() if taken else self._first_port
        for gone in set(self._ports) - {_name(one) for one in gateways}:
            del self._ports[gone]
        routes = self._store.items(HTTP_ROUTE)
        routes.sort(key=lambda one: (one["metadata"]["creationTimestamp"], key_of(one)))
        verdicts = Verdicts(self._store, {_name(one): one for one in gateways})
        judged = [(one, verdicts.of(one)) for one in routes]
        try:
            await self._put_in_force(gateways, judged)
        except Rejected as error:
            self._blame(judged, str(error))
            return
        self._write_status(gateways, judged)

    async def _put_in_force(self, gateways: list[Object], judged: list[tuple[Object, list[Object]]]) -> None:
        needed: dict[str, tuple[str, str, str]] = {}
        tables: dict[str, list[Object]] = {}
        policies = self._store.items(EXTENSION_POLICY)
        for gateway in gateways:
            attached = [
                route
                for route, parents in judged
                if any(p["gateway"] == _name(gateway) and not p["refused"] for p in parents)
                and not self._refusal(route)
            ]
            tables[_name(gateway)] = _virtual_hosts(attached, policies, lambda r, b: self._cluster_of(r, b, needed))
        # First what is new, then what points at it, then what nothing points at any more.
        for name, place in needed.items():
            self._envoy.set_endpoints(name, self._endpoints(*place))
        self._clusters |= needed
        await self._envoy.set_clusters(list(self._clusters))
        await self._envoy.set_listeners(self._ports)
        for name, hosts in tables.items():
            await self._envoy.set_routes(name, self._ports[name], hosts)
        self._clusters = needed
        await self._envoy.set_clusters(list(needed))

    def _cluster_of(self, route: Object, backend: Mapping[str, Any], needed: dict[str, tuple[str, str, str]]) -> str:
        if backend_problem(self._store, route, backend):
            return NO_BACKEND
        place = (backend.get("namespace") or route["metadata"]["namespace"], backend["name"], str(backend["port"]))
        needed["/".join(place)] = place
        return "/".join(place)

    def _refusal(self, route: Object) -> str:
        generation, words = self._refused.get(route["metadata"]["uid"], (0, ""))
        return words if generation == route["metadata"].get("generation") else ""

    def _blame(self, judged: list[tuple[Object, list[Object]]], words: str) -> None:
        """What Envoy rejects is the fault of a route that is newer than what it has; all others stay in force."""
        for route, parents in judged:
            generation = route["metadata"].get("generation", 1)
            seen = [c.get("observedGeneration") for p in _parents(route) for c in p["conditions"]]
            if parents and generation not in seen:
                self._refused[route["metadata"]["uid"]] = (generation, words)
        self._dirty.set()

    def _write_status(self, gateways: list[Object], judged: list[tuple[Object, list[Object]]]) -> None:
        for one in self._store.items(GATEWAY_CLASS):
            if _ours(one):
                self._change(GATEWAY_CLASS, one, lambda status, g: _condition(status, g, "Accepted", True, "Accepted"))
        for route, parents in judged:
            if parents or _parents(route):
                refusal = self._refusal(route)
                self._change(HTTP_ROUTE, route, lambda s, g, p=parents, r=refusal: _route_status(s, g, p, r))
        for gateway in gateways:
            attached: dict[str, int] = {}
            for _, parents in judged:
                for parent in parents:
                    if parent["gateway"] == _name(gateway) and not parent["refused"]:
                        for listener in parent["listeners"]:
                            attached[listener] = attached.get(listener, 0) + 1
            self._change(GATEWAY, gateway, lambda s, g, o=gateway, a=attached: _gateway_status(s, g, o, a))
            self._annotate(gateway)

    def _annotate(self, gateway: Object) -> None:
        wanted = {ADDRESS: f"http://127.0.0.1:{self._ports[_name(gateway)]}", METRICS: self._envoy.metrics}

        def change(one: Object) -> None:
            one["metadata"].setdefault("annotations", {}).update(wanted)

        with contextlib.suppress(ApiError):
            self._store.change(GATEWAY, *key_of(gateway), change, subresource="", manager=CONTROLLER)

    def _change(self, kind: Kind, thing: Object, write: Callable[[Object, int], None]) -> None:
        """Write the status of what was looked at, not of what it has become since."""
        generation = thing["metadata"].get("generation", 1)

        def change(one: Object) -> None:
            write(one.setdefault("status", {}), generation)

        with contextlib.suppress(ApiError):
            self._store.change(kind, *key_of(thing), change, manager=CONTROLLER)


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


def _virtual_hosts(
    routes: list[Object], policies: list[Object], cluster_of: Callable[[Object, Mapping[str, Any]], str]
) -> list[Object]:
    by_host: dict[str, list[tuple[tuple[int, ...], Object]]] = {}
    for age, route in enumerate(routes):
        programs = [text for policy in policies if _targets(policy, route) for text in _programs(policy)]
        ranked = routes_of(route, lambda backend, r=route: cluster_of(r, backend), programs)  # type: ignore[misc]
        for host in route["spec"].get("hostnames") or ["*"]:
            by_host.setdefault(host, []).extend(((*rank[:-1], -age, rank[-1]), envoy) for rank, envoy in ranked)
    hosts = []
    for host, found in sorted(by_host.items()):
        found.sort(key=lambda one: one[0], reverse=True)
        hosts.append({"name": host, "domains": [host], "routes": [envoy for _, envoy in found]})
    return hosts


def _targets(policy: Object, route: Object) -> bool:
    references = [*(policy["spec"].get("targetRefs") or []), *filter(None, [policy["spec"].get("targetRef")])]
    same = policy["metadata"]["namespace"] == route["metadata"]["namespace"]
    return same and any(one["kind"] == "HTTPRoute" and one["name"] == route["metadata"]["name"] for one in references)


def _programs(policy: Object) -> list[str]:
    return [one["inline"] for one in policy["spec"].get("lua") or [] if one.get("type", "Inline") == "Inline"]


def _ours(gateway_class: Object) -> bool:
    return bool(gateway_class["spec"].get("controllerName") == CONTROLLER)


def _name(gateway: Object) -> str:
    return "/".join(key_of(gateway))


def _parents(route: Object) -> list[Object]:
    return list((route.get("status") or {}).get("parents") or [])


def _condition(status: Object, generation: int, name: str, value: bool, reason: str, words: str = "") -> None:
    set_condition(status, name, value, reason, words or reason, observedGeneration=generation)


def _route_status(status: Object, generation: int, verdicts: list[Object], refusal: str) -> None:
    old = {str(one["parentRef"]): one for one in status.get("parents") or []}
    theirs = [one for one in status.get("parents") or [] if one.get("controllerName") != CONTROLLER]
    status["parents"] = theirs
    for verdict in verdicts:
        parent = old.get(str(verdict["reference"]), {"parentRef": verdict["reference"], "conditions": []})
        parent["controllerName"] = CONTROLLER
        if verdict["refused"]:
            _condition(parent, generation, "Accepted", False, *verdict["refused"])
        elif refusal:
            _condition(parent, generation, "Accepted", False, "UnsupportedValue", refusal)
        else:
            _condition(parent, generation, "Accepted", True, "Accepted", "Route is accepted")
        if verdict["unresolved"]:
            _condition(parent, generation, "ResolvedRefs", False, *verdict["unresolved"])
        else:
            words = "Resolved all the Object references for the Route"
            _condition(parent, generation, "ResolvedRefs", True, "ResolvedRefs", words)
        status["parents"].append(parent)


def _gateway_status(status: Object, generation: int, gateway: Object, attached: Mapping[str, int]) -> None:
    _condition(status, generation, "Accepted", True, "Accepted", "The Gateway has been scheduled by the test cluster")
    _condition(status, generation, "Programmed", True, "Programmed", "Address assigned to the Gateway, Envoy listens")
    status["addresses"] = [{"type": "IPAddress", "value": "127.0.0.1"}]
    old = {one["name"]: one for one in status.get("listeners") or []}
    status["listeners"] = []
    for one in gateway["spec"]["listeners"]:
        listener = old.get(one["name"], {"name": one["name"], "conditions": []})
        listener["attachedRoutes"] = attached.get(one["name"], 0)
        listener["supportedKinds"] = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]
        for name in ("Accepted", "Programmed", "ResolvedRefs"):
            _condition(listener, generation, name, True, name)
        status["listeners"].append(listener)
