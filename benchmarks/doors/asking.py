"""Events through one door after the other, and the scores that come back.

Belongs here: one function for each door, from request bodies of `score` to scores. Does not belong here: comparing them (`topic.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.common.deployed import DeployedUseCase
from benchmarks.doors.batch_and_stream import by_batch, by_stream
from benchmarks.doors.scores import Scores, score_of
from platform_assets.declaration import UseCase
from serving.doors.tensors import BYTES, inputs_of, packed

Ask = Callable[[DeployedUseCase, Sequence[bytes], int], Scores]
SECONDS = 60.0


def by_rest(installation: DeployedUseCase, bodies: Sequence[bytes], rows: int) -> Scores:
    """`score`, one event at a time."""
    address, use_case = installation.target.address(), installation.use_case
    import httpx

    scores = []
    with httpx.Client(base_url=address, trust_env=False, timeout=SECONDS) as client:
        for body in bodies:
            headers = {"content-type": "application/json"}
            answer = client.post(f"/v1/{use_case.name}/score", content=body, headers=headers).raise_for_status().json()
            scores.append(score_of(answer))
    return np.array(scores)


def by_open_inference(installation: DeployedUseCase, bodies: Sequence[bytes], rows: int) -> Scores:
    """The Open Inference Protocol over REST, in JSON, so many rows at a time."""
    address, use_case = installation.target.address(), installation.use_case
    import httpx

    scores: list[float] = []
    with httpx.Client(base_url=address, trust_env=False, timeout=SECONDS) as client:
        for events in _parts(bodies, rows):
            inputs = [
                {"name": name, "datatype": kind, "shape": [len(events)], "data": values}
                for name, kind, values in columns(use_case, events)
            ]
            answer = client.post(f"/v2/models/{use_case.name}/infer", json={"inputs": inputs}).raise_for_status()
            scores += answer.json()["outputs"][0]["data"]
    return np.array(scores)


def by_open_inference_grpc(installation: DeployedUseCase, bodies: Sequence[bytes], rows: int) -> Scores:
    """The Open Inference Protocol over gRPC, in raw tensors, so many rows at a time."""
    address, use_case = installation.target.address(), installation.use_case
    import grpc

    from serving.doors.grpc.protocol import INFERENCE_SERVICE, OPEN_INFERENCE, compile_proto

    protocol = compile_proto(OPEN_INFERENCE)
    scores: list[float] = []
    with grpc.insecure_channel(address.removeprefix("http://")) as channel:
        infer = channel.unary_unary(
            f"/{INFERENCE_SERVICE}/ModelInfer",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=protocol.ModelInferResponse.FromString,
        )
        for events in _parts(bodies, rows):
            request = protocol.ModelInferRequest(model_name=use_case.name, outputs=[{"name": "score"}])
            for name, kind, values in columns(use_case, events):
                request.inputs.add(name=name, datatype=kind, shape=[len(events)])
                request.raw_input_contents.append(packed(kind, values))
            (content,) = infer(request, timeout=SECONDS).raw_output_contents
            scores += np.frombuffer(content, "<f8").tolist()
    return np.array(scores)


def by_typed_grpc(installation: DeployedUseCase, bodies: Sequence[bytes], rows: int) -> Scores:
    """The typed service, one event at a time."""
    address, use_case = installation.target.address(), installation.use_case
    import grpc

    from serving.doors.grpc.protocol import compile_proto
    from serving.doors.proto import METHOD, render_proto, service_of

    messages = compile_proto(render_proto(use_case))
    scores = []
    with grpc.insecure_channel(address.removeprefix("http://")) as channel:
        call = channel.unary_unary(
            f"/{service_of(use_case.name)}/{METHOD}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.ScoreResponse.FromString,
        )
        for body in bodies:
            event = {name: value for name, value in json.loads(body).items() if value is not None}
            answer = call(messages.ScoreRequest(**event), timeout=SECONDS)
            # A field that was given is listed even where it is zero.
            scores.append(score_of({field.name: value for field, value in answer.ListFields()}))
    return np.array(scores)


DOORS: Mapping[str, Ask] = {
    "REST": by_rest,
    "Open Inference Protocol, REST": by_open_inference,
    "Open Inference Protocol, gRPC": by_open_inference_grpc,
    "typed gRPC": by_typed_grpc,
    "batch": by_batch,
    "stream": by_stream,
}


def columns(use_case: UseCase, events: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, list[Any]]]:
    """Name, datatype and values of each input; what is missing in every event is left out."""
    for name, tensor in inputs_of(use_case).items():
        values = [event.get(name) for event in events]
        if any(value is not None for value in values):
            yield name, tensor.datatype, [str(value) if tensor.datatype == BYTES else value for value in values]


def _parts(bodies: Sequence[bytes], rows: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(bodies), rows):
        yield [json.loads(body) for body in bodies[start : start + rows]]
