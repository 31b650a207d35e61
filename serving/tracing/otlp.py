"""OTLP: finished spans as the bytes that a collector reads.

Belongs here: OpenTelemetry's messages. Does not belong here: sending them (`sender.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

SAMPLED, HAS_IS_REMOTE, IS_REMOTE = 0x001, 0x100, 0x200
"""Bits of `Span.flags`."""
KINDS = {kind: trace_pb2.Span.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
CODES = {code: trace_pb2.Status.StatusCode.Value(f"STATUS_CODE_{code.name}") for code in StatusCode}


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """A request of OTLP's trace service for spans of one process."""
    resource = Resource(attributes=_attributes(spans[0].resource.attributes))
    scope = InstrumentationScope(name="platform_assets")
    groups = trace_pb2.ResourceSpans(
        resource=resource, scope_spans=[trace_pb2.ScopeSpans(scope=scope, spans=[_span(span) for span in spans])]
    )
    message: bytes = ExportTraceServiceRequest(resource_spans=[groups]).SerializeToString()
    return message


def refused_spans(answer: bytes) -> int:
    """How many spans of a request the collector says that it did not take; 0 where it says nothing that can be read."""
    # By name: an import statement would have every distribution below `google` packed into each release.
    undecodable = importlib.import_module("google.protobuf.message").DecodeError
    try:
        return int(ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except undecodable:
        return 0


def _span(span: ReadableSpan) -> Any:
    context, parent = span.context, span.parent
    assert context is not None, "a span that ended has an id"
    flags = SAMPLED | HAS_IS_REMOTE | (IS_REMOTE if parent is not None and parent.is_remote else 0)
    message = trace_pb2.Span(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        trace_state=context.trace_state.to_header(),
        name=span.name,
        kind=KINDS[span.kind],
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
        attributes=_attributes(span.attributes or {}),
        links=[
            trace_pb2.Span.Link(
                trace_id=link.context.trace_id.to_bytes(16, "big"), span_id=link.context.span_id.to_bytes(8, "big")
            )
            for link in span.links
        ],
        status=trace_pb2.Status(code=CODES[span.status.status_code]),
        flags=flags,
    )
    if parent is not None:
        message.parent_span_id = parent.span_id.to_bytes(8, "big")
    return message


def _attributes(values: Mapping[str, Any]) -> Iterable[Any]:
    return [KeyValue(key=name, value=_value(value)) for name, value in values.items()]


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list | tuple):
        return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
    return AnyValue(string_value=str(value))
