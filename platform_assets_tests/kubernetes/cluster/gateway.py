"""The Gateway API's controller: GatewayClass, Gateway, HTTPRoute and two policies, with one Envoy as the data plane.

Belongs here: what is accepted, and status, which is written only when Envoy answers by it. Does not belong here: Envoy
(`gateway_envoy.py`), its routes (`gateway_routes.py`).

It differs from a real one in that each gateway listens at one port of an address of its own whatever its listeners say, without
TLS; in that a Service's port is one cluster of Envoy's, named `NAMESPACE/SERVICE/PORT`; and in that it knows of Envoy Gateway's
policies inline Lua and retries alone (`gateway_policies.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from platform_assets_tests.kubernetes.cluster import gateway_status
from platform_assets_tests.kubernetes.cluster.addresses import Addresses
from platform_assets_tests.kubernetes.cluster.endpoints import SERVICE_LABEL, ready_addresses
from platform_assets_tests.kubernetes.cluster.gateway_envoy import LISTENER_PORT, GatewayEnvoy, Rejected
from platform_assets_tests.kubernetes.cluster.gateway_policies import KINDS, Policies, is_for
from platform_assets_tests.kubernetes.cluster.gateway_routes import NO_BACKEND, routes_of
from platform_assets_tests.kubernetes.cluster.gateway_status import CONTROLLER
from platform_assets_tests.kubernetes.cluster.gateway_verdicts import Verdicts, backend_problem
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import (
    ENDPOINT_SLICE,
    GATEWAY,
    GATEWAY_CLASS,
    HTTP_ROUTE,
    NAMESPACE,
    SERVICE,
    Object,
    key_of,
)
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

logger = logging.getLogger(__name__)

CLASS = "test-envoy"
ADDRESS, METRICS = "test-cluster/address", "test-cluster/metrics"
"""Annotations of a Gateway: where it listens, and where Envoy's counters are."""
WATCHED = {GATEWAY_CLASS, GATEWAY, HTTP_ROUTE, *KINDS, SERVICE, ENDPOINT_SLICE, NAMESPACE}


def url_of(address: str) -> str:
    """Where a gateway with this address answers."""
    return f"http://{address}:{LISTENER_PORT}"


