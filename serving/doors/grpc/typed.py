"""The typed service of each use case, as requests of `score`.

Belongs here: typed messages to events and answers back, and learning which proto a use case has now. Does not belong here: the proto's
text (`serving/doors/proto.py`).

The proto is the running service's own: it is read from the service, and again after a while, so that a deployment needs no restart here.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.doors.grpc.protocol import Compiled, compile_proto
from serving.doors.grpc.upstream import Refused, passed
from serving.doors.proto import METHOD, REQUEST, RESPONSE

if TYPE_CHECKING:
    from serving.doors.grpc.server import Call
    from serving.doors.grpc.upstream import Upstream

FRESH_SECONDS = 5.0
"""So long a proto is taken to be the running one."""


@dataclass
class _Known:
    text: str
    compiled: Compiled
    read_at: float


class TypedServices:
    """The typed services of all use cases of an address."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._known: dict[str, _Known] = {}

    async def score(self, use_case: str, method: str, content: bytes, call: Call) -> bytes:
        """RestAnswer one call.

        Args:
            use_case: from the service's name.
            method: of the service.
            content: the request message as it came.
            call: the call.

        Raises:
            Refused: it is not answered with an answer.
        """
        import grpc

        if method != METHOD:
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, f"the service has one method, {METHOD}")
        messages = await self._messages(use_case, call)
        event = _event_of(messages.messages[REQUEST], content)
        headers = passed(call.metadata) | {"content-type": "application/json"}
        body = json.dumps(event).encode()
        answer = await self._upstream.ask("POST", f"/v1/{use_case}/score", headers, body, call.seconds)
        call.returned(answer.headers)
        given = {name: value for name, value in answer.good().json().items() if value is not None}
        return bytes(_message_of(messages.messages[RESPONSE], given).SerializeToString())

    async def _messages(self, use_case: str, call: Call) -> Compiled:
        known = self._known.get(use_case)
        if known is not None and time.monotonic() - known.read_at < FRESH_SECONDS:
            return known.compiled
        answer = await self._upstream.ask("GET", f"/v1/{use_case}/scoring.proto", passed(call.metadata))
        text = answer.good().body.decode()
        if known is None or known.text != text:
            known = self._known[use_case] = _Known(text, await asyncio.to_thread(compile_proto, text), 0.0)
        known.read_at = time.monotonic()
        return known.compiled


def _event_of(kind: Any, content: bytes) -> dict[str, Any]:
    """The event in a request message: the fields that it has.

    Raises:
        Refused: the bytes are no such message, or have fields that the service does not know, which JSON's callers are refused for too.
    """
    import grpc
    from google.protobuf.message import DecodeError
    from google.protobuf.unknown_fields import UnknownFieldSet

    try:
        message = kind.FromString(content)
    except DecodeError:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"the request is no {REQUEST}") from None
    unknown = sorted({field.field_number for field in UnknownFieldSet(message)})
    if unknown:
        numbers = ", ".join(map(str, unknown))
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"the service knows no field {numbers} of {REQUEST}")
    event = {field.name: value for field, value in message.ListFields()}
    for name, value in event.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"{name}: Input should be a finite number")
    return event


def _message_of(kind: Any, given: dict[str, Any]) -> Any:
    """An answer as a message; what its proto does not have is left out."""
    known = kind.DESCRIPTOR.fields_by_name
    return kind(**{name: value for name, value in given.items() if name in known})
