"""Base URLs by which this machine reaches single pods, past the gateway.

Belongs here: the pod's own address, and a forwarder through the API for machines outside of the cluster's network. Does not belong here:
what is asked there (the release's self-test).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from platform_assets.deployment.kubernetes.api_errors import ClusterRefused
from platform_assets.deployment.kubernetes.arms import PORT
from platform_assets.deployment.kubernetes.client import Body, ClusterClient

LOOPBACK = "127.0.0.1"
_OF_ONE_CONNECTION = frozenset({"connection", "host", "content-length", "transfer-encoding", "keep-alive"})


@contextmanager
def reached(client: ClusterClient, pod: Body, way: Literal["pod_address", "api"]) -> Iterator[str]:
    """A base URL of a pod while the block runs.

    Args:
        client: of the namespace.
        pod: has an address.
        way: directly, or through the API's proxy, which a small server on 127.0.0.1 adds the credentials for.
    """
    if way == "pod_address":
        yield f"http://{pod['status']['podIP']}:{PORT}"
        return
    server = ThreadingHTTPServer((LOOPBACK, 0), _forwarding(client, pod["metadata"]["name"]))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _forwarding(client: ClusterClient, pod: str) -> type[BaseHTTPRequestHandler]:
    class Forwarder(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
            headers.pop("Authorization", None)  # the credentials are the API's
            try:
                answer = client.proxied(pod, PORT, self.command, self.path, body, headers)
                status, content, given = answer.status, answer.data, answer.headers
            except ClusterRefused as error:
                status, content, given = 502, str(error).encode(), {"Content-Type": "text/plain"}
            self.send_response(status)
            for name, value in given.items():
                if name.lower() not in (*_OF_ONE_CONNECTION, "content-encoding", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    return Forwarder
