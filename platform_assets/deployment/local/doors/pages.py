"""Pages about a whole target or all processes of a use case, over HTTP.

Belongs here: asking every process, or every use case, and answering with what they say. Does not belong here: joining metrics
(`exposition.py`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.deployment.errors import StateUnreadable
from platform_assets.deployment.local.doors.exposition import CONTENT_TYPE, Exposed, merged
from platform_assets.deployment.local.doors.proxy import proxy_page
from platform_assets.deployment.local.doors.written import written_pages
from platform_assets.deployment.local.host import LOOPBACK
from platform_assets.deployment.local.state import TargetState, load_state
from serving.doors.grpc.upstream import Refused, Upstream
from serving.doors.tensors import EXTENSIONS, SERVER

if TYPE_CHECKING:
    from aiohttp import ClientSession, web

SCRAPE_SECONDS = 2.0
SERVER_VERSION = "2"


class Pages:
    """The pages of one target."""

    def __init__(self, state_path: Path, upstream: Upstream, proxy_socket: Path | None = None) -> None:
        """Describe the pages.

        Args:
            state_path: of the target's state, read anew for every page.
            upstream: the target's address.
            proxy_socket: where the proxy says what it counted; None leaves that out.
        """
        self._proxy_socket = proxy_socket
        self._state_path = state_path
        self._upstream = upstream

    def application(self) -> web.Application:
        """The routes."""
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/v1/{use_case}/metrics", self._metrics)
        for path, answer in written_pages(self._state_path.parent.parent).items():
            app.router.add_get(path, answer)
        app.router.add_get("/v2", self._server)
        app.router.add_get("/v2/", self._server)
        app.router.add_get("/v2/health/live", self._live)
        app.router.add_get("/v2/health/ready", self._ready)
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        from aiohttp import ClientSession, ClientTimeout, web

        use_case = request.match_info["use_case"]
        arms = self._state().use_case(use_case).arms
        processes = [
            (program.port, {"arm": arm.name, "process": program.name}) for arm in arms for program in arm.programs
        ]
        async with ClientSession(timeout=ClientTimeout(total=SCRAPE_SECONDS)) as session:
            asked = (_scraped(session, port) for port, _ in processes)
            proxied, *texts = await asyncio.gather(self._proxied(use_case, [arm.name for arm in arms]), *asked)
        exposed = [
            Exposed({"use_case": use_case, **labels}, text) for (_, labels), text in zip(processes, texts, strict=True)
        ]
        return web.Response(body=(merged(exposed) + (proxied or "")).encode(), headers={"content-type": CONTENT_TYPE})

    async def _proxied(self, use_case: str, arms: list[str]) -> str | None:
        return await proxy_page(self._proxy_socket, use_case, arms) if self._proxy_socket else None

    async def _server(self, request: web.Request) -> web.Response:
        from aiohttp import web

        return web.json_response({"name": SERVER, "version": SERVER_VERSION, "extensions": list(EXTENSIONS)})

    async def _live(self, request: web.Request) -> web.Response:
        from aiohttp import web

        return web.json_response({"live": True})

    async def _ready(self, request: web.Request) -> web.Response:
        """Ready when every deployed model is."""
        from aiohttp import web

        deployed = [name for name, case in self._state().use_cases.items() if any(arm.weight for arm in case.arms)]
        ready = await asyncio.gather(*(self._model_ready(name) for name in deployed))
        unready = [name for name, good in zip(deployed, ready, strict=True) if not good]
        if unready:
            return web.json_response({"ready": False, "error": f"not ready: {', '.join(unready)}"}, status=503)
        return web.json_response({"ready": True})

    async def _model_ready(self, use_case: str) -> bool:
        try:
            answer = await self._upstream.ask("GET", f"/v1/{use_case}/readyz", {}, seconds=SCRAPE_SECONDS)
        except Refused:
            return False
        return answer.status == 200

    def _state(self) -> TargetState:
        try:
            state = load_state(self._state_path)
        except StateUnreadable:
            state = None
        return state or TargetState(target_id="", envoy_port=0)


async def _scraped(session: ClientSession, port: int) -> str | None:
    """The metrics of one process; None where it does not answer."""
    from aiohttp import ClientError

    try:
        async with session.get(f"http://{LOOPBACK}:{port}/metrics") as answer:
            return await answer.text() if answer.status == 200 else None
    except (ClientError, TimeoutError):
        return None