class GatewayController:
    """Brings Envoy in line with the Gateway API's objects, and says so in their status."""

    def __init__(self, store: ObjectStore, envoy: GatewayEnvoy, addresses: Addresses) -> None:
        """Args:
        store: the cluster's objects.
        envoy: the data plane.
        addresses: where gateways get theirs from.
        """
        self._store, self._envoy, self._free = store, envoy, addresses
        self._addresses: dict[str, str] = {}
        self._dirty = asyncio.Event()
        self._seen: dict[str, int] = {}
        self._clusters: dict[str, tuple[str, str, str]] = {}
        self._refused: dict[str, tuple[int, str]] = {}

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change; endpoints of known clusters are passed on at once."""
        if kind not in WATCHED:
            return
        if kind == ENDPOINT_SLICE:
            self._pass_on((thing["metadata"].get("labels") or {}).get(SERVICE_LABEL), thing["metadata"]["namespace"])
            return
        uid, generation = thing["metadata"]["uid"], thing["metadata"].get("generation", 0)
        if event == "MODIFIED" and generation and self._seen.get(uid) == generation:
            return  # a status, ours as a rule
        self._seen[uid] = generation
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

    def url(self, name: str) -> str:
        """Where a gateway answers."""
        return url_of(self._addresses[name])

    async def bring_up(self) -> None:
        """Put in force what is there already.

        Raises:
            Rejected: Envoy does not take it.
        """
        await self._reconcile()

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
            if _name(one) not in self._addresses:
                self._addresses[_name(one)] = self._free.take()
        for gone in set(self._addresses) - {_name(one) for one in gateways}:
            self._free.give_back(self._addresses.pop(gone))
        routes = self._store.items(HTTP_ROUTE)
        routes.sort(key=lambda one: (one["metadata"]["creationTimestamp"], key_of(one)))
        verdicts = Verdicts(self._store, {_name(one): one for one in gateways})
        judged = [(one, verdicts.of(one)) for one in routes]
        policies = Policies(self._store, self._refusal)
        try:
            await self._put_in_force(gateways, judged, policies)
        except Rejected as error:
            if not self._blame(
                [*(route for route, parents in judged if parents), *(one for _, one in policies.all)], error
            ):
                raise
            self._dirty.set()
            return
        self._write_status(gateways, judged, policies)

    async def _put_in_force(
        self, gateways: list[Object], judged: list[tuple[Object, list[Object]]], policies: Policies
    ) -> None:
        needed: dict[str, tuple[str, str, str]] = {}
        tables: dict[str, list[Object]] = {}
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
        await self._envoy.set_listeners(self._addresses)
        for name, hosts in tables.items():
            await self._envoy.set_routes(name, self._addresses[name], hosts)
        self._clusters = needed
        await self._envoy.set_clusters(list(needed))

    def _cluster_of(self, route: Object, backend: Mapping[str, Any], needed: dict[str, tuple[str, str, str]]) -> str:
        if backend_problem(self._store, route, backend):
            return NO_BACKEND
        place = (backend.get("namespace") or route["metadata"]["namespace"], backend["name"], str(backend["port"]))
        needed["/".join(place)] = place
        return "/".join(place)

    def _refusal(self, thing: Object) -> str:
        """Why Envoy rejects a route or a policy as it is now; "" where it does not."""
        generation, words = self._refused.get(thing["metadata"]["uid"], (0, ""))
        return words if generation == thing["metadata"].get("generation") else ""

    def _blame(self, things: list[Object], error: Rejected) -> bool:
        """What Envoy rejects is the fault of what is newer than all that it has; everything else stays in force."""
        found = False
        for one in things:
            generation, status = one["metadata"].get("generation", 1), one.get("status") or {}
            entries = [*(status.get("parents") or []), *(status.get("ancestors") or [])]
            seen = [condition.get("observedGeneration") for entry in entries for condition in entry["conditions"]]
            if generation not in seen and not self._refusal(one):
                self._refused[one["metadata"]["uid"]] = (generation, str(error))
                found = True
        return found

    def _write_status(
        self, gateways: list[Object], judged: list[tuple[Object, list[Object]]], policies: Policies
    ) -> None:
        for one in self._store.items(GATEWAY_CLASS):
            if _ours(one):
                self._change(GATEWAY_CLASS, one, lambda s, g: gateway_status.write(s, g, "Accepted", True, "Accepted"))
        for route, parents in judged:
            if parents or (route.get("status") or {}).get("parents"):
                refusal = self._refusal(route)
                self._change(
                    HTTP_ROUTE, route, lambda s, g, p=parents, r=refusal: gateway_status.route_status(s, g, p, r)
                )
        for kind, policy in policies.all:
            ancestors = [
                {"group": GATEWAY.group, "kind": "Gateway", **parent["reference"]}
                for route, parents in judged
                if is_for(policy, route)
                for parent in parents
            ]
            refusal = self._refusal(policy)
            if ancestors:
                self._change(
                    kind, policy, lambda s, g, a=ancestors, r=refusal: gateway_status.policy_status(s, g, a, r)
                )
        for gateway in gateways:
            attached = Counter(
                listener
                for _, parents in judged
                for parent in parents
                if parent["gateway"] == _name(gateway) and not parent["refused"]
                for listener in parent["listeners"]
            )
            self._change(
                GATEWAY,
                gateway,
                lambda s, g, o=gateway, a=attached: gateway_status.gateway_status(
                    s, g, o, a, self._addresses[_name(o)]
                ),
            )
            self._annotate(gateway)

    def _annotate(self, gateway: Object) -> None:
        wanted = {ADDRESS: url_of(self._addresses[_name(gateway)]), METRICS: self._envoy.metrics}

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


def _virtual_hosts(
    routes: list[Object], policies: Policies, cluster_of: Callable[[Object, Mapping[str, Any]], str]
) -> list[Object]:
    by_host: dict[str, list[tuple[tuple[int, ...], Object]]] = {}
    for age, route in enumerate(routes):
        ranked = routes_of(
            route,
            lambda backend, r=route: cluster_of(r, backend),  # type: ignore[misc]
            policies.programs(route),
            policies.retries(route),
        )
        for host in route["spec"].get("hostnames") or ["*"]:
            by_host.setdefault(host, []).extend(((*rank[:-1], -age, rank[-1]), envoy) for rank, envoy in ranked)
    hosts = []
    for host, found in sorted(by_host.items()):
        found.sort(key=lambda one: one[0], reverse=True)
        hosts.append({"name": host, "domains": [host], "routes": [envoy for _, envoy in found]})
    return hosts


def _ours(gateway_class: Object) -> bool:
    return bool(gateway_class["spec"].get("controllerName") == CONTROLLER)


def _name(gateway: Object) -> str:
    return "/".join(key_of(gateway))
