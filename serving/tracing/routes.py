"""Routes whose requests are traced.

Belongs here: where the span of a request begins and ends. Does not belong here: what it says (`spans.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    Endpoint = Callable[[Request], Awaitable[Response]]


def traced(route: str, endpoint: Endpoint) -> Endpoint:
    """Trace requests of a route, where the service traces any."""

    async def in_span(request: Request) -> Response:
        tracing = request.app.state.runtime.tracing
        if tracing is None or not tracing.takes(request.headers):
            return await endpoint(request)
        with tracing.request(request.method, route, request.headers) as span:
            response = await endpoint(request)
            span.answered(response.status_code)
            return response

    return in_span
