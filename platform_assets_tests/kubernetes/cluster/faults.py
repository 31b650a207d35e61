"""Planted faults: what a caller of a real API server meets on a bad day.

Belongs here: which requests fail, how often and how; webhooks and namespaces that refuse. Does not belong here: faults of nodes and pods.

`POST /-/faults` takes one object, or a list of them:

    {"answer": 409, "count": 3, "verb": "patch", "plural": "deployments", "namespace": "team"}   the next 3 that match
    {"answer": 429, "count": 2, "retry_after": 1}
    {"answer": 0, "count": 1}                                the connection breaks without an answer
    {"delay_seconds": 2, "count": 5, "verb": "list"}
    {"drop_watches": true, "plural": "pods"}                 now; with "compact": true a resumed watch is answered 410
    {"refuse_namespace": "team"}                             nothing new is taken there
    {"webhook": "policy.example.com", "plural": "deployments", "message": "no", "operations": ["CREATE", "UPDATE"]}

`GET` shows what is planted, `DELETE` takes it all back.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from platform_assets_tests.kubernetes.cluster import errors
from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.kinds import Kind
from platform_assets_tests.kubernetes.cluster.requests import Target, read_body
from platform_assets_tests.kubernetes.cluster.store import ObjectStore
from platform_assets_tests.kubernetes.cluster.watches import Watches

FIELDS = {
    "answer",
    "count",
    "verb",
    "plural",
    "namespace",
    "name",
    "retry_after",
    "message",
    "delay_seconds",
    "drop_watches",
    "compact",
    "refuse_namespace",
    "webhook",
    "operations",
}
REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}


@dataclass
class Faults:
    """What is planted."""

    store: ObjectStore
    watches: Watches
    planted: list[dict[str, Any]] = field(default_factory=list)
    met: int = 0
    """Requests that met a fault."""

    def plant(self, fault: dict[str, Any]) -> None:
        """Take one fault; a drop of watches happens at once.

        Raises:
            ApiError: 400 for a field that does not exist.
        """
        if unknown := set(fault) - FIELDS:
            raise errors.bad_request(
                f"faults have no {', '.join(sorted(unknown))}; they have {', '.join(sorted(FIELDS))}"
            )
        if fault.get("drop_watches"):
            if fault.get("compact"):
                self.store.compact()
            self.met += self.watches.drop(fault.get("plural", ""))
        else:
            self.planted.append(dict(fault))

    async def meet(self, request: web.Request, target: Target) -> None:
        """Fail a request that matches a fault, or let it wait.

        Raises:
            ApiError: as planted.
        """
        wanted = {
            "verb": target.verb(request),
            "plural": target.kind.plural,
            "namespace": target.namespace,
            "name": target.name,
        }
        for fault in list(self.planted):
            if not {"answer", "delay_seconds"} & fault.keys():
                continue
            if any(fault.get(key) not in (None, "", value) for key, value in wanted.items()):
                continue
            self._use(fault)
            await asyncio.sleep(fault.get("delay_seconds", 0))
            if "answer" in fault:
                self._answer(request, target, fault)

    def _use(self, fault: dict[str, Any]) -> None:
        self.met += 1
        if "count" in fault:
            fault["count"] -= 1
            if fault["count"] <= 0:
                self.planted.remove(fault)

    def _answer(self, request: web.Request, target: Target, fault: dict[str, Any]) -> None:
        status, message = fault["answer"], fault.get("message", "planted by the test cluster")
        if status == 0:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError
        if status == 409:
            raise errors.conflict(target.kind, target.name)
        seconds = fault.get("retry_after", 1 if status == 429 else None)
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        raise ApiError(status, REASONS.get(status, "InternalError"), message, None, headers)

    def admit(self, operation: str, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """The store's admission hook: webhooks and namespaces that refuse.

        Raises:
            ApiError: 403.
        """
        metadata = body["metadata"]
        for fault in list(self.planted):
            if fault.get("plural") not in (None, "", kind.plural):
                continue
            name = fault.get("webhook")
            if name and operation in fault.get("operations", ["CREATE", "UPDATE"]):
                self._use(fault)
                told = f'admission webhook "{name}" denied the request: {fault.get("message", "refused")}'
                raise ApiError(403, "Forbidden", told)
            if (
                operation == "CREATE"
                and fault.get("refuse_namespace")
                and metadata.get("namespace") == fault["refuse_namespace"]
            ):
                self._use(fault)
                why = fault.get("message", f"namespace {metadata['namespace']} takes nothing new")
                raise errors.forbidden(kind, metadata["name"], why)
        return body

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `/-/faults`."""
        if request.method == "POST":
            body = await read_body(request)
            for fault in body if isinstance(body, list) else [body]:
                self.plant(fault)
        elif request.method == "DELETE":
            self.planted.clear()
        return web.json_response({"planted": self.planted, "met": self.met, "watches": len(self.watches.open)})
