"""A service that answers what it was asked: headers, and variables of its process.

Run as `python echo_service.py HOST PORT`. It remembers the headers of each request; `/received` answers them all.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

received: list[dict[str, str]] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer: object = {"path": self.path, "headers": headers, "environment": dict(os.environ)}
        if self.path == "/received":
            answer = received
        elif self.path != "/readyz":
            received.append(headers)
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.send_header("x-service-version", "of the service itself")
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
