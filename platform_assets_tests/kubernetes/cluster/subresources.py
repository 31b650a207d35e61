"""What lies below objects: scale, log, proxy, eviction, binding, token, finalize.

Belongs here: those answers. Does not belong here: status, which is a write like any other (resources.py); exec, attach and
port-forward, which the test cluster does not have.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiohttp
from aiohttp import web

from platform_assets_tests.kubernetes.cluster import errors
from platform_assets_tests.kubernetes.cluster.api import Api
from platform_assets_tests.kubernetes.cluster.errors import ApiError, bad_request
from platform_assets_tests.kubernetes.cluster.kinds import POD, SERVICE, Kind
from platform_assets_tests.kubernetes.cluster.patches import json_patch, merge_patch
from platform_assets_tests.kubernetes.cluster.requests import (
    JSON_PATCH,
    TRUE,
    Target,
    flag,
    is_dry_run,
    manager_of,
    read_body,
)
from platform_assets_tests.kubernetes.cluster.resources import respond

Body = dict[str, Any]
LOG_POLL_SECONDS = 0.1
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length", "content-encoding"}


class LogFile(Protocol):
    """Where the output of a container lies: lines of `TIME stdout F text`; none where there is none."""

    def __call__(self, namespace: str, name: str, container: str, *, previous: bool = False) -> Path | None:
        """Look it up."""


class Doors(NamedTuple):
    """What only a kubelet and a disruption controller can answer."""

    log_file: LogFile | None = None
    evict: Callable[[str, str, int | None], None] | None = None


class Subresources:
    """Handlers; each takes a request and its target."""

    def __init__(self, api: Api, doors: Doors) -> None:
        self.api, self.store, self.doors = api, api.store, doors
        self.session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer.

        Raises:
            ApiError: 404 for a subresource that the kind has not, and whatever else stands against it.
        """
        answer = {
            "scale": self._scale,
            "log": self._log,
            "proxy": self._proxy,
            "eviction": self._evict,
            "binding": self._bind,
            "token": self._token,
            "finalize": self._finalize,
        }.get(target.subresource)
        if answer is None or not self.store.kinds.has(target.kind, target.subresource):
            raise ApiError(404, "NotFound", f"the test cluster has no {target.kind.plural}/{target.subresource}")
        return await answer(request, target)

    async def _scale(self, request: web.Request, target: Target) -> web.Response:
        stored = self.store.read(target.kind, target.namespace, target.name)
        scale = scale_of(stored)
        if request.method == "GET":
            return respond(scale)
        body = await read_body(request)
        if request.method == "PATCH":
            body = json_patch(scale, body) if request.content_type == JSON_PATCH else merge_patch(scale, body)
        replicas = (body.get("spec") or {}).get("replicas", 0)
        if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
            cause = (
                "FieldValueInvalid",
                "spec.replicas",
                f"Invalid value: {replicas}: must be greater than or equal to 0",
            )
            raise errors.invalid(Kind("autoscaling", "v1", "scales", "Scale", True), target.name, [cause])
        given = (body.get("metadata") or {}).get("resourceVersion")
        if given and given != stored["metadata"]["resourceVersion"]:
            raise errors.conflict(target.kind, target.name)
        stored["spec"]["replicas"] = replicas
        changed = self.store.replace(
            target.kind,
            target.namespace,
            target.name,
            stored,
            manager=manager_of(request),
            dry_run=is_dry_run(request),
        )
        return respond(scale_of(changed))

    async def _evict(self, request: web.Request, target: Target) -> web.Response:
        body = await read_body(request)
        grace = (body.get("deleteOptions") or {}).get("gracePeriodSeconds")
        if is_dry_run(request):
            self.store.read(POD, target.namespace, target.name)
        elif self.doors.evict:
            self.doors.evict(target.namespace, target.name, grace)
        else:
            self.store.delete(POD, target.namespace, target.name, grace_seconds=grace)
        return respond({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)

    async def _bind(self, request: web.Request, target: Target) -> web.Response:
        node = ((await read_body(request)).get("target") or {}).get("name")
        if not node:
            raise bad_request("target.name: Required value")
        if self.store.read(POD, target.namespace, target.name)["spec"].get("nodeName"):
            raise errors.conflict(POD, target.name, f"pod {target.name} is already assigned to a node")
        self.store.change(
            POD, target.namespace, target.name, lambda pod: pod["spec"].update(nodeName=node), subresource=""
        )
        return respond({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)

    async def _token(self, request: web.Request, target: Target) -> web.Response:
        spec = (await read_body(request)).get("spec") or {}
        seconds = int(spec.get("expirationSeconds") or 3600)
        token = self.api.access.issue(target.namespace, target.name, seconds)
        until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        spec = {"audiences": [], **spec, "expirationSeconds": seconds}
        metadata = {"name": target.name, "namespace": target.namespace}
        status = {"token": token, "expirationTimestamp": until}
        answer = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": metadata}
        return respond({**answer, "spec": spec, "status": status}, 201)

    async def _finalize(self, request: web.Request, target: Target) -> web.Response:
        body = await read_body(request)
        return respond(self.store.replace(target.kind, None, target.name, body))

    async def _log(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = request.query
        pod = self.store.read(POD, target.namespace, target.name)
        names = [item["name"] for group in ("containers", "initContainers") for item in pod["spec"].get(group) or []]
        container = query.get("container") or names[0]
        if container not in names:
            raise bad_request(f"container {container} is not valid for pod {target.name}")
        if not query.get("container") and len(pod["spec"]["containers"]) > 1:
            told = f"a container name must be specified for pod {target.name}, choose one of: [{' '.join(names)}]"
            raise bad_request(told)
        previous = flag(request, "previous")
        file = self.doors.log_file and self.doors.log_file(target.namespace, target.name, container, previous=previous)
        if not file:
            if previous:
                raise bad_request(f'previous terminated container "{container}" in pod "{target.name}" not found')
            reason = _waiting(pod, container)
            raise bad_request(f'container "{container}" in pod "{target.name}" is waiting to start: {reason}')
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)

        def running() -> bool:
            return self.store.exists(POD, target.namespace, target.name) and _runs(
                self.store.read(POD, target.namespace, target.name), container
            )

        follow = flag(request, "follow") and not previous
        try:
            async for line in log_lines(file, dict(query), follow=follow, running=running):
                await response.write(line)
        except ConnectionResetError:
            pass  # the caller has left
        return response

    async def _proxy(self, request: web.Request, target: Target) -> web.StreamResponse:
        name, _, port = target.name.partition(":")
        if target.kind[:3] == SERVICE[:3]:
            service = self.store.read(SERVICE, target.namespace, name)
            address = service["spec"].get("clusterIP") or ""
            port = port or str(service["spec"]["ports"][0]["port"])
        else:
            pod = self.store.read(target.kind, target.namespace or None, name)
            address = (pod.get("status") or {}).get("podIP") or ""
            ports = [item for one in pod["spec"].get("containers", []) for item in one.get("ports") or []]
            named = {item.get("name"): str(item["containerPort"]) for item in ports}
            port = named.get(port, port) or (str(ports[0]["containerPort"]) if ports else "80")
        if not address:
            raise ApiError(503, "ServiceUnavailable", f"address not allowed: {name} has none yet")
        self.session = self.session or aiohttp.ClientSession(auto_decompress=False)
        url = f"http://{address}:{port}/{target.rest}"
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_HEADERS}
        headers.pop("Authorization", None)
        try:
            async with self.session.request(
                request.method,
                url,
                params=request.query,
                data=await request.read(),
                headers=headers,
                allow_redirects=False,
            ) as answer:
                kept = {
                    key: value
                    for key, value in answer.headers.items()
                    if key.lower() not in HOP_HEADERS - {"content-encoding"}
                }
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            told = f"error trying to reach service: dial tcp {address}:{port}: {error}"
            raise ApiError(503, "ServiceUnavailable", told) from None

    async def close(self) -> None:
        """Let go of connections to pods."""
        if self.session:
            await self.session.close()


def scale_of(body: Body) -> Body:
    """An object's Scale."""
    metadata = {
        key: body["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    selector = ((body["spec"].get("selector") or {}).get("matchLabels") or {}).items()
    status = {
        "replicas": (body.get("status") or {}).get("replicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(selector)),
    }
    spec = {"replicas": body["spec"].get("replicas", 0)}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


def _status(pod: Body, container: str) -> Body:
    statuses = [
        item
        for group in ("containerStatuses", "initContainerStatuses")
        for item in (pod.get("status") or {}).get(group) or []
    ]
    return next((item for item in statuses if item["name"] == container), {})


def _waiting(pod: Body, container: str) -> str:
    return ((_status(pod, container).get("state") or {}).get("waiting") or {}).get("reason", "ContainerCreating")


def _runs(pod: Body, container: str) -> bool:
    return "running" in (_status(pod, container).get("state") or {})


async def log_lines(
    file: Path, query: dict[str, str], *, follow: bool, running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Lines of a container's output as the query asks for them: the last ones, since a time, with their times, as they come.

    Args:
        file: lines of `TIME stdout F text`.
        query: tailLines, sinceSeconds, sinceTime, timestamps, limitBytes.
        follow: go on until the container ends.
        running: whether it still runs.
    """
    since = query.get("sinceTime", "")
    if query.get("sinceSeconds"):
        moment = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
        since = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
    left = int(query.get("limitBytes") or -1)
    stamped = query.get("timestamps", "") in TRUE

    def shown(line: bytes) -> bytes:
        time, _, rest = line.partition(b" ")
        text = rest.split(b" ", 2)[-1]
        return time + b" " + text if stamped else text

    with file.open("rb") as stream:
        lines = stream.read().splitlines(keepends=True)
        partial = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        lines = [line for line in lines if not since or line.partition(b" ")[0].decode() >= since]
        if query.get("tailLines"):
            lines = lines[-int(query["tailLines"]) :] if int(query["tailLines"]) else []
        while True:
            for line in lines:
                text = shown(line)
                if 0 <= left < len(text):
                    yield text[:left]
                    return
                left -= len(text) if left >= 0 else 0
                yield text
            if not follow:
                return
            alive = running()
            lines = (partial + stream.read()).splitlines(keepends=True)
            partial = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            if not lines:
                if not alive:
                    return
                await asyncio.sleep(LOG_POLL_SECONDS)
