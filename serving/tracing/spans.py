"""Spans: one for a request, one for each of its steps.

Belongs here: what a span says of a request and its steps. Does not belong here: which requests are traced (`opened.py`), or sending
spans (`sender.py`).

A service that traces nothing holds None in place of a `Tracing` and imports nothing of OpenTelemetry. No span carries a value of a
request, nor a message of an error, which may quote one.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

LOOK_UP, PREDICT, APPEND = "features.look_up", "model.predict", "log.append"
"""Steps of a request."""
TRACEPARENT = "traceparent"
PREFIX = "platform_assets."
"""Of attributes that no convention of OpenTelemetry names."""
QUEUE_FULL, REFUSED, STOPPED = DROP_REASONS = ("queue_full", "refused", "stopped")
"""Why spans are lost: too many wait for a collector that takes none, it took others and not these, or the process ended before it took
them."""
SERVER_ERROR = 500
NOTHING: AbstractContextManager[None] = contextlib.nullcontext()


def step(tracing: Tracing | None, name: str) -> AbstractContextManager[None]:
    """The span of a step of the request under way; nothing where it is not traced."""
    return NOTHING if tracing is None else tracing.step(name)


class Tracing:
    """Traces requests of one release."""

    def __init__(self, tracer: Tracer, processor: SpanProcessor, sample_ratio: float = 1.0) -> None:
        """Take what `open_tracing` made; `sample_ratio` is the share of requests that are traced where no caller says."""
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer, self._processor, self._trace = tracer, processor, trace
        self._sample_ratio = sample_ratio
        self._extract = TraceContextTextMapPropagator().extract

    def takes(self, headers: Mapping[str, str]) -> bool:
        """Whether there is anything to trace: for most requests this is all that tracing costs.

        Of a request whose caller sends a `traceparent` that can be read the caller decides, of the others the declared share is taken.
        """
        if TRACEPARENT in headers:
            given = self._trace.get_current_span(self._extract(headers)).get_span_context()
            if given.is_valid:
                return given.trace_flags.sampled
        return random.random() < self._sample_ratio

    @contextmanager
    def request(self, method: str, route: str, headers: Mapping[str, str]) -> Iterator[RequestSpan]:
        """The span of a request, which goes on with the caller's trace where `traceparent` names one, sampled as the caller says.

        Args:
            method: of HTTP.
            route: path without anything that varies.
            headers: of the request; their names in whatever case.
        """
        attributes = {"http.request.method": method, "http.route": route}
        kind = self._trace.SpanKind.SERVER
        span = self._tracer.start_span(f"{method} {route}", self._extract(headers), kind=kind, attributes=attributes)
        with self._current(span):
            yield RequestSpan(span)

    @contextmanager
    def message(self, topic: str, headers: Mapping[str, str]) -> Iterator[RequestSpan]:
        """The span of a message of a topic; as for a request, its header `traceparent` names the trace that it goes on with."""
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
        }
        kind = self._trace.SpanKind.CONSUMER
        span = self._tracer.start_span(f"process {topic}", self._extract(headers), kind=kind, attributes=attributes)
        with self._current(span):
            yield RequestSpan(span)

    def step(self, name: str) -> AbstractContextManager[None]:
        """The span of a step of the request under way; nothing where it is not sampled."""
        if not self._trace.get_current_span().is_recording():
            return NOTHING
        return _Step(self._tracer, name)

    def trace_id(self) -> str | None:
        """The id of the trace under way, 32 hexadecimal digits; None where it is not sampled, so that nobody will find it."""
        span = self._trace.get_current_span()
        return self._trace.format_trace_id(span.get_span_context().trace_id) if span.is_recording() else None

    def describe(self, **attributes: str | None) -> None:
        """Say something of the request under way; None says nothing."""
        span = self._trace.get_current_span()
        for name, value in attributes.items():
            if value is not None:
                span.set_attribute(PREFIX + name, value)

    def close(self) -> None:
        """Send what is left, for at most a short while."""
        self._processor.shutdown()

    @contextmanager
    def _current(self, span: Span) -> Iterator[None]:
        """Make a span the current one until it ends."""
        with self._trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except Exception as error:
                _fail(span, type(error).__qualname__)
                raise


class _Step:
    """The span of a step while the step is under way. Nothing is below a step, so it need not become the current span, which costs more
    than the span itself."""

    __slots__ = ("_name", "_span", "_tracer")
    _span: Span

    def __init__(self, tracer: Tracer, name: str) -> None:
        self._tracer, self._name = tracer, name

    def __enter__(self) -> None:
        self._span = self._tracer.start_span(self._name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, place: object) -> None:
        if kind is not None:
            _fail(self._span, kind.__qualname__)
        self._span.end()


def _fail(span: Span, kind: str) -> None:
    """Say that it failed, and how: the kind of error alone, for its message may quote a request."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


class RequestSpan:
    """The span of a request or a message, for what is known of it at its end."""

    def __init__(self, span: Span) -> None:
        """Take the span."""
        self._span = span

    def refused(self, reason: str) -> None:
        """Say why a message was not scored."""
        _fail(self._span, reason)

    def answered(self, status: int) -> None:
        """Say how it was answered, by its status of HTTP."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= SERVER_ERROR:
            _fail(self._span, str(status))
