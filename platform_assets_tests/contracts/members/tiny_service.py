"""The service that the contract of targets deploys: it answers its version, and counts what it was asked.

Run as `python tiny_service.py HOST PORT`, with VERSION and MODE in the environment. A target without processes calls `check` and `answer`.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

asked: list[str] = []


def check(environment: Mapping[str, str]) -> None:
    """What a start depends on."""
    if environment.get("MODE") == "does not start":
        raise RuntimeError("cannot load the model: file is missing")
    if environment.get("MODE") == "too large":
        held = b"x" * 500_000_000
        time.sleep(600 if held else 0)


def answer(path: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Status and text."""
    if path == "/readyz":
        return (503 if environment.get("MODE") == "never ready" else 200), ""
    if path.endswith("/count"):
        return 200, str(len(asked))
    asked.append(path)
    if path.endswith("/slow"):
        time.sleep(0.5)
    return 200, environment["VERSION"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, text = answer(self.path, os.environ)
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    try:
        check(os.environ)
    except RuntimeError as error:
        sys.exit(str(error))
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
    threading.Thread(target=server.serve_forever).start()
