"""A receiver of OTLP traces over HTTP, for tests and benchmarks.

Belongs here: what a collector does at its front: takes spans, or refuses them. Does not belong here: keeping or showing them.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class OtlpReceiver:
    """Listens on a free port of this machine while it is entered.

    Attributes:
        status: what the next requests are answered with.
        hold: while it is not set, no request is answered.
        spans: what was taken, as OTLP's `Span` messages.
        resources: attributes of the resource of each request that was taken.
    """

    def __init__(self, port: int = 0) -> None:
        """Bind the port."""
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.hold.wait()
                if receiver.status == 200 and self.path == "/v1/traces":
                    receiver._take(body)
                self.send_response(receiver.status if self.path == "/v1/traces" else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing: a test reads what arrived."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def endpoint(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, count: int, seconds: float = 10.0) -> list[Any]:
        """The spans, once there are at least so many.

        Raises:
            TimeoutError: there are fewer by then.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.spans) >= count, seconds):
                raise TimeoutError(f"{len(self.spans)} spans of {count} after {seconds:g} s")
            return list(self.spans)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        with self._arrived:
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({one.key: one.value.string_value for one in group.resource.attributes})
                self.spans += [span for scope in group.scope_spans for span in scope.spans]
            self._arrived.notify_all()


def attributes_of(span: Any) -> dict[str, Any]:
    """The attributes of a span by name."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
