"""gRPC in front of the real service: the same bits as REST, and errors with the status that gRPC has for them."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from platform_assets.deployment.packaging.build import ROOT
from platform_assets.deployment.packaging.self_test import free_port
from platform_assets_tests.serving.conftest import Service
from platform_assets_tests.serving.parking import EVENT, use_case
from platform_assets_tests.serving.test_doors import events
from serving.doors.grpc.protocol import INFERENCE_SERVICE, OPEN_INFERENCE, compile_proto
from serving.doors.proto import render_proto, service_of
from serving.doors.tensors import inputs_of, packed

PROTOCOL = compile_proto(OPEN_INFERENCE)
TYPED = compile_proto(render_proto(use_case()))
CONTENTS = {
    "BYTES": "bytes_contents",
    "INT32": "int_contents",
    "FP64": "fp64_contents",
    "BOOL": "bool_contents",
}


@pytest.fixture(scope="module")
def door(running_service: Service) -> Iterator[grpc.Channel]:
    """A channel to the door in front of the service."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "serving.doors.grpc", "--upstream", running_service.address, "--listen", address]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(60)
            yield channel
    finally:
        process.terminate()
        assert process.wait(30) == 0


def ask(door: grpc.Channel, method: str, request: Any, **options: Any) -> Any:
    answer = PROTOCOL.messages[f"{method}Response"]
    call = door.unary_unary(
        f"/{INFERENCE_SERVICE}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer.FromString,
    )
    return call(request, timeout=20, **options)


def score(door: grpc.Channel, event: dict[str, Any], **options: Any) -> Any:
    call = door.unary_unary(
        f"/{service_of('parking')}/Score",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=TYPED.ScoreResponse.FromString,
    )
    return call(TYPED.ScoreRequest(**event), timeout=20, **options)


def infer(rows: list[dict[str, Any]], *, raw: bool, **more: Any) -> Any:
    request = PROTOCOL.ModelInferRequest(model_name="parking", **more)
    for name, tensor in inputs_of(use_case()).items():
        values = [row[name] for row in rows]
        given = request.inputs.add(name=name, datatype=tensor.datatype, shape=[len(rows)])
        if raw:
            request.raw_input_contents.append(packed(tensor.datatype, values))
        else:
            typed = [value.encode() for value in values] if tensor.datatype == "BYTES" else values
            getattr(given.contents, CONTENTS[tensor.datatype]).extend(typed)
    return request


def test_every_door_gives_the_same_bits(running_service: Service, door: grpc.Channel) -> None:
    expected = [running_service.score(event).body["probability"] for event in events(10_000)]
    typed = ask(door, "ModelInfer", infer(events(11_000), raw=False, id="typed"))
    assert list(typed.outputs[0].contents.fp64_contents) == expected
    assert (typed.model_name, typed.model_version, typed.id) == ("parking", "3", "typed")
    assert {output.name for output in typed.outputs} == {"score", "decision", "unknown_entities", "fallback"}
    raw = ask(door, "ModelInfer", infer(events(12_000), raw=True, outputs=[{"name": "score"}]))
    assert raw.raw_output_contents[0] == packed("FP64", expected)
    assert [score(door, event).probability for event in events(13_000)] == expected
    lines = {line["caller_request_id"] for line in running_service.logged()}
    assert {f"typed.{n}" for n in range(20)} <= lines


def test_health_and_metadata(door: grpc.Channel) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    assert ask(door, "ServerLive", PROTOCOL.ServerLiveRequest()).live
    assert ask(door, "ModelReady", PROTOCOL.ModelReadyRequest(name="parking")).ready
    assert ask(door, "ModelReady", PROTOCOL.ModelReadyRequest(name="parking", version="3")).ready
    assert ask(door, "ServerMetadata", PROTOCOL.ServerMetadataRequest()).name == "platform-assets"
    model = ask(door, "ModelMetadata", PROTOCOL.ModelMetadataRequest(name="parking"))
    assert [(tensor.name, list(tensor.shape)) for tensor in model.inputs] == [(name, [-1]) for name in EVENT]
    checked = health_pb2_grpc.HealthStub(door).Check(health_pb2.HealthCheckRequest(service=INFERENCE_SERVICE))
    assert checked.status == health_pb2.HealthCheckResponse.SERVING


