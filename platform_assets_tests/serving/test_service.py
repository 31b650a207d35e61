"""The real service: a built Bento in a process of its own, asked over HTTP."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from platform_assets.declaration import EVENT_DAY, feature_contract_hash
from platform_assets.declaration.hash_chain import CHAIN
from platform_assets.declaration.prediction_log import prediction_log_schema
from platform_assets.deployment.packaging import (
    BuiltBento,
    SelfTestError,
    build_bento,
    find_bento,
    probe,
    self_test,
)
from platform_assets.training import artifact
from platform_assets_tests.serving.conftest import Service
from platform_assets_tests.serving.parking import EVENT, release_info, use_case
from serving.release import SelfTestRow
from serving.settings import ServingSettings


def settings(folder: Path) -> ServingSettings:
    return ServingSettings(feast={}, log_folder=folder / "log")


def test_a_scored_event_is_answered_and_logged_with_what_it_was_made_from(running_service: Service) -> None:
    answer = running_service.score(EVENT | {"lot": 100}, x_request_id="first")
    assert answer.status == 200
    assert answer.body["decision"] in ("stop", "open")
    assert answer.body["unknown_entities"] == ["lot"]
    running_service.eventually(lambda: any(line["caller_request_id"] == "first" for line in running_service.logged()))
    line = next(line for line in running_service.logged() if line["caller_request_id"] == "first")
    assert [*line, EVENT_DAY] == [*list(prediction_log_schema(use_case()))[:-1], CHAIN, EVENT_DAY]
    assert line["score"] == answer.body["probability"]
    assert line["feature__kmh"] == EVENT["speed"]
    assert line["release"] == running_service.call("/v1/parking/release").body["release"]
    assert line["feature_contract"] == feature_contract_hash(use_case())


def test_the_next_request_of_an_entity_sees_the_last(running_service: Service) -> None:
    first = EVENT | {"arrival": "A", "lot": 200}
    running_service.score(first)
    recorded = running_service.folder / "recorded.jsonl"
    running_service.eventually(lambda: '"A"' in recorded.read_text())
    running_service.score(EVENT | {"arrival": "B", "lot": 200}, x_request_id="second")
    running_service.eventually(lambda: any(line["caller_request_id"] == "second" for line in running_service.logged()))
    line = next(line for line in running_service.logged() if line["caller_request_id"] == "second")
    assert line["feature__lot_count_1d"] == 2
    assert line["unknown_entities"] == ""


def test_a_wrong_request_names_the_field_and_leaves_no_trace(running_service: Service) -> None:
    before = len(running_service.logged())
    for wrong in (EVENT | {"speed": -1}, EVENT | {"colour": "red"}, {}, b"{", b"\x00"):
        answer = running_service.score(wrong)
        assert 400 <= answer.status < 500
        assert answer.body["problems"][0]["reason"]
        assert "Traceback" not in json.dumps(answer.body)
    running_service.score(EVENT | {"arrival": "after", "lot": 300})
    running_service.eventually(lambda: len(running_service.logged()) == before + 1)


def test_an_unreachable_store_is_a_503_and_the_service_stays_up(running_service: Service) -> None:
    down = running_service.folder / "down"
    name = 'platform_assets_store_failures_total{operation="read",use_case="parking"}'
    before = running_service.metrics()[name]
    down.touch()
    try:
        answer = running_service.score(EVENT)
        assert answer.status == 503
        assert "online store" in answer.body["error"]
        assert running_service.call("/readyz").status == 200
    finally:
        down.unlink()
    assert running_service.score(EVENT).status == 200
    assert running_service.metrics()[name] == before + 1


def test_metrics_count_requests_and_decisions_but_not_made_up_paths(running_service: Service) -> None:
    running_service.score(EVENT)
    for path in ("/wp-admin", "/v1/parking/other", "/static_content/../x"):
        assert running_service.call(path).status == 404
    metrics = running_service.metrics()
    assert any(name.startswith("platform_assets_prediction_seconds_bucket") for name in metrics)
    assert sum(value for name, value in metrics.items() if name.startswith("platform_assets_decisions_total")) > 0
    requests = [name for name in metrics if name.startswith("bentoml_service_request_total")]
    assert any('endpoint="/v1/parking/score"' in name and 'http_response_code="200"' in name for name in requests)
    assert not any("wp-admin" in name or "other" in name for name in metrics)
    assert metrics["process_resident_memory_bytes"] > 0


def test_a_service_that_was_killed_goes_on_counting(bento: BuiltBento, tmp_path: Path) -> None:
    def logged(service: Service) -> float:
        lines = "platform_assets_prediction_log_lines_total"
        return sum(value for name, value in service.metrics().items() if name.startswith(lines))

    first = Service(bento, tmp_path).wait_until_ready()
    try:
        for _ in range(3):
            assert first.score(EVENT).status == 200
        first.eventually(lambda: logged(first) == 3)
    finally:
        first.stop(signal.SIGKILL)
    second = Service(bento, tmp_path).wait_until_ready()
    try:
        before = second.metrics()
        asked = [value for name, value in before.items() if "request_total{" in name and '/score"' in name]
        assert asked == [3], "what the process before was asked is there before anybody asks this one"
        second.score(EVENT)
        second.eventually(lambda: logged(second) == 4)
    finally:
        second.stop()


def test_the_docs_show_the_real_request(running_service: Service) -> None:
    docs = running_service.call("/docs.json").body
    operation = docs["paths"]["/v1/parking/score"]["post"]
    assert (
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/ScoreRequest"
    )
    model = docs["components"]["schemas"]["ScoreRequest"]
    assert list(model["properties"]) == list(use_case().serving.request)
    assert model["properties"]["speed"]["maximum"] == 200
    assert model["properties"]["gate"]["enum"] == ["north", "south"]
    assert model["required"] == ["arrival", "arrived_at", "lot", "speed", "gate"]
    assert running_service.score(model["example"]).status == 200
    assert running_service.call("/").status == 200


def test_what_runs_is_what_was_packed_and_only_what_is_required(running_service: Service, bento: BuiltBento) -> None:
    assert running_service.call("/v1/parking/release").body["release"] == bento.digest
    required = (bento.code_folder / "requirements.txt").read_text()
    assert "xgboost-cpu==" in required
    assert "torch" not in required
    assert "dagster" not in required


def test_a_stop_finishes_the_log(bento: BuiltBento, tmp_path: Path) -> None:
    service = Service(bento, tmp_path).wait_until_ready()
    ids = [service.score(EVENT | {"arrival": f"T-{number}"}).body["request_id"] for number in range(50)]
    service.stop(signal.SIGTERM)
    assert [line["request_id"] for line in service.logged()] == ids
    assert len((tmp_path / "recorded.jsonl").read_text().splitlines()) == 50


def test_another_release_than_expected_is_refused_at_start(bento: BuiltBento, tmp_path: Path) -> None:
    other = BuiltBento(bento.tag, bento.path, "sha256:" + "0" * 64, bento.size_bytes)
    said = Service(other, tmp_path).refusal()
    assert "was to be started" in said
    assert "Traceback" not in said


def test_the_same_inputs_are_built_once(bento: BuiltBento, bento_home: Path, model_folder: Path) -> None:
    again = build_bento(use_case(), model_folder, release_info(artifact.load(model_folder)), bento_home)
    assert again.digest == bento.digest
    assert again.path == bento.path
    assert again.reused
    assert not bento.reused
    assert find_bento(use_case(), bento.digest, bento_home) == again


def test_the_self_test_starts_the_bento_and_finds_the_model_s_own_scores(bento: BuiltBento, tmp_path: Path) -> None:
    result = self_test(bento, settings(tmp_path))
    assert result.rows == 5
    assert result.max_difference <= 1e-6
    assert result.resident_bytes > 0
    assert not (tmp_path / "log").exists()


def test_the_self_test_is_red_when_the_answers_are_not_the_model_s(bento: BuiltBento, running_service: Service) -> None:
    probe(bento)(running_service.address)
    rows = release_info(artifact.load(bento.code_folder / "release" / "model")).self_test
    wrong: list[Any] = [*rows, SelfTestRow(features=rows[0].features, score=rows[0].score + 2e-6)]
    from platform_assets.deployment.packaging.self_test import compare

    with pytest.raises(SelfTestError, match="1 of 6 rows differ"):
        compare(running_service.address, "parking", wrong)
    with pytest.raises(SelfTestError, match="no self-test rows"):
        compare(running_service.address, "parking", [])


def test_a_caller_that_goes_away_leaves_no_traceback_and_no_500(running_service: Service) -> None:
    """In the middle of its body, and right after it: the first is not scored, the second is, and logged."""
    before = {name: value for name, value in running_service.metrics().items() if 'http_response_code="500"' in name}
    body = json.dumps(EVENT | {"arrival": "gone", "lot": 900}).encode()
    head = f"POST /v1/parking/score HTTP/1.1\r\nhost: x\r\nx-request-id: gone\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    for sent in (head + body[:20], head + body):
        with socket.create_connection(("127.0.0.1", running_service.port), 5) as caller:
            caller.sendall(sent)
    running_service.eventually(lambda: any(line["caller_request_id"] == "gone" for line in running_service.logged()))
    name = 'platform_assets_refused_requests_total{status="499",use_case="parking"}'
    running_service.eventually(lambda: running_service.metrics()[name] == 1)
    after = {name: value for name, value in running_service.metrics().items() if 'http_response_code="500"' in name}
    assert before == after
    assert "Traceback" not in running_service.output.read_text()
    assert sum(line["caller_request_id"] == "gone" for line in running_service.logged()) == 1
