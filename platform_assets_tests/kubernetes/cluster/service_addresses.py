"""Addresses of Services: each gets one on loopback, where a forwarder stands for kube-proxy.

Belongs here: giving addresses at admission, and forwarding connections to ready pods. Does not belong here: names, which resolve nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

from platform_assets_tests.kubernetes.cluster.addresses import Addresses
from platform_assets_tests.kubernetes.cluster.endpoints import SERVICE_LABEL, ready_addresses
from platform_assets_tests.kubernetes.cluster.events import WARNING, EventRecorder
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.objects import ENDPOINT_SLICE, SERVICE, Key, Object, key_of
from platform_assets_tests.kubernetes.cluster.queues import WorkQueue
from platform_assets_tests.kubernetes.cluster.store import ApiError, ObjectStore

CHUNK_BYTES = 65536


class ServiceAddresses:
    """Gives Services their addresses, and forwards what comes there. A port without a ready pod refuses connections."""

    def __init__(self, store: ObjectStore, events: EventRecorder, addresses: Addresses) -> None:
        self._store, self._events, self._addresses = store, events, addresses
        self.queue = WorkQueue(self._reconcile)
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self._backends: dict[tuple[str, int], list[tuple[str, int]]] = {}
        self._places: dict[Key, set[tuple[str, int]]] = {}
        self._opening: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, operation: str, kind: Kind, body: Object) -> Object:
        """A Service that asks for an address gets one."""
        if kind == SERVICE and operation == "CREATE":
            spec = body["spec"]
            if spec.get("type", "ClusterIP") != "ExternalName" and not spec.get("clusterIP"):
                spec["clusterIP"] = self._addresses.take()
                spec["clusterIPs"] = [spec["clusterIP"]]
        elif kind == SERVICE and operation == "UPDATE" and not body["spec"].get("clusterIP"):
            with contextlib.suppress(ApiError):
                old = self._store.read(SERVICE, *key_of(body))["spec"]
                body["spec"] |= {name: old[name] for name in ("clusterIP", "clusterIPs") if name in old}
        return body

    def variables(self, namespace: str) -> dict[str, str]:
        """What pods of a namespace are told of its Services."""
        values = {}
        for service in self._store.items(SERVICE, namespace):
            address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or []
            if address and address != "None" and ports:
                name = service["metadata"]["name"].upper().replace("-", "_")
                values |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
        return values

    def observe(self, event: str, kind: Kind, thing: Object) -> None:
        """Hear of a change."""
        if kind == SERVICE:
            self.queue.add(key_of(thing))
        elif kind == ENDPOINT_SLICE:
            name = (thing["metadata"].get("labels") or {}).get(SERVICE_LABEL)
            if name:
                self.queue.add((thing["metadata"]["namespace"], name))

    def _reconcile(self, key: Key) -> float | None:
        wanted: dict[tuple[str, int], list[tuple[str, int]]] = {}
        service: Object | None = None
        with contextlib.suppress(ApiError):
            service = self._store.read(SERVICE, *key)
            slices = self._store.items(ENDPOINT_SLICE, key[0], labels=f"{SERVICE_LABEL}={key[1]}")
            address = service["spec"].get("clusterIP")
            for port in service["spec"].get("ports") or []:
                backends = ready_addresses(slices, port)
                if address and address != "None" and backends and port.get("protocol", "TCP") == "TCP":
                    wanted[address, int(port["port"])] = backends
        for place in self._places.get(key, set()) - set(wanted):
            self._backends.pop(place, None)
            if server := self._servers.pop(place, None):
                server.close()
        self._places[key] = set(wanted)
        for place, backends in wanted.items():
            self._backends[place] = backends
            if place not in self._servers and place not in self._opening and service is not None:
                self._opening.add(place)
                task = asyncio.create_task(self._listen(service, place))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return None

    async def _listen(self, service: Object, place: tuple[str, int]) -> None:
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._forward(place, reader, writer)

        try:
            server = await asyncio.start_server(forward, *place)
        except OSError as error:
            words = f"no forwarder on {place[0]}:{place[1]}: {error.strerror}"
            self._events.record(service, WARNING, "TestClusterForwarder", words, component="test-cluster")
            return
        finally:
            self._opening.discard(place)
        if place in self._backends:
            self._servers[place] = server
        else:
            server.close()

    async def _forward(
        self, place: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            backend = await asyncio.open_connection(*random.choice(self._backends[place]))
        except (OSError, KeyError):
            writer.close()
            return
        await asyncio.gather(_pump(reader, backend[1]), _pump(backend[0], writer))
        for one in (writer, backend[1]):
            one.close()

    async def stop(self) -> None:
        for server in self._servers.values():
            server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
