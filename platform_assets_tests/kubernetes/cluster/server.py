"""The HTTP server of the test API.

Belongs here: routes, refusals as Status objects, callers and roles, planted faults. Does not belong here: what an answer says.

It has no exec, attach and port-forward, no protobuf in answers, no API priority and fairness; webhooks that objects
configure are never called (planted faults stand for them), and events.k8s.io keeps its events apart from the core ones.
It listens on loopback only.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from platform_assets_tests.kubernetes.cluster import discovery
from platform_assets_tests.kubernetes.cluster.access import ADMIN_TOKEN, Question
from platform_assets_tests.kubernetes.cluster.api import Api
from platform_assets_tests.kubernetes.cluster.certificates import make_certificate
from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.faults import Faults
from platform_assets_tests.kubernetes.cluster.openapi import OpenApi
from platform_assets_tests.kubernetes.cluster.requests import APPLY, find_target, read_body
from platform_assets_tests.kubernetes.cluster.resources import Resources, respond
from platform_assets_tests.kubernetes.cluster.reviews import review
from platform_assets_tests.kubernetes.cluster.selectors import check_fields
from platform_assets_tests.kubernetes.cluster.subresources import Doors, Subresources
from platform_assets_tests.kubernetes.cluster.watches import Watches

GARBAGE_SECONDS = 1.0
LARGEST_BODY_BYTES = 8 * 1024 * 1024
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
REVIEWED = ("authorization.k8s.io", "authentication.k8s.io")
logger = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer refusals as Status objects."""
    try:
        return await handler(request)
    except ApiError as error:
        response = respond(error.body(), error.status)
        response.headers.update(error.headers)
        return response
    except web.HTTPRequestEntityTooLarge:
        told = f"Request entity too large: limit is {LARGEST_BODY_BYTES}"
        return respond(ApiError(413, "RequestEntityTooLarge", told).body(), 413)


