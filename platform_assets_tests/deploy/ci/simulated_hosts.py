"""A simulated GitHub and a simulated GitLab, as far as comments go: what the real ones would refuse that this one takes, nobody sees here.

Belongs here: the few requests that `deploy/ci/post_comment.py` makes. Does not belong here: what is expected of it.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SimulatedHost(ThreadingHTTPServer):
    """Comments of one request, in memory."""

    daemon_threads = True

    def __init__(self, token: str, may_write: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token, self.may_write = token, may_write
        self.comments: dict[int, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: SimulatedHost

    def _answer(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _is_known(self) -> bool:
        given = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        return bool(given == self.server.token)

    def _body(self) -> str:
        text: str = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        return text

    def do_GET(self) -> None:
        if not self._is_known():
            return self._answer(401, {})
        page = int(re.search(r"[?&]page=(\d+)", self.path)[1])  # type: ignore[index]
        listed = [{"id": number, "body": body} for number, body in sorted(self.server.comments.items())]
        return self._answer(200, listed[100 * (page - 1) : 100 * page])

    def _write(self, number: int) -> None:
        text = self._body()
        if not self._is_known() or not self.server.may_write:
            return self._answer(403, {})
        self.server.comments[number] = text
        return self._answer(200, {"id": number})

    def do_POST(self) -> None:
        self._write(len(self.server.comments) + 1)

    def do_PATCH(self) -> None:
        self._write(int(self.path.rpartition("/")[2]))

    do_PUT = do_PATCH

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def simulated_host(token: str, *, may_write: bool = True) -> Iterator[SimulatedHost]:
    host = SimulatedHost(token, may_write)
    thread = threading.Thread(target=host.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        host.server_close()
        thread.join()
