"""The other doors of the real service: the Open Inference Protocol over REST, and pages below the use case."""

import json
import struct
from typing import Any

import httpx
import pytest

from platform_assets_tests.serving.conftest import Service
from platform_assets_tests.serving.parking import EVENT, use_case
from serving.doors.proto import render_proto
from serving.doors.tensors import inputs_of, packed

MODEL = "/v1/parking/v2/models/parking"


def tensors(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": tensor.datatype, "shape": [len(events)], "data": [event[name] for event in events]}
        for name, tensor in inputs_of(use_case()).items()
    ]


def events(first_lot: int, count: int = 20) -> list[dict[str, Any]]:
    """Of a lot each, so that none has a history."""
    return [EVENT | {"arrival": f"d{n}", "lot": first_lot + n, "speed": 0.1 + n * 4.7} for n in range(count)]


def test_rows_are_scored_and_logged_as_by_score(running_service: Service) -> None:
    scores = [running_service.score(event).body["probability"] for event in events(5_000)]
    answer = running_service.call(f"{MODEL}/infer", {"id": "row", "inputs": tensors(events(6_000))})
    assert answer.status == 200
    assert (answer.body["model_name"], answer.body["model_version"], answer.body["id"]) == ("parking", "3", "row")
    outputs = {output["name"]: output["data"] for output in answer.body["outputs"]}
    assert outputs["score"] == scores
    assert set(outputs["unknown_entities"]) == {"lot"}
    lines = {line["caller_request_id"]: line for line in running_service.logged()}
    assert [lines[f"row.{n}"]["score"] for n in range(20)] == scores
    again = EVENT | {"lot": 6_000}
    running_service.eventually(lambda: "unknown_entities" not in running_service.score(again).body)


def test_binary_tensors_are_taken_and_given(running_service: Service) -> None:
    rows = events(7_000, 2)
    given = tensors(rows)
    blobs = [packed(tensor["datatype"], tensor.pop("data")) for tensor in given]
    for tensor, blob in zip(given, blobs, strict=True):
        tensor["parameters"] = {"binary_data_size": len(blob)}
    head = json.dumps({"inputs": given, "outputs": [{"name": "score", "parameters": {"binary_data": True}}]}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    url = f"{running_service.address}{MODEL}/infer"
    answer = httpx.post(url, content=head + b"".join(blobs), headers=headers, trust_env=False)
    assert answer.status_code == 200
    expected = [running_service.score(event | {"lot": event["lot"] + 500}).body["probability"] for event in rows]
    length = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.content[:length])["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert list(struct.unpack("<2d", answer.content[length:])) == expected


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v2", 200, {"name": "platform-assets", "version": "abc", "extensions": ["binary_tensor_data"]}),
        ("/v2/health/live", 200, {"live": True}),
        ("/v2/health/ready", 200, {"ready": True}),
        ("/v2/models/parking/ready", 200, {"name": "parking", "ready": True}),
        ("/v2/models/parking/versions/3/ready", 200, {"name": "parking", "ready": True}),
    ],
)
def test_health_and_metadata(running_service: Service, path: str, status: int, body: Any) -> None:
    answer = running_service.call(f"/v1/parking{path}")
    assert (answer.status, answer.body) == (status, body)


def test_errors_are_the_protocol_s(running_service: Service) -> None:
    before = len(running_service.logged())
    for path, body, status, words in (
        (f"{MODEL}/infer", {"inputs": []}, 400, "needs `inputs`"),
        (f"{MODEL}/infer", b"{", 400, "not JSON"),
        (
            f"{MODEL}/infer",
            {"inputs": tensors([EVENT, EVENT | {"speed": -1}])},
            400,
            "row 1: the request is not usable",
        ),
        (f"{MODEL}/infer", {"inputs": tensors([EVENT]), "outputs": [{"name": "x"}]}, 400, "no output 'x'"),
        (f"{MODEL}/versions/9/infer", {"inputs": []}, 404, "version '3', not '9'"),
        ("/v1/parking/v2/models/other/infer", {"inputs": []}, 404, "no model 'other'"),
        ("/v1/parking/v2/models/parking/fly", {"inputs": []}, 404, "/v1/parking/docs.json"),
    ):
        answer = running_service.call(path, body)
        assert (answer.status, words in answer.body["error"]) == (status, True), answer.body
    assert len(running_service.logged()) == before


def test_every_documented_path_answers_and_the_pages_load(running_service: Service) -> None:
    documented = running_service.call("/v1/parking/docs.json").body["paths"]
    assert {"/v1/parking/metrics", "/v1/parking/readyz", "/v1/parking/score"} <= set(documented)
    for path, operations in documented.items():
        assert path.startswith("/v1/parking/")
        answer = running_service.call(path, {} if "post" in operations else None)
        assert answer.status not in (404, 405), path
    page = running_service.call("/v1/parking/docs").body
    assert "googletagmanager" not in page
    for part in page.split('"./')[1:]:
        assert running_service.call("/v1/parking/" + part.partition('"')[0]).status == 200
    assert running_service.call("/v1/parking/scoring.proto").body == render_proto(use_case())
