"""The REST side: asks the address, or its private socket, what came in over gRPC.

Belongs here: the HTTP client, which headers go through, and which gRPC status an HTTP status is. Does not belong here: bodies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp
    import grpc

PASSED_HEADERS = ("authorization", "x-request-id", "traceparent", "tracestate", "x-platform-assets-caller")
"""Of a call, given to the service as they came."""
RETURNED_HEADERS = ("x-request-id", "x-service-version", "retry-after")
"""Of an answer, given to the caller as trailing metadata."""
LONGEST_SECONDS = 15.0
CONNECTIONS = 256
KEEP_ALIVE_SECONDS = 20.0
"""Less than the proxy's limit for a connection without a request."""


class Refused(Exception):
    """A call that is answered with a status other than OK."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class RestAnswer:
    """What REST answered."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body's JSON value.

        Raises:
            Refused: it is not JSON: something else than a service answered.
        """
        import grpc

        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused(grpc.StatusCode.UNAVAILABLE, f"the address answered {self.status} without JSON") from None

    def good(self) -> RestAnswer:
        """This answer.

        Raises:
            Refused: it is a refusal.
        """
        if self.status < HTTPStatus.BAD_REQUEST:
            return self
        refusal = self.json()
        error = refusal.get("error") if isinstance(refusal, dict) else None
        problems = refusal.get("problems") if isinstance(refusal, dict) else None
        told = "; ".join(f"{item['field']}: {item['reason']}".removeprefix(": ") for item in problems or ())
        raise Refused(status_of(self.status), f"{error or HTTPStatus(self.status).phrase}{f': {told}' if told else ''}")


def status_of(http_status: int) -> grpc.StatusCode:
    """The gRPC status of an HTTP status."""
    import grpc

    codes = grpc.StatusCode
    known = {
        400: codes.INVALID_ARGUMENT,
        401: codes.UNAUTHENTICATED,
        403: codes.PERMISSION_DENIED,
        404: codes.NOT_FOUND,
        408: codes.DEADLINE_EXCEEDED,
        413: codes.RESOURCE_EXHAUSTED,
        415: codes.INVALID_ARGUMENT,
        422: codes.INVALID_ARGUMENT,
        429: codes.RESOURCE_EXHAUSTED,
        499: codes.CANCELLED,
        502: codes.UNAVAILABLE,
        503: codes.UNAVAILABLE,
        504: codes.DEADLINE_EXCEEDED,
    }
    return known.get(http_status, codes.INTERNAL if http_status >= 500 else codes.UNKNOWN)


class Upstream:
    """Connections to the address; to be used from one event loop."""

    def __init__(self, address: str, socket: str | None = None) -> None:
        """Describe the address; nothing is opened.

        Args:
            address: base URL of the target, without a trailing slash.
            socket: file of its private socket, which is asked in place of the address.
        """
        self._address = address.rstrip("/")
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        seconds: float | None = None,
    ) -> RestAnswer:
        """Send a request and read its answer.

        Raises:
            Refused: the address does not answer, or not in time.
        """
        import aiohttp
        import grpc

        limit = min(LONGEST_SECONDS, LONGEST_SECONDS if seconds is None else max(seconds, 0.001))
        try:
            async with self._opened().request(
                method, self._address + path, data=body, headers=headers, timeout=aiohttp.ClientTimeout(total=limit)
            ) as answer:
                kept = {name: answer.headers[name] for name in answer.headers}
                lowered = {name.lower(): value for name, value in kept.items()}
                return RestAnswer(answer.status, await answer.read(), lowered)
        except TimeoutError:
            raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer within {limit:g} s") from None
        except aiohttp.ClientError as error:
            raise Refused(
                grpc.StatusCode.UNAVAILABLE, f"the address does not answer ({type(error).__name__})"
            ) from None

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            connector = (
                aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
                if self._socket is None
                else aiohttp.UnixConnector(self._socket, limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS)
            )
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()


def passed(metadata: Sequence[tuple[str, Any]] | None) -> dict[str, str]:
    """The headers of a call that go on to the service."""
    return {name: value for name, value in metadata or () if name in PASSED_HEADERS and isinstance(value, str)}
