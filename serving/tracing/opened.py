"""Tracing, opened as declaration and installation have it.

Belongs here: which requests are traced, and what the process calls itself. Does not belong here: spans (`spans.py`), sending them
(`sender.py`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from serving.tracing.spans import PREFIX, Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

    from platform_assets.declaration import UseCase


def open_tracing(
    use_case: UseCase, release: str, model_version: str, endpoint: str | None, on_drop: Callable[[str, int], Any]
) -> Tracing | None:
    """Tracing as the declaration and the installation have it.

    Args:
        use_case: declares which share of requests is traced.
        release: digest of the release.
        model_version: of the registered model.
        endpoint: base address of an OTLP receiver over HTTP; None traces nothing.
        on_drop: called with a reason of `spans.DROP_REASONS` and how many spans were lost for it.

    Returns:
        None where nothing is traced.
    """
    ratio = use_case.serving.tracing.sample_ratio
    if endpoint is None or ratio == 0:
        return None
    from serving.tracing.sender import SpanSender

    names = {
        "service.name": use_case.name,
        "service.version": release,
        f"{PREFIX}use_case": use_case.name,
        f"{PREFIX}release": release,
        f"{PREFIX}model_version": model_version,
    }
    sender = SpanSender(endpoint, on_drop)
    return Tracing(make_tracer(names, sender), sender, ratio)


def make_tracer(names: Mapping[str, str], processor: SpanProcessor) -> Tracer:
    """A tracer that hands finished spans to a processor.

    Args:
        names: what every span's process is called, by attribute of a resource.
        processor: is given every span; `Tracing.takes` decides which requests have any.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    host = socket.gethostname()
    resource = Resource.create({**names, "service.instance.id": f"{host}:{os.getpid()}", "host.name": host})
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider.get_tracer("platform_assets")
