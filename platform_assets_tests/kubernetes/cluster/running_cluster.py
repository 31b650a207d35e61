"""The test cluster put together: store, nodes, controllers, gateway, API.

Belongs here: what exists when it starts, who hears of changes, and the end of it all. Does not belong here: what any part does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from platform_assets_tests.kubernetes.cluster.addresses import PODS, SERVICES, Addresses
from platform_assets_tests.kubernetes.cluster.api import make_api
from platform_assets_tests.kubernetes.cluster.claims import Claims
from platform_assets_tests.kubernetes.cluster.controls import control_routes
from platform_assets_tests.kubernetes.cluster.disruption import Disruptions
from platform_assets_tests.kubernetes.cluster.endpoints import EndpointSlices
from platform_assets_tests.kubernetes.cluster.events import EventRecorder
from platform_assets_tests.kubernetes.cluster.gateway import CLASS, GatewayController
from platform_assets_tests.kubernetes.cluster.gateway_envoy import GatewayEnvoy
from platform_assets_tests.kubernetes.cluster.gateway_status import CONTROLLER
from platform_assets_tests.kubernetes.cluster.images import Images
from platform_assets_tests.kubernetes.cluster.jobs import Jobs
from platform_assets_tests.kubernetes.cluster.kinds import SERVICE_ACCOUNT, Kind
from platform_assets_tests.kubernetes.cluster.kubelet import Kubelet
from platform_assets_tests.kubernetes.cluster.nodes import NodeController, read_nodes
from platform_assets_tests.kubernetes.cluster.objects import (
    GATEWAY,
    GATEWAY_CLASS,
    NAMESPACE,
    Object,
)
from platform_assets_tests.kubernetes.cluster.pod_process import adopt_orphans
from platform_assets_tests.kubernetes.cluster.pod_worker import FAST, Backoff, Machine
from platform_assets_tests.kubernetes.cluster.quota import Admission
from platform_assets_tests.kubernetes.cluster.replica_sets import ReplicaSets
from platform_assets_tests.kubernetes.cluster.scheduler import Scheduler
from platform_assets_tests.kubernetes.cluster.server import build_server, kubeconfig, serve, serve_tls
from platform_assets_tests.kubernetes.cluster.service_addresses import ServiceAddresses
from platform_assets_tests.kubernetes.cluster.simulated_autoscaling import SimulatedAutoscaler
from platform_assets_tests.kubernetes.cluster.stateful_sets import StatefulSets
from platform_assets_tests.kubernetes.cluster.store import ApiError
from platform_assets_tests.kubernetes.cluster.subresources import Doors
from platform_assets_tests.kubernetes.cluster.volumes import ACCOUNT_FOLDER
from platform_assets_tests.kubernetes.cluster.workloads import Deployments

GATEWAY_NAMESPACE, GATEWAY_NAME = "gateway-system", "public"
NAMESPACES = ("default", "kube-system", "kube-public", GATEWAY_NAMESPACE)


@dataclass(frozen=True)
class Options:
    """How a cluster is started.

    Attributes:
        folder: for all of its files.
        port: of the API; 0 for a free one.
        images: JSON of the images that exist.
        nodes: JSON of the nodes; one roomy node without it.
        rbac: whether roles are enforced for tokens.
        fast_backoff: wait parts of a second where a kubelet waits for minutes.
        toleration_seconds: how long pods that say nothing else stay on a lost node.
    """

    folder: Path
    port: int = 0
    images: Path | None = None
    nodes: Path | None = None
    rbac: bool = False
    fast_backoff: bool = False
    toleration_seconds: int = 300


class Cluster:
    """A running cluster."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.api = make_api(rbac=options.rbac)
        self.store = self.api.store
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start everything; the API answers when this returns."""
        options, store = self.options, self.store
        adopt_orphans()
        options.folder.mkdir(parents=True, exist_ok=True)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)
        seed = os.getpid()
        pods, services = Addresses(PODS, seed), Addresses(SERVICES, seed)
        self.events = events = EventRecorder(store)
        self.images = Images.read(options.images)
        forwarders = ServiceAddresses(store, events, services)
        machine = Machine(
            store=store,
            events=events,
            images=self.images,
            session=self._session,
            folder=options.folder,
            backoff=FAST if options.fast_backoff else Backoff(),
            token=self._token,
            service_variables=lambda namespace, links: (
                (forwarders.variables(namespace) if links else {}) | self._api_variables()
            ),
            credentials=self._credentials,
        )
        self.kubelet = Kubelet(machine, pods)
        self.nodes = NodeController(store, events, self.kubelet)
        self.disruptions = Disruptions(store)
        self.envoy = GatewayEnvoy(options.folder / "gateway", services.take(), self._session)
        gateway = self._gateway = GatewayController(store, self.envoy, services)
        admission = Admission(store, toleration_seconds=options.toleration_seconds)
        reconcilers = [
            Scheduler(store, events),
            ReplicaSets(store, events),
            Deployments(store, events),
            StatefulSets(store, events),
            Jobs(store, events, backoff_seconds=0.5 if options.fast_backoff else 10.0),
            EndpointSlices(store),
            forwarders,
            admission,
            self.disruptions,
            SimulatedAutoscaler(store),
            Claims(store),
        ]
        observers = [self.kubelet, self.nodes, gateway, *reconcilers]
        store.admission += [forwarders.admit, admission.admit]
        store.subscribe(lambda event, kind, thing: self._tell(observers, event, kind, thing))
        loops = [one.queue.run() for one in reconcilers]
        self._tasks = [asyncio.create_task(one) for one in [*loops, self.kubelet.watch_memory()]]
        self._forwarders = forwarders
        self._begin()
        await self.envoy.start()
        await gateway.bring_up()
        self.run_along(gateway.run())
        await self._serve()

    async def _serve(self) -> None:
        doors = Doors(self.kubelet.log_file, self.disruptions.evict)
        app = build_server(self.api, doors)
        app.add_routes(control_routes(self))
        self._runner, self.address = await serve(self.api, self.options.port, app=app)
        self._inside, self._certificate = await serve_tls(self.api, self._runner)
        self.kubeconfig = self.options.folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(kubeconfig(self.address)))
        self.kubeconfig.chmod(0o600)

    def places(self) -> dict[str, str]:
        """Where everything is, by name."""
        return {
            "kubeconfig": str(self.kubeconfig),
            "address": self.address,
            "gateway": self._gateway.url(f"{GATEWAY_NAMESPACE}/{GATEWAY_NAME}"),
            "gateway_metrics": self.envoy.metrics,
        }

    def _token(self, pod: Object, source: Object) -> str:
        account = pod["spec"].get("serviceAccountName", "default")
        return self.api.access.issue(pod["metadata"]["namespace"], account, source.get("expirationSeconds", 3600))

    def _api_variables(self) -> dict[str, str]:
        """Where pods are told that the API is."""
        host, _, port = self._inside.removeprefix("https://").partition(":")
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}

    def _credentials(self, pod: Object) -> dict[str, str]:
        """Files by their path in a pod's folder: what is mounted as its account, and a kubeconfig, for it cannot see that mount."""
        namespace = pod["metadata"]["namespace"]
        account = self.store.read(SERVICE_ACCOUNT, namespace, pod["spec"]["serviceAccountName"])
        if pod["spec"].get("automountServiceAccountToken", account.get("automountServiceAccountToken")) is False:
            return {}
        token = self._token(pod, {})
        config = kubeconfig(self._inside, token, self._certificate)
        config["contexts"][0]["context"]["namespace"] = namespace
        mounted = {"token": token, "ca.crt": self._certificate, "namespace": namespace}
        files = {f"{ACCOUNT_FOLDER}/{name}": text for name, text in mounted.items()}
        return files | {"home/.kube/config": json.dumps(config)}

    @staticmethod
    def _tell(observers: list[Any], event: str, kind: Kind, thing: Object) -> None:
        for one in observers:
            one.observe(event, kind, thing)

    def _begin(self) -> None:
        """The objects that a cluster is found with."""
        for name in NAMESPACES:
            with contextlib.suppress(ApiError):
                body = {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}
                self.store.create(NAMESPACE, None, body)
        for number, node in enumerate(read_nodes(self.options.nodes)):
            self.nodes.add(node, f"127.0.1.{number + 1}")
        spec: Object = {"controllerName": CONTROLLER}
        self.store.create(GATEWAY_CLASS, None, {"metadata": {"name": CLASS}, "spec": spec})
        everyone = {"namespaces": {"from": "All"}}
        listener = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": everyone}
        spec = {"gatewayClassName": CLASS, "listeners": [listener]}
        self.store.create(GATEWAY, GATEWAY_NAMESPACE, {"metadata": {"name": GATEWAY_NAME}, "spec": spec})

    def run_along(self, loop: Coroutine[Any, Any, None]) -> None:
        """Run a task as long as the cluster."""
        self._tasks.append(asyncio.create_task(loop))

    async def stop(self) -> None:
        """End every pod, Envoy, and all that runs along."""
        if hasattr(self, "_runner"):
            await self._runner.cleanup()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.kubelet.stop()
        await self._forwarders.stop()
        await self.envoy.stop()
        await self._session.close()
