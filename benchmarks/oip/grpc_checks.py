"""The protocol over gRPC: each check is a method, a field or a sentence of its proto.

Belongs here: what a server has to answer. Does not belong here: how a check is counted (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from benchmarks.oip.checks import Checks, need
from benchmarks.oip.model import DATATYPES, flat, made_request, packed, repeated, size_of
from benchmarks.oip.rest import UNKNOWN
from serving.doors.grpc.protocol import INFERENCE_SERVICE, OPEN_INFERENCE, compile_proto

REFUSALS = frozenset({"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNIMPLEMENTED"})
"""Statuses that say that the request is at fault."""


class Grpc:
    """The checks of one server and one model."""

    def __init__(self, address: str, model: str, request: Mapping[str, Any] | None) -> None:
        self.channel = grpc.insecure_channel(address)
        self.protocol = compile_proto(OPEN_INFERENCE)
        self.model = model
        self.checks = Checks("gRPC")
        self.metadata: Any = None
        self.request: dict[str, Any] = dict(request or {})
        self.typed: Any = None

    def run(self) -> Checks:
        """Every check."""
        self._server()
        self._model()
        if not self.request and self.metadata is not None:
            self.request = made_request(self._as_json())
        self._inference()
        self._errors()
        self.channel.close()
        return self.checks

    def _as_json(self) -> dict[str, Any]:
        tensors = [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
            for tensor in self.metadata.inputs
        ]
        return {"inputs": tensors}

    def ask(self, method: str, **fields: Any) -> Any:
        """Call a method with a request of these fields."""
        return self.send(method, self.protocol.messages[f"{method}Request"](**fields))

    def send(self, method: str, request: Any) -> Any:
        """Call a method."""
        call = self.channel.unary_unary(
            f"/{INFERENCE_SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.protocol.messages[f"{method}Response"].FromString,
        )
        return call(request, timeout=30)

    def _server(self) -> None:
        check = self.checks.check
        with check("ServerLive: live"):
            need(self.ask("ServerLive").live, "it is not")
        with check("ServerReady: ready"):
            need(self.ask("ServerReady").ready, "it is not")
        for name in ("name", "version"):
            with check(f"ServerMetadata: `{name}` is given"):
                need(getattr(self.ask("ServerMetadata"), name), "it is empty")
        with check("ServerMetadata: is answered"):
            list(self.ask("ServerMetadata").extensions)

    def _model(self) -> None:
        check = self.checks.check
        with check("ModelMetadata: is answered"):
            self.metadata = self.ask("ModelMetadata", name=self.model)
        said = self.metadata
        with check("ModelMetadata: `name` is the model's"):
            need(said.name == self.model, f"is {said.name!r}")
        with check("ModelMetadata: `platform` is given"):
            need(said.platform, "it is empty")
        for side in ("inputs", "outputs"):
            with check(f"ModelMetadata: every one of `{side}` has a name of its own"):
                names = [tensor.name for tensor in getattr(said, side)]
                need(names and all(names) and len(set(names)) == len(names), f"names are {names}")
            with check(f"ModelMetadata: every one of `{side}` has a datatype of the protocol"):
                others = [tensor.datatype for tensor in getattr(said, side) if tensor.datatype not in DATATYPES]
                need(len(getattr(said, side)) and not others, f"others are {others}")
            with check(f"ModelMetadata: every one of `{side}` has a shape, -1 where it is open"):
                shapes = [list(tensor.shape) for tensor in getattr(said, side)]
                need(shapes and all(size >= -1 for shape in shapes for size in shape), f"shapes are {shapes}")
        with check("ModelReady: ready"):
            need(self.ask("ModelReady", name=self.model).ready, "it is not")

    def message(self, request: Mapping[str, Any], *, raw: bool = False, **fields: Any) -> Any:
        """An inference request, with typed or raw contents."""
        message = self.protocol.ModelInferRequest(model_name=self.model, **fields)
        for tensor in request["inputs"]:
            kind, values = tensor["datatype"], flat(tensor["data"])
            given = message.inputs.add(name=tensor["name"], datatype=kind, shape=tensor["shape"])
            field = DATATYPES[kind][2]
            if raw or field is None:
                message.raw_input_contents.append(packed(kind, values))
            else:
                typed = [value.encode() for value in values] if kind == "BYTES" else values
                getattr(given.contents, field).extend(typed)
        return message

    def contents(self, answer: Any) -> dict[str, bytes]:
        """The values of every output as raw contents, whichever way they came."""
        found = {}
        for index, output in enumerate(answer.outputs):
            if answer.raw_output_contents:
                found[output.name] = answer.raw_output_contents[index]
                continue
            field = DATATYPES[output.datatype][2]
            need(field is not None, f"{output.datatype} has to come raw")
            found[output.name] = packed(output.datatype, list(getattr(output.contents, str(field))))
        return found

    def _inference(self) -> None:
        check = self.checks.check
        with check("ModelInfer: typed contents are answered"):
            self.typed = self.send("ModelInfer", self.message(self.request, id="42"))
        said = self.typed
        known = {tensor.name: tensor for tensor in self.metadata.outputs} if self.metadata is not None else {}
        with check("ModelInfer: `model_name` is the model's"):
            need(said.model_name == self.model, f"is {said.model_name!r}")
        with check("ModelInfer: `model_version` is one of the metadata's, where it is given"):
            given = said.model_version
            need(given == "" or given in (self.metadata.versions or [given]), f"is {given!r}")
        with check("ModelInfer: `id` is the request's"):
            need(said.id == "42", f"is {said.id!r}")
        with check("ModelInfer: without `outputs` in the request all of the metadata's are returned"):
            names = {output.name for output in said.outputs}
            need(known and names == set(known), f"{sorted(names)} in place of {sorted(known)}")
        with check("ModelInfer: every output has the datatype of the metadata"):
            need(said.outputs and all(one.datatype == known[one.name].datatype for one in said.outputs), "it has not")
        with check("ModelInfer: contents are typed or raw, not both"):
            typed = [one.name for one in said.outputs if one.HasField("contents")]
            need(said.outputs and not (typed and said.raw_output_contents), f"both: {typed}")
        with check("ModelInfer: every output has as many values as its shape says"):
            for output in said.outputs:
                field = DATATYPES[output.datatype][2]
                if field and not said.raw_output_contents:
                    count = len(getattr(output.contents, field))
                    need(count == size_of(output.shape), f"{output.name}: {count} for shape {list(output.shape)}")
            need(said.outputs, "no outputs")
        with check("ModelInfer: raw contents are answered"):
            raw = self.send("ModelInfer", self.message(self.request, raw=True))
        with check("ModelInfer: raw and typed contents get the same outputs"):
            need({one.name for one in raw.outputs} == {one.name for one in said.outputs}, "they do not")
            need(
                {one.name: list(one.shape) for one in raw.outputs}
                == {one.name: list(one.shape) for one in said.outputs},
                "shapes",
            )
        with check("ModelInfer: raw outputs have the size of their shape and datatype"):
            for name, content in self.contents(raw).items():
                output = next(one for one in raw.outputs if one.name == name)
                if output.datatype != "BYTES":
                    size = len(packed(output.datatype, [0] * size_of(output.shape)))
                    need(len(content) == size, f"{name} has {len(content)} bytes, not {size}")
        self._versions()
        self._variants(known)

    def _versions(self) -> None:
        """Versions are optional: they are checked where the metadata or an answer names one."""
        check = self.checks.check
        named = [*self.metadata.versions, self.typed.model_version if self.typed is not None else ""]
        version = next(filter(None, named), None)
        if version is None:
            return
        with check("ModelReady: a version by name is ready"):
            need(self.ask("ModelReady", name=self.model, version=version).ready, "it is not")
        with check("ModelMetadata: of a version by name is answered"):
            need(self.ask("ModelMetadata", name=self.model, version=version).name == self.model, "of another")
        with check("ModelInfer: of a version by name is answered"):
            self.send("ModelInfer", self.message(self.request, model_version=version))

    def _variants(self, known: Mapping[str, Any]) -> None:
        check = self.checks.check
        with check("ModelInfer: an output that is asked for is returned, and no other one"):
            first = next(iter(known))
            answer = self.send("ModelInfer", self.message(self.request, outputs=[{"name": first}]))
            need([one.name for one in answer.outputs] == [first], f"returns {[one.name for one in answer.outputs]}")
        with check("ModelInfer: two rows get two answers"):
            answer = self.send("ModelInfer", self.message(repeated(self.request, 2)))
            before = {one.name: one.shape[0] for one in self.typed.outputs}
            need(all(one.shape[0] == 2 * before[one.name] for one in answer.outputs), "they do not")
        with check("ModelInfer: parameters of every kind are no error"):
            kinds = {"bool_param": True, "int64_param": 7, "string_param": "x", "double_param": 0.5, "uint64_param": 8}
            message = self.message(self.request)
            for name, value in kinds.items():
                setattr(message.parameters[name], name, value)
            self.send("ModelInfer", message)
        with check("ModelInfer: parameters of an input are no error"):
            message = self.message(self.request)
            message.inputs[0].parameters["anything"].string_param = "text"
            self.send("ModelInfer", message)

    def _errors(self) -> None:
        both = self.message(self.request, raw=True)
        both.inputs[0].contents.bytes_contents.append(b"x")
        fewer = self.message(self.request, raw=True)
        fewer.raw_input_contents.append(b"1234")
        shape = self.message(self.request)
        shape.inputs[0].shape[0] = 7
        unknown_input = self.message(self.request)
        unknown_input.inputs[0].name = "no_such_input"
        wrong_type = self.message(self.request)
        wrong_type.inputs[0].datatype = "COMPLEX64"
        other_model = self.message(self.request)
        other_model.model_name = UNKNOWN
        calls = {
            "ModelMetadata of an unknown model": ("ModelMetadata", self.protocol.ModelMetadataRequest(name=UNKNOWN)),
            "ModelMetadata without a name": ("ModelMetadata", self.protocol.ModelMetadataRequest()),
            "ModelInfer of an unknown model": ("ModelInfer", other_model),
            "ModelInfer of an unknown version": ("ModelInfer", self.message(self.request, model_version="no-such")),
            "ModelInfer without inputs": ("ModelInfer", self.protocol.ModelInferRequest(model_name=self.model)),
            "ModelInfer with typed and raw contents": ("ModelInfer", both),
            "ModelInfer with more raw contents than inputs": ("ModelInfer", fewer),
            "ModelInfer with more values in the shape than in the contents": ("ModelInfer", shape),
            "ModelInfer with an input that the model does not have": ("ModelInfer", unknown_input),
            "ModelInfer with a datatype that is none of the protocol's": ("ModelInfer", wrong_type),
            "ModelInfer with an output that the model does not have": (
                "ModelInfer",
                self.message(self.request, outputs=[{"name": "no_such_output"}]),
            ),
        }
        for what, (method, message) in calls.items():
            with self.checks.check(f"{what} ends with a status that says whose fault it is"):
                status, _ = self._refused(method, message)
                need(status in REFUSALS, f"ends with {status}")
            with self.checks.check(f"{what}: the status has a message"):
                _, details = self._refused(method, message)
                need(details, "it has none")
        with self.checks.check("ModelReady of an unknown model is not ready, or refused"):
            try:
                need(not self.ask("ModelReady", name=UNKNOWN).ready, "it is ready")
            except grpc.RpcError as error:
                need(error.code().name in REFUSALS, f"ends with {error.code().name}")
        with self.checks.check("a method that the service does not have is UNIMPLEMENTED"):
            try:
                self.channel.unary_unary(f"/{INFERENCE_SERVICE}/NoSuchMethod")(b"", timeout=30)
                need(False, "it is answered")
            except grpc.RpcError as error:
                need(error.code().name == "UNIMPLEMENTED", f"ends with {error.code().name}")
        with self.checks.check("after all these errors the model answers as before"):
            need(self.send("ModelInfer", self.message(self.request, id="42")).id == "42", "it does not")

    def _refused(self, method: str, message: Any) -> tuple[str, str]:
        try:
            self.send(method, message)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        need(False, "it is answered")
        return "", ""
