"""A simulated secret manager: what Azure Key Vault, Google Secret Manager and the API of Kubernetes answer, by their documented forms.

Belongs here: the stand-in, for tests. Does not belong here: anything that could be taken for the real services: it knows a handful of
requests and checks tokens, paths and headers, nothing else.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "simulated-token"


@dataclass
class SimulatedManager:
    """A running stand-in.

    Attributes:
        address: of all interfaces.
        secrets: texts by name, with the version of each.
        tokens: those that are valid; a login gives the last one.
        allowed: whether whoever has a valid token may read.
        logins: how many there were.
        ends: seconds since 1970 at which secrets expire, by name.
        broken: answer every read with this text.
    """

    address: str = ""
    secrets: dict[str, tuple[str, int]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=lambda: [TOKEN])
    allowed: bool = True
    logins: int = 0
    ends: dict[str, float] = field(default_factory=dict)
    broken: str | None = None
    reviewed: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, text: str) -> None:
        """Store another version, which is what it should be."""
        self.broken = None
        self.ends.pop(name, None)
        self.secrets[name] = (text, self.secrets.get(name, ("", 0))[1] + 1)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Status and answer to a request."""
        parts = urlsplit(path)
        if parts.path == "/metadata/identity/oauth2/token":
            right = headers.get("Metadata") == "true" and parse_qs(parts.query)["resource"] == [
                "https://vault.azure.net"
            ]
            return self._login(right)
        if parts.path.endswith("/oauth2/v2.0/token"):
            form = parse_qs(body.decode())
            return self._login(method == "POST" and form.get("client_assertion") == ["federated"])
        if parts.path == "/computeMetadata/v1/instance/service-accounts/default/token":
            return self._login(headers.get("Metadata-Flavor") == "Google")
        if parts.path == "/apis/authentication.k8s.io/v1/tokenreviews":
            return 201, self._review(json.loads(body))
        if headers.get("Authorization") not in [f"Bearer {token}" for token in self.tokens]:
            return 401, {"error": "invalid token"}
        if not self.allowed:
            return 403, {"error": "forbidden"}
        if self.broken is not None:
            return 200, self.broken
        return self._read(parts.path)

    def _login(self, right: bool) -> tuple[int, Any]:
        self.logins += 1
        if not right or not self.tokens:
            return 400, {"error": "invalid_request"}
        return 200, {"access_token": self.tokens[-1], "expires_in": 3600}

    def _read(self, path: str) -> tuple[int, Any]:
        name = path.removesuffix("/versions/latest:access").rpartition("/")[2]
        if name not in self.secrets:
            return 404, {"error": "not found"}
        text, version = self.secrets[name]
        packed = base64.b64encode(text.encode()).decode()
        if path.endswith(":access"):
            return 200, {"name": f"{path[4:]}/versions/{version}", "payload": {"data": packed}}
        if path.startswith("/api/v1/"):
            data = {key: base64.b64encode(str(value).encode()).decode() for key, value in json.loads(text).items()}
            return 200, {"kind": "Secret", "metadata": {"name": name, "resourceVersion": str(version)}, "data": data}
        attributes = {"exp": self.ends[name]} if name in self.ends else {}
        return 200, {"value": text, "id": f"{self.address}/secrets/{name}/{version}", "attributes": attributes}

    def _review(self, review: dict[str, Any]) -> dict[str, Any]:
        account = self.reviewed.get(review["spec"]["token"])
        status: dict[str, Any] = {"authenticated": account is not None}
        if account is not None:
            namespace, _, name = account.partition("/")
            user = f"system:serviceaccount:{namespace}:{name}"
            status["user"] = {"username": user, "uid": "simulated", "groups": ["system:serviceaccounts"]}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


@contextmanager
def simulated_manager() -> Iterator[SimulatedManager]:
    """The stand-in on a free port."""
    manager = SimulatedManager()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answered("GET")

        def do_POST(self) -> None:
            self._answered("POST")

        def _answered(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = manager.answer(method, self.path, self.headers, body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    manager.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield manager
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
