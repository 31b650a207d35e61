"""The service that is rolled out: it writes a request's id to its log, then answers its own version.

Belongs here: what a version has to do to be counted. Does not belong here: scoring; the service of a use case is measured in `serving/`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
VERSION = os.environ.get("VERSION", "")
LOG = os.open(os.environ["LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND) if "LOG" in os.environ else -1


async def app(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    """Answer a request; `/readyz` leaves no line."""
    if scope["type"] != "http":
        return
    if scope["path"] != "/readyz":
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        role = "shadow" if "x-platform-assets-shadow" in headers else "live"
        os.write(LOG, f"{role} {headers['x-request-id']}\n".encode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": VERSION.encode()})
