"""A receiver of alerts and a page of metrics on one port of loopback, for tests and benchmarks of the way from a metric to a pager.

Belongs here: the server. Does not belong here: what it answers with, or the alerts.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from platform_assets.deployment.local.host import LOOPBACK


@contextmanager
def alert_receiver(take: Callable[[dict[str, Any]], int], page: Callable[[], str]) -> Iterator[int]:
    """Serve until the block ends; yields the port.

    Args:
        take: is given the JSON of each POST and says with which status it is answered.
        page: the metrics that a GET is answered with, in Prometheus' text format.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = take(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._answer(status, b'{"status": "success"}')

        def do_GET(self) -> None:
            self._answer(200, page().encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Not on the screen."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