class Server:
    """Answers requests."""

    def __init__(self, api: Api, doors: Doors) -> None:
        self.api = api
        self.watches = Watches(api.store)
        self.faults = Faults(api.store, self.watches)
        api.store.admission.append(self.faults.admit)
        self.openapi = OpenApi(api.store.kinds, api.schemas)
        self.resources = Resources(api, self.watches)
        self.subresources = Subresources(api, doors)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request.

        Raises:
            ApiError: for every refusal.
        """
        user = self.api.access.user_of(request.headers.get("Authorization", ""))
        if (other := request.headers.get("Impersonate-User")) and user.unlimited:
            user = self.api.access.named(other, tuple(request.headers.getall("Impersonate-Group", ())))
        target = find_target(self.api.store.kinds, request.path)
        if target is None:
            self.api.access.check(user, Question(request.method.lower(), path=request.path))
            return self._document(request)
        question = target.question(request)
        self.api.access.check(user, question)
        if request.content_type == APPLY and not self.api.store.exists(target.kind, target.namespace, target.name):
            self.api.access.check(user, replace(question, verb="create"))  # an apply may create, if its caller may
        check_fields(request.query.get("fieldSelector", ""), target.kind.group, target.kind.plural)
        await self.faults.meet(request, target)
        if target.kind.group in REVIEWED:
            return respond(review(self.api.access, user, target, await read_body(request)), 201)
        if target.subresource and target.subresource != "status":
            return await self.subresources.handle(request, target)
        if target.subresource == "status" and not self.api.store.kinds.has(target.kind, "status"):
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return await self.resources.handle(request, target)

    def _document(self, request: web.Request) -> web.Response:
        """What is no resource."""
        kinds, path = self.api.store.kinds, request.path.rstrip("/")
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path == "/version":
            return respond(discovery.VERSION)
        if path == "/openapi/v2":
            return web.Response(body=self.openapi.version_2(), content_type="application/json")
        if path == "/openapi/v3":
            return respond(self.openapi.index())
        if path.startswith("/openapi/v3/"):
            document = self.openapi.version_3(path.removeprefix("/openapi/v3/"))
            return web.Response(body=document, content_type="application/json")
        if path in ("/api", "/apis"):
            if "as=APIGroupDiscoveryList" in request.headers.get("Accept", ""):
                names = [""] if path == "/api" else discovery.groups_of(kinds)
                body = json.dumps(discovery.aggregated(kinds, names)).encode()
                return web.Response(body=body, headers={"Content-Type": AGGREGATED})
            if path == "/apis":
                return respond(discovery.groups(kinds))
            return respond(
                {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            )
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) == 2:
            return respond(discovery.resources(kinds, "", parts[1]))
        if parts[0] == "apis" and len(parts) == 2:
            return respond(discovery.group(kinds, parts[1]))
        if parts[0] == "apis" and len(parts) == 3:
            return respond(discovery.resources(kinds, parts[1], parts[2]))
        raise ApiError(404, "NotFound", "the server could not find the requested resource")

    async def collect_garbage(self) -> None:
        """Collect now and then, until cancelled."""
        while True:
            await asyncio.sleep(GARBAGE_SECONDS)
            self.api.garbage.collect()


def build_server(api: Api, doors: Doors | None = None) -> web.Application:
    """The application: `web.AppRunner` runs it; its garbage collection runs along.

    Args:
        api: the store and what belongs to it.
        doors: logs and evictions, where there is a kubelet.
    """
    server = Server(api, doors or Doors())
    app = web.Application(middlewares=[_refusals], client_max_size=LARGEST_BODY_BYTES)
    app.router.add_route("*", "/-/faults", server.faults.handle)
    app.router.add_route("*", "/{path:.*}", server.answer)
    tasks: list[asyncio.Task[None]] = []

    async def begin(_: web.Application) -> None:
        tasks.append(asyncio.create_task(server.collect_garbage()))

    async def leave(_: web.Application) -> None:
        server.watches.drop()

    async def end(_: web.Application) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.subresources.close()

    app.on_startup.append(begin)
    app.on_shutdown.append(leave)
    app.on_cleanup.append(end)
    return app


async def serve(
    api: Api, port: int = 0, doors: Doors | None = None, app: web.Application | None = None
) -> tuple[web.AppRunner, str]:
    """Start answering on loopback.

    Args:
        api: the store and what belongs to it.
        port: 0 for a free one.
        doors: logs and evictions, where there is a kubelet.
        app: from `build_server`, where routes were added to it.

    Returns:
        the runner, whose `cleanup()` ends it, and the address.
    """
    runner = web.AppRunner(app or build_server(api, doors), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    found: Any = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    return runner, f"http://127.0.0.1:{found}"


async def serve_tls(api: Api, runner: web.AppRunner, port: int = 0) -> tuple[str, str]:
    """Answer over TLS too: pods expect it (`KUBERNETES_SERVICE_HOST`), and Go clients send tokens over nothing else.

    Args:
        api: as for `serve`.
        runner: from `serve`.
        port: 0 for a free one.

    Returns:
        the address, and the certificate that callers are to trust; it is in the config map `kube-root-ca.crt` of every namespace.
    """
    context, certificate = make_certificate()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
    await site.start()
    found: Any = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    api.garbage.trust(certificate)
    return f"https://127.0.0.1:{found}", certificate


def kubeconfig(address: str, token: str = "", certificate: str = "") -> dict[str, Any]:
    """A kubeconfig for this address; as the administrator or with a token as its service account; over TLS, the certificate to trust."""
    user = {"token": token or ADMIN_TOKEN}
    cluster = {"server": address}
    if certificate:
        cluster["certificate-authority-data"] = base64.b64encode(certificate.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test-cluster",
        "clusters": [{"name": "test-cluster", "cluster": cluster}],
        "users": [{"name": "caller", "user": user}],
        "contexts": [{"name": "test-cluster", "context": {"cluster": "test-cluster", "user": "caller"}}],
    }
