"""Spans on their way to a collector: nothing waits for it.

Belongs here: the queue, its thread, HTTP, and what becomes of spans that nobody takes. Does not belong here: OTLP's messages (`otlp.py`).

OpenTelemetry's own processor and exporter are not used for three reasons: spans that they lose are counted nowhere, a stop without a
collector waits for up to 30 s, and no release of the exporter goes with both the SDK and the proto that BentoML and MLflow bring along.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from serving.tracing.otlp import encoded, refused_spans
from serving.tracing.spans import QUEUE_FULL, REFUSED, STOPPED

if TYPE_CHECKING:
    from opentelemetry.context import Context

logger = logging.getLogger(__name__)

CAPACITY = 2048
BATCH = 512
INTERVAL_SECONDS = 1.0
ANSWER_SECONDS = 1.0
"""How long the collector has for each step of an exchange."""
LONGEST_PAUSE_SECONDS = 30.0
STOP_SECONDS = 2.0
TRY_AGAIN = frozenset({408, 429, 502, 503, 504})
"""Statuses with which a collector asks for the same spans once more."""


class SpanSender(SpanProcessor):
    """Sends finished spans in batches, in a thread of its own.

    A batch that the collector does not take is kept and sent again; while it waits, further spans queue up behind it, and those for which
    there is no room are counted as lost.
    """

    def __init__(self, endpoint: str, on_drop: Callable[[str, int], Any], capacity: int = CAPACITY) -> None:
        """Take the address; nothing is sent before the first span.

        Args:
            endpoint: base address of an OTLP receiver over HTTP, such as `http://127.0.0.1:4318`.
            on_drop: called with a reason and how many spans were lost for it, from whatever thread.
            capacity: spans that may wait.
        """
        self._address = urllib.parse.urlsplit(endpoint.rstrip("/") + "/v1/traces")
        self._on_drop, self._capacity = on_drop, capacity
        self._waiting: deque[ReadableSpan] = deque()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None
        self._silent = False

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: a span is sent once it ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; waits for nothing."""
        with self._turn:
            stopped = self._stopping.is_set()
            room = len(self._waiting) < self._capacity
            if room and not stopped:
                self._waiting.append(span)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
                    self._thread.start()
                if len(self._waiting) >= BATCH:
                    self._wake.set()
        if stopped or not room:
            self._on_drop(STOPPED if stopped else QUEUE_FULL, 1)

    def shutdown(self) -> None:
        """Send what waits, for at most `STOP_SECONDS`; what is left then is lost."""
        with self._turn:
            self._stopping.set()
            self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        with self._turn:
            left = len(self._waiting)
            self._waiting.clear()
        if left:
            self._on_drop(STOPPED, left)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait until nothing is queued any more; False where it is not by then."""
        deadline = time.monotonic() + timeout_millis / 1e3
        self._wake.set()
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self._waiting

    def _run(self) -> None:
        pause_seconds = INTERVAL_SECONDS
        while not self._stopping.is_set():
            # While the collector takes nothing a full queue is no reason to ask sooner.
            (self._stopping if self._silent else self._wake).wait(pause_seconds)
            if self._stopping.is_set():
                break
            self._wake.clear()
            sent = self._send_all()
            pause_seconds = INTERVAL_SECONDS if sent else min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)
        self._send_all()

    def _send_all(self) -> bool:
        """Send batch after batch; False once one is not taken for now."""
        while self._waiting:
            with self._turn:
                batch = [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]
            refused = self._send(batch)
            if refused is None:
                return False
            with self._turn:
                for _ in range(min(len(batch), len(self._waiting))):
                    self._waiting.popleft()
            if refused:
                self._on_drop(REFUSED, refused)
        return True

    def _send(self, batch: list[ReadableSpan]) -> int | None:
        """Send a batch; how many of it the collector does not want, None where it asks for them again or does not answer."""
        try:
            status, answer = self._post(encoded(batch))
        except (OSError, http.client.HTTPException) as error:
            self._note(f"does not answer ({type(error).__name__})")
            return None
        if status in TRY_AGAIN:
            self._note(f"answers {status}")
            return None
        if not 200 <= status < 300:
            self._note(f"refuses spans with status {status}")
            return len(batch)
        if self._silent:
            self._silent = False
            logger.info("the collector at %s takes spans again", self._address.netloc)
        return refused_spans(answer)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """One exchange over a connection of its own.

        Raises:
            OSError: nobody answers.
            HTTPException: what answers does not speak HTTP.
        """
        secure = self._address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", self._address.path, body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _note(self, problem: str) -> None:
        """Say once that spans do not arrive."""
        if not self._silent:
            self._silent = True
            logger.warning("the collector at %s %s; requests are answered all the same", self._address.netloc, problem)
