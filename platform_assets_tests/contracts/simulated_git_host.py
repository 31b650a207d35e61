"""A simulated host of git repositories: it answers the few calls of GitHub's and GitLab's REST APIs that open a request, as recorded.

Belongs here: the answers. Does not belong here: git, or anything that a real host decides beyond a token and one open request a branch.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-that-may"


class SimulatedGitHost(ThreadingHTTPServer):
    """Remembers what was asked of it, and which requests are open.

    Attributes:
        asked: method, path and body of each call.
        opened: requests that were opened, as the caller described them.
        fails: status that every call gets instead; 0 for none.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[tuple[str, str, Any]] = []
        self.opened: list[dict[str, Any]] = []
        self.fails = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: SimulatedGitHost

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        branch = query.get("head", query.get("source_branch", [""]))[0].rpartition(":")[2]
        found = [one for one in self.server.opened if branch in (one.get("head"), one.get("source_branch"))]
        self._answer(200, [_described(one) for one in found], None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.opened.append(body | {"number": len(self.server.opened) + 1})
        self._answer(201, _described(self.server.opened[-1]), body)

    def _answer(self, status: int, values: Any, body: Any) -> None:
        self.server.asked.append((self.command, urlsplit(self.path).path, body))
        token = self.headers.get("private-token") or self.headers.get("authorization", "").removeprefix("Bearer ")
        if self.server.fails or token != TOKEN:
            status, values = self.server.fails or 401, {"message": "simulated: no"}
        text = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def _described(request: dict[str, Any]) -> dict[str, Any]:
    """A request in the words of both hosts; each kind reads its own."""
    number = request["number"]
    return {
        "number": number, "html_url": f"https://simulated.example/pull/{number}",
        "iid": number, "web_url": f"https://simulated.example/merge_requests/{number}",
    }  # fmt: skip


@contextmanager
def simulated_git_host() -> Iterator[SimulatedGitHost]:
    """The host while the block runs."""
    host = SimulatedGitHost()
    thread = threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.shutdown()
        host.server_close()
        thread.join(10)
