"""`python -m platform_assets.deployment.local.doors ROOT ADDRESS OWN_SOCKET GRPC_SOCKET PAGES_SOCKET ADMIN_SOCKET`:
the doors of one target.

Belongs here: listening, signals. Does not belong here: what is answered (`pages.py`, `serving/doors/grpc/`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path

from platform_assets.deployment.local.doors.pages import Pages
from platform_assets.deployment.local.neighbours import STATE_FILE
from serving.json_logs import log_to_standard_error

DRAIN_SECONDS = 8.0


async def serve(
    root: Path, address: str, own_socket: str, grpc_socket: str, pages_socket: str, admin_socket: str
) -> None:
    """Serve until SIGTERM; calls under way are finished."""
    from aiohttp import web

    from serving.doors.grpc.server import start_server
    from serving.doors.grpc.upstream import Upstream

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    for path in (grpc_socket, pages_socket):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # what a killed process left: nobody can listen on it
    upstream = Upstream(address, own_socket)
    runner = web.AppRunner(Pages(root / STATE_FILE, upstream, Path(admin_socket)).application(), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, pages_socket).start()
    server = await start_server(upstream, [f"unix:{grpc_socket}"])
    logging.getLogger("doors").info("listening on %s and %s", grpc_socket, pages_socket)
    await ended.wait()
    await server.stop(DRAIN_SECONDS)
    await runner.cleanup()
    await upstream.close()


def main(arguments: list[str]) -> None:
    """Serve with files that only this user can open."""
    root, address, *sockets = arguments
    os.umask(0o077)
    log_to_standard_error({"program": "doors"})
    asyncio.run(serve(Path(root), address, *sockets))


if __name__ == "__main__":
    main(sys.argv[1:])