def both_contents() -> Any:
    request = infer([EVENT], raw=True)
    request.inputs[0].contents.bytes_contents.append(b"x")
    return request


def other_contents() -> Any:
    request = infer([EVENT], raw=False)
    request.inputs[2].contents.Clear()
    request.inputs[2].contents.int64_contents.append(7)
    return request


@pytest.mark.parametrize(
    ("method", "request_", "status", "words"),
    [
        ("ModelReady", PROTOCOL.ModelReadyRequest(name="parking", version="9"), "NOT_FOUND", "version '3', not '9'"),
        ("ModelReady", PROTOCOL.ModelReadyRequest(), "INVALID_ARGUMENT", "no model name"),
        ("ModelMetadata", PROTOCOL.ModelMetadataRequest(name="../x"), "NOT_FOUND", "no such path"),
        ("ModelInfer", PROTOCOL.ModelInferRequest(model_name="parking"), "INVALID_ARGUMENT", "needs `inputs`"),
        ("ModelInfer", infer([EVENT | {"speed": -1.0}], raw=True), "INVALID_ARGUMENT", "row 0"),
        ("ModelInfer", infer([EVENT], raw=True, model_version="9"), "NOT_FOUND", "version '3', not '9'"),
        ("ModelInfer", infer([EVENT], raw=True, outputs=[{"name": "x"}]), "INVALID_ARGUMENT", "no output 'x'"),
        ("ModelInfer", both_contents(), "INVALID_ARGUMENT", "only one is taken"),
        ("ModelInfer", other_contents(), "INVALID_ARGUMENT", "in int_contents, not int64_contents"),
    ],
)
def test_errors_have_their_status(door: grpc.Channel, method: str, request_: Any, status: str, words: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ask(door, method, request_)
    assert (caught.value.code().name, words in caught.value.details()) == (status, True), caught.value.details()


def test_a_typed_request_is_checked_as_one_of_rest(running_service: Service, door: grpc.Channel) -> None:
    for event, words in (
        ({name: value for name, value in EVENT.items() if name != "lot"}, "lot: Field required"),
        (EVENT | {"gate": "east"}, "gate: Input should be"),
        (EVENT | {"speed": float("nan")}, "speed: Input should be a finite number"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            score(door, event)
        assert (caught.value.code().name, words in caught.value.details()) == ("INVALID_ARGUMENT", True)
    newer = compile_proto(
        render_proto(use_case()).replace("electric = 6;", "electric = 6;\n  optional string colour = 7;")
    )
    message = newer.ScoreRequest(**EVENT, colour="red").SerializeToString()
    with pytest.raises(grpc.RpcError, match="no field 7"):
        door.unary_unary(f"/{service_of('parking')}/Score")(message, timeout=20)
    for path, status in (
        ("/platform_assets.other.v1.Scoring/Score", "NOT_FOUND"),
        ("/platform_assets.parking.v1.Scoring/Fly", "UNIMPLEMENTED"),
        (f"/{INFERENCE_SERVICE}/ModelFly", "UNIMPLEMENTED"),
    ):
        with pytest.raises(grpc.RpcError) as unknown:
            door.unary_unary(path)(b"", timeout=20)
        assert unknown.value.code().name == status


def test_ids_and_trouble_go_through(running_service: Service, door: grpc.Channel) -> None:
    assert score(door, EVENT | {"lot": 14_000}, metadata=(("x-request-id", "from-grpc"),)).request_id == "from-grpc"
    down = running_service.folder / "down"
    down.touch()
    try:
        with pytest.raises(grpc.RpcError) as caught:
            score(door, EVENT)
    finally:
        down.unlink()
    assert caught.value.code().name == "UNAVAILABLE"
    assert ("retry-after", "1") in [(item.key, item.value) for item in caught.value.trailing_metadata()]
    assert caught.value.details().startswith("the online store does not answer")
