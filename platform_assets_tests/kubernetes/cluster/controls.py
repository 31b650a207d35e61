"""What a test does to the cluster that no user of Kubernetes can: nodes are lost, memory runs short, processes are killed, images appear.

Belongs here: the paths below `/-/` that are about nodes, pods and images. Does not belong here: faults of the API itself (`faults.py`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from platform_assets_tests.kubernetes.cluster.errors import ApiError
from platform_assets_tests.kubernetes.cluster.images import image_of

if TYPE_CHECKING:
    from platform_assets_tests.kubernetes.cluster.running_cluster import Cluster

Handler = Callable[[web.Request], Awaitable[web.Response]]


def control_routes(cluster: Cluster) -> list[web.RouteDef]:
    """Paths and what they do. Each takes a POST with JSON or without a body, and answers {} when it is done."""
    controls = Controls(cluster)
    return [
        web.post("/-/nodes/{name}/lost", controls.lose_node),
        web.post("/-/nodes/{name}/back", controls.bring_node_back),
        web.post("/-/pods/{namespace}/{name}/evict-pressure", controls.evict),
        web.post("/-/pods/{namespace}/{name}/kill", controls.kill),
        web.post("/-/images", controls.set_images),
    ]


class Controls:
    """Handlers of the paths."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def lose_node(self, request: web.Request) -> web.Response:
        """A node is heard of no longer; {"processes_end": false} leaves what it runs running."""
        options = await _json(request)
        return _answer(
            lambda: self._cluster.nodes.lose(
                request.match_info["name"], processes_end=options.get("processes_end", True)
            )
        )

    async def bring_node_back(self, request: web.Request) -> web.Response:
        """A lost node is heard of again."""
        return _answer(lambda: self._cluster.nodes.bring_back(request.match_info["name"]))

    async def evict(self, request: web.Request) -> web.Response:
        """The pod's node is short of memory, and this pod has to go."""
        place = request.match_info["namespace"], request.match_info["name"]
        return _found(self._cluster.kubelet.evict(*place), place)

    async def kill(self, request: web.Request) -> web.Response:
        """SIGKILL to the first process of a container, the first without {"container": ...}."""
        options = await _json(request)
        place = request.match_info["namespace"], request.match_info["name"]
        worker = self._cluster.kubelet.worker(*place)
        containers = [one for one in worker.containers if one.process] if worker else []
        wanted = [one for one in containers if options.get("container") in (None, one.name)]
        if wanted and wanted[0].process:
            wanted[0].process.kill()
        return _found(bool(wanted), place)

    async def set_images(self, request: web.Request) -> web.Response:
        """Images by name as in the file of images; null takes one away."""
        for name, values in (await _json(request)).items():
            if values is None:
                self._cluster.images.remove(name)
            else:
                self._cluster.images.add(name, image_of(name, values))
        return web.json_response({})


async def _json(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    return dict(json.loads(text)) if text else {}


def _answer(act: Callable[[], None]) -> web.Response:
    try:
        act()
    except ApiError as error:
        return web.json_response({"error": str(error)}, status=error.status)
    return web.json_response({})


def _found(done: bool, place: tuple[str, str]) -> web.Response:
    if done:
        return web.json_response({})
    return web.json_response({"error": f"no process of a pod {place[0]}/{place[1]} runs"}, status=404)
