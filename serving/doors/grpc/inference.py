"""The Open Inference Protocol over gRPC, as requests of the same protocol over REST.

Belongs here: messages of the protocol to bodies and back. Does not belong here: statuses and connections (`upstream.py`), starting
(`server.py`).

A tensor's raw contents and the binary extension of REST have the same form: they go through as they are, and typed contents are packed
into it, so that no number is written as text on the way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serving.doors import tensors
from serving.doors.grpc.protocol import OPEN_INFERENCE, Compiled, compile_proto
from serving.doors.grpc.upstream import Refused, passed
from serving.doors.tensors import EXTENSIONS, HEADER_LENGTH, SERVER
from serving.refusals import RequestRefused

if TYPE_CHECKING:
    from serving.doors.grpc.server import Call
    from serving.doors.grpc.upstream import RestAnswer, Upstream

CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where a datatype's values stand; the others come raw."""


class InferenceService:
    """The protocol's methods."""

    def __init__(self, upstream: Upstream, server_version: str = "2") -> None:
        self.messages: Compiled = compile_proto(OPEN_INFERENCE)
        self._upstream = upstream
        self._server_version = server_version

    def method(self, name: str) -> tuple[Any, Any, Any] | None:
        """How a method is called: its handler, and the classes of its request and its answer; None where there is none of that name."""
        handlers = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }
        handler = handlers.get(name)
        if handler is None:
            return None
        return handler, self.messages.messages[f"{name}Request"], self.messages.messages[f"{name}Response"]

    async def server_live(self, request: Any, call: Call) -> Any:
        """This process answers, so it is live."""
        return self.messages.ServerLiveResponse(live=True)

    async def server_ready(self, request: Any, call: Call) -> Any:
        """Whether every deployed model is."""
        answer = await self._upstream.ask("GET", "/v2/health/ready", passed(call.metadata), seconds=call.seconds)
        return self.messages.ServerReadyResponse(ready=answer.status == 200)

    async def server_metadata(self, request: Any, call: Call) -> Any:
        """What the server is."""
        names = list(EXTENSIONS)
        return self.messages.ServerMetadataResponse(name=SERVER, version=self._server_version, extensions=names)

    async def model_ready(self, request: Any, call: Call) -> Any:
        """Whether a model is ready; one that is not deployed is not found."""
        answer = await self._ask("GET", request.name, request.version, "/ready", call)
        if answer.status == 503 and b'"ready"' in answer.body:
            return self.messages.ModelReadyResponse(ready=False)
        return self.messages.ModelReadyResponse(ready=bool(answer.good().json()["ready"]))

    async def model_metadata(self, request: Any, call: Call) -> Any:
        """Inputs and outputs of a model."""
        found = (await self._ask("GET", request.name, request.version, "", call)).good().json()
        return self.messages.ModelMetadataResponse(**found)

    async def model_infer(self, request: Any, call: Call) -> Any:
        """Score rows of events."""
        head, blobs = _request_of(request)
        text = json.dumps(head).encode()
        headers = {HEADER_LENGTH: str(len(text)), "content-type": "application/octet-stream"}
        body = b"".join([text, *blobs])
        answer = await self._ask("POST", request.model_name, request.model_version, "/infer", call, headers, body)
        return self._response_of(answer.good(), raw=bool(request.raw_input_contents))

    async def _ask(
        self,
        method: str,
        model: str,
        version: str,
        rest: str,
        call: Call,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> RestAnswer:
        named = f"{_path_part(model, 'model name')}"
        path = f"/v1/{named}/v2/models/{named}"
        if version:
            path += f"/versions/{_path_part(version, 'model version')}"
        answer = await self._upstream.ask(
            method, path + rest, passed(call.metadata) | dict(headers or {}), body, call.seconds
        )
        call.returned(answer.headers)
        return answer

    def _response_of(self, answer: RestAnswer, *, raw: bool) -> Any:
        """The answer in the form that the request had: raw, or typed."""
        length = int(answer.headers[HEADER_LENGTH])
        head = json.loads(answer.body[:length])
        response = self.messages.ModelInferResponse(
            model_name=head["model_name"], model_version=head["model_version"], id=head["id"]
        )
        at = length
        for output in head["outputs"]:
            size = output["parameters"]["binary_data_size"]
            content = answer.body[at : at + size]
            at += size
            tensor = response.outputs.add(name=output["name"], datatype=output["datatype"], shape=output["shape"])
            if raw:
                response.raw_output_contents.append(content)
                continue
            values = tensors.unpacked(output["datatype"], content, output["name"])
            if output["datatype"] == tensors.BYTES:
                values = [value.encode() for value in values]
            getattr(tensor.contents, CONTENTS[output["datatype"]]).extend(values)
        return response


def _request_of(request: Any) -> tuple[dict[str, Any], list[bytes]]:
    """The JSON part of the REST request, and the binary parts behind it.

    Raises:
        Refused: raw contents fit the inputs not at all, or an input's values do not fit its datatype.
    """
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise _invalid(f"there are {len(request.inputs)} inputs and {len(raw)} raw contents")
    inputs, blobs = [], []
    for index, tensor in enumerate(request.inputs):
        if raw and tensor.HasField("contents"):
            raise _invalid(f"input {tensor.name!r} has contents, and the request raw contents; only one is taken")
        blob = raw[index] if raw else _packed(tensor)
        given = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        parameters = _parameters(tensor.parameters)
        if blob:
            blobs.append(blob)
            parameters["binary_data_size"] = len(blob)
        else:
            given["data"] = []
        inputs.append(given | {"parameters": parameters})
    outputs = [{"name": output.name, "parameters": {"binary_data": True}} for output in request.outputs]
    head = {"id": request.id, "parameters": _parameters(request.parameters) | {"binary_data_output": True}}
    return head | {"inputs": inputs, "outputs": outputs}, blobs


def _packed(tensor: Any) -> bytes:
    field = CONTENTS.get(tensor.datatype)
    if field is None:
        raise _invalid(f"input {tensor.name!r} of datatype {tensor.datatype!r}: values of it come as raw contents")
    others = [one.name for one, _ in tensor.contents.ListFields() if one.name != field]
    if others:
        raise _invalid(
            f"input {tensor.name!r} of datatype {tensor.datatype} has its values in {field}, not {others[0]}"
        )
    values: Sequence[Any] = list(getattr(tensor.contents, field))
    try:
        return tensors.packed(tensor.datatype, values)
    except OverflowError:
        raise _invalid(f"input {tensor.name!r} has a value that is no {tensor.datatype}") from None


def _parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as JSON has them; those of the binary form are this door's own."""
    own = ("binary_data_size", "binary_data_output", "binary_data")
    return {
        name: getattr(value, value.WhichOneof("parameter_choice"))
        for name, value in parameters.items()
        if name not in own and value.WhichOneof("parameter_choice")
    }


def _path_part(name: str, what: str) -> str:
    """A name as part of a path.

    Raises:
        Refused: it is empty or can be none.
    """
    from urllib.parse import quote

    if not name:
        raise _invalid(f"the request has no {what}")
    return quote(name, safe="") if name not in (".", "..") else "-"


def _invalid(message: str) -> Refused:
    import grpc

    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)


def invalid(error: RequestRefused) -> Refused:
    """A refusal of a tensor as one of gRPC."""
    return _invalid(str(error))
