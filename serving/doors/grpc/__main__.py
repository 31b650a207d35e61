"""`python -m serving.doors.grpc --upstream http://127.0.0.1:8080 --listen 127.0.0.1:9000`: gRPC in front of an address.

Belongs here: the command's arguments, signals. Does not belong here: the server (`server.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys

from serving.json_logs import log_to_standard_error


async def serve(upstream: str, socket: str | None, listen: list[str]) -> None:
    """Serve until SIGTERM or SIGINT; calls under way are finished."""
    from serving.doors.grpc.server import DRAIN_SECONDS, start_server
    from serving.doors.grpc.upstream import Upstream

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    connections = Upstream(upstream, socket)
    server = await start_server(connections, listen)
    logging.getLogger("serving").info("listening on %s, asking %s", ", ".join(listen), socket or upstream)
    await ended.wait()
    await server.stop(DRAIN_SECONDS)
    await connections.close()


def main(arguments: list[str]) -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m serving.doors.grpc", description="gRPC in front of an address.")
    parser.add_argument("--upstream", required=True, help="base URL of the address that answers REST")
    parser.add_argument("--socket", help="file of the address's private socket, asked in its place")
    parser.add_argument("--listen", action="append", required=True, help="HOST:PORT or unix:/path; may be repeated")
    options = parser.parse_args(arguments)
    log_to_standard_error({"program": "grpc"})
    asyncio.run(serve(options.upstream, options.socket, options.listen))


if __name__ == "__main__":
    main(sys.argv[1:])
