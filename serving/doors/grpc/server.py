"""The gRPC server: which method a call is for, and how it ends.

Belongs here: starting and stopping, dispatch, statuses and trailing metadata. Does not belong here: what a method does (`inference.py`,
`typed.py`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from serving.doors.grpc.inference import InferenceService, invalid
from serving.doors.grpc.protocol import INFERENCE_SERVICE
from serving.doors.grpc.typed import TypedServices
from serving.doors.grpc.upstream import RETURNED_HEADERS, Refused
from serving.refusals import RequestRefused

if TYPE_CHECKING:
    from serving.doors.grpc.upstream import Upstream

logger = logging.getLogger(__name__)

TYPED = re.compile(r"/platform_assets\.([a-z][a-z0-9_]*)\.v1\.Scoring/(\w+)")
INFERENCE = re.compile(rf"/{re.escape(INFERENCE_SERVICE)}/(\w+)")
MOST_MESSAGE_BYTES = 4 * 2**20
"""More than the proxy takes: what is too large is refused there."""
DRAIN_SECONDS = 10.0


@dataclass
class Call:
    """One call, as far as its method sees it.

    Attributes:
        metadata: what the caller sent along.
        seconds: until its deadline; None without one.
    """

    metadata: Sequence[tuple[str, Any]]
    seconds: float | None
    trailing: list[tuple[str, str]] = field(default_factory=list)

    def returned(self, headers: Mapping[str, str]) -> None:
        """Give the caller the headers of an answer that are for it."""
        self.trailing = [(name, headers[name]) for name in RETURNED_HEADERS if name in headers]


class Doors(grpc.GenericRpcHandler):  # type: ignore[misc, unused-ignore]
    """Every method of every service behind the door. Typed services come and go with deployments."""

    def __init__(self, upstream: Upstream) -> None:
        self._inference = InferenceService(upstream)
        self._typed = TypedServices(upstream)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """How a call is handled; None for a method that does not exist."""
        path = handler_call_details.method
        if found := INFERENCE.fullmatch(path):
            method = self._inference.method(found.group(1))
            if method is None:
                return None
            handler, request, response = method
            return grpc.unary_unary_rpc_method_handler(
                _ending(handler),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
        if found := TYPED.fullmatch(path):
            use_case, name = found.groups()

            async def score(content: bytes, call: Call) -> bytes:
                return await self._typed.score(use_case, name, content, call)

            return grpc.unary_unary_rpc_method_handler(_ending(score))
        return None


def _ending(handler: Any) -> Any:
    """Give a method its call, and end the call with the status that its errors have."""

    async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        call = Call(context.invocation_metadata() or (), context.time_remaining())
        try:
            answer = await handler(request, call)
        except RequestRefused as error:
            ended = invalid(error)
        except Refused as error:
            ended = error
        except Exception:
            logger.exception("a call failed")
            ended = Refused(
                grpc.StatusCode.INTERNAL, "an error that nobody foresaw; the log of the gRPC door says more"
            )
        else:
            context.set_trailing_metadata(tuple(call.trailing))
            return answer
        await context.abort(ended.status, str(ended), tuple(call.trailing))

    return handle


async def start_server(upstream: Upstream, listen: Sequence[str]) -> grpc.aio.Server:
    """Start a server.

    Args:
        upstream: where calls are answered.
        listen: addresses, such as `127.0.0.1:9000` or `unix:/path`.
    """
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    options = [("grpc.max_receive_message_length", MOST_MESSAGE_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((Doors(upstream),))
    checks = health.aio.HealthServicer()
    for name in ("", INFERENCE_SERVICE):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for address in listen:
        server.add_insecure_port(address)
    await server.start()
    return server
