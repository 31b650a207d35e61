"""The routes, without a server: statuses, bodies, and what is remembered of a request."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from platform_assets.declaration.names import ARM_HEADER, SHADOW_HEADER
from platform_assets.declaration.prediction_log import SEGMENT_SUFFIX
from platform_assets.features.clock_skew import LONGEST_CLOCK_SKEW_SECONDS
from platform_assets.features.errors import FeatureError, FunctionFailed, StateError
from platform_assets_tests.serving.fake_online_store import FakeStore, Vector
from platform_assets_tests.serving.parking import DECLARATION, EVENT, make_model, release_info, use_case
from serving.app import make_app
from serving.background import Background
from serving.metrics import ServiceMetrics
from serving.prediction_log import PredictionLog
from serving.release import read_release, write_release
from serving.runtime import Runtime
from serving.scoring import Scorer
from serving.settings import ServingSettings

DIGEST = "sha256:" + "cd" * 32
SCORE = "/v1/parking/score"


class Client:
    """Calls an application in this process."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://service") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)


class Served:
    """A client of the application, and what lies behind it."""

    def __init__(self, folder: Path, **serving: Any) -> None:
        predictor = make_model(folder / "model", kind="xgboost")
        declared = use_case(serving=DECLARATION["serving"] | serving)
        write_release(folder / "release", declared, folder / "model", release_info(predictor))
        release = read_release(folder / "release")
        settings = ServingSettings(feast={}, log_folder=folder / "log", body_limit_bytes=2048)
        self.folder, self.registry, self.store = folder, CollectorRegistry(), FakeStore(folder)
        self.predictor = predictor
        self.runtime = Runtime(
            release=release,
            digest=DIGEST,
            settings=settings,
            scorer=Scorer(release.use_case, release.info, DIGEST, predictor, self.store),
            online=self.store,
            log=PredictionLog(settings.log_folder, DIGEST, settings.log_segment_bytes),
            metrics=ServiceMetrics(release.use_case, DIGEST, "3", self.registry),
            record_queue=Background("record", 100),
        )
        self.app = make_app(release.use_case)
        self.app.state.runtime = self.runtime
        self.client = Client(self.app)

    def logged(self) -> list[dict[str, Any]]:
        self.runtime.close()
        segments = (self.folder / "log").glob(f"*{SEGMENT_SUFFIX}")
        return [json.loads(line) for path in segments for line in path.read_text().splitlines()]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"platform_assets_{name}", labels | {"use_case": "parking"})


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_an_event_gets_score_decision_version_and_id(served: Served) -> None:
    response = served.client.post(SCORE, json=EVENT, headers={"x-request-id": "mine"})
    assert response.status_code == 200
    answer = response.json()
    assert answer == {
        "probability": answer["probability"],
        "decision": "open" if answer["probability"] < 0.5 else "stop",
        "model_version": "3",
        "request_id": "mine",
        "unknown_entities": ["lot"],
    }
    logged = served.logged()
    assert len(logged) == 1
    assert logged[0]["score"] == answer["probability"]
    assert logged[0]["caller_request_id"] == "mine"
    assert response.headers["x-request-id"] == "mine"
    assert served.metric("decisions_total", decision=answer["decision"]) == 1
    assert served.metric("unknown_entities_total", entity="lot") == 1
    assert served.metric("prediction_seconds_count") == 1


def test_a_copy_for_a_version_in_shadow_is_logged_and_leaves_no_other_trace(served: Served) -> None:
    response = served.client.post(SCORE, json=EVENT, headers={"x-request-id": "mine", SHADOW_HEADER: "1"})
    assert response.status_code == 200
    again = served.client.post(SCORE, json=EVENT, headers={"x-request-id": "mine"})
    wrong = served.client.post(SCORE, json=EVENT | {"speed": -1}, headers={SHADOW_HEADER: "1"})
    assert wrong.status_code == 422
    assert again.json() == response.json(), "the live answer does not see the shadow's event"
    lines = served.logged()
    assert [(line["role"], line["caller_request_id"]) for line in lines] == [("shadow", "mine"), ("live", "mine")]
    same = {"score", "decision", "feature__count", "unknown_entities"} & set(lines[0])
    assert [lines[0][name] for name in same] == [lines[1][name] for name in same]
    assert (served.folder / "recorded.jsonl").read_text().count("\n") == 1
    assert served.metric("prediction_seconds_count") == 1
    assert served.metric("unknown_entities_total", entity="lot") == 1
    assert served.metric("prediction_log_lines_total") == 1
    assert served.metric("refused_requests_total", status="422") == 0
    assert [served.metric("shadow_requests_total", outcome=name) for name in ("logged", "refused", "failed")] == [
        1,
        1,
        0,
    ]


def test_a_shadow_sees_the_live_answers_event_as_the_request_itself(served: Served) -> None:
    first = served.client.post(SCORE, json=EVENT)
    copy = served.client.post(SCORE, json=EVENT, headers={SHADOW_HEADER: "1"})
    assert copy.json()["probability"] == first.json()["probability"]
    assert copy.json()["unknown_entities"] == first.json()["unknown_entities"]


def test_a_request_that_a_gateway_sent_to_another_arm_is_a_copy(served: Served) -> None:
    served.runtime.settings = served.runtime.settings.model_copy(update={"arm": "depot-1a2b3c4d-2"})
    for sent_to in ("depot-1a2b3c4d-2", "depot-00000000-1", None):
        headers = {} if sent_to is None else {ARM_HEADER: sent_to}
        assert served.client.post(SCORE, json=EVENT, headers=headers).status_code == 200
    assert [line["role"] for line in served.logged()] == ["live", "shadow", "live"]
    served.runtime.settings = served.runtime.settings.model_copy(update={"arm": None})
    served.client.post(SCORE, json=EVENT, headers={ARM_HEADER: "depot-00000000-1"})
    assert served.logged()[-1]["role"] == "live", "behind a proxy that marks copies the name says nothing"


def test_the_decision_turns_exactly_at_the_threshold(served: Served) -> None:
    row_answer = served.runtime.scorer.row_answer
    assert [row_answer(score)["decision"] for score in (0.5, 0.4999999)] == ["stop", "open"]


def test_a_wrong_request_is_told_why_and_not_logged(served: Served) -> None:
    response = served.client.post(SCORE, json=EVENT | {"speed": -1}, headers={"x-request-id": "mine"})
    assert response.status_code == 422
    body = response.json()
    assert body["problems"] == [{"field": "speed", "reason": "Input should be greater than or equal to 0"}]
    assert body["request_id"] == "mine"
    assert served.metric("refused_requests_total", status="422") == 1
    assert served.logged() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", SCORE, b"{", 400),
        ("POST", SCORE, b"x" * 3000, 413),
        ("POST", SCORE, b"[]", 422),
        ("POST", SCORE, b'{"arrival": "a", "arrival": "b"}', 400),
        ("POST", SCORE, b"[" * 1500, 400),
        ("GET", SCORE, b"", 405),
        ("POST", "/v1/parking/nothing", b"{}", 404),
        ("POST", "/v1/parking/predict", b'{"rows": []}', 422),
    ],
)
def test_every_refusal_is_json(served: Served, method: str, path: str, body: bytes, status: int) -> None:
    response = served.client.request(method, path, content=body)
    assert response.status_code == status
    assert set(response.json()) == {"error", "problems", "request_id"}
    assert "Traceback" not in response.text


def test_an_event_from_the_far_future_is_refused(served: Served) -> None:
    response = served.client.post(SCORE, json=EVENT | {"arrived_at": "2999-01-01T00:00:00Z"})
    assert response.status_code == 422
    assert response.json()["problems"][0]["field"] == "arrived_at"


@pytest.mark.parametrize(
    ("seconds", "status"), [(LONGEST_CLOCK_SKEW_SECONDS - 5, 200), (LONGEST_CLOCK_SKEW_SECONDS + 5, 422)]
)
def test_the_future_ends_at_one_limit(served: Served, seconds: float, status: int) -> None:
    """On either side of the limit an event is scored or refused, never both; and no setting lies beyond what can be recorded."""
    arrived = datetime.now(UTC) + timedelta(seconds=seconds)
    response = served.client.post(SCORE, json=EVENT | {"arrived_at": arrived.isoformat()})
    assert response.status_code == status, response.text
    assert len(served.logged()) == (status == 200)
    with pytest.raises(ValueError, match="less than or equal to 300"):
        ServingSettings(feast={}, log_folder=served.folder, max_future_seconds=LONGEST_CLOCK_SKEW_SECONDS + 1)


@pytest.mark.parametrize(
    ("error", "function", "expression", "store"),
    [
        (FunctionFailed("feature 'speed': parking:speed raised KeyError"), 1, 0, 0),
        (FeatureError("row features ['speed'] cannot be computed"), 0, 1, 0),
        (StateError("state of lot=7 is damaged"), 0, 0, 1),
    ],
)
def test_what_fails_is_counted_as_what_it_is(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception, function: int, expression: int, store: int
) -> None:
    def failing(event: Any) -> Any:
        raise error

    monkeypatch.setattr(served.store, "vector", failing)
    response = served.client.post(SCORE, json=EVENT)
    assert response.status_code == 500
    assert str(error) in response.json()["error"]
    assert ("declared function failed" in response.json()["error"]) == bool(function)
    assert served.metric("feature_failures_total", failed="function") == function
    assert served.metric("feature_failures_total", failed="expression") == expression
    assert served.metric("store_failures_total", operation="read") == store
    assert served.logged() == []


def test_what_became_of_requests_is_counted_and_self_tests_are_not(served: Served) -> None:
    assert served.client.post(SCORE, json=EVENT).status_code == 200
    assert served.client.post(SCORE, json=EVENT | {"lot": "none"}).status_code == 422
    (served.folder / "down").touch()
    assert served.client.post(SCORE, json=EVENT).status_code == 503
    assert served.client.post(SCORE, json=EVENT, headers={SHADOW_HEADER: "1"}).status_code == 503
    assert served.client.post("/v1/parking/self_test").status_code == 503
    counted = {
        outcome: served.metric("requests_total", outcome=outcome) for outcome in ("answered", "refused", "failed")
    }
    assert counted == {"answered": 1, "refused": 1, "failed": 1}
    (served.folder / "down").unlink()  # what waits to be recorded still is


def test_an_unreachable_store_is_said_so_and_counted(served: Served) -> None:
    (served.folder / "down").touch()
    response = served.client.post(SCORE, json=EVENT)
    assert response.status_code == 503
    assert "online store" in response.json()["error"]
    assert response.headers["retry-after"] == "1"
    assert served.metric("store_failures_total", operation="read") == 1
    (served.folder / "down").unlink()
    assert served.client.post(SCORE, json=EVENT).status_code == 200
    assert len(served.logged()) == 1


def test_a_bug_is_a_json_answer_without_traceback(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.store, "vector", lambda event: 1 / 0)
    response = served.client.post(SCORE, json=EVENT)
    assert response.status_code == 500
    assert "ZeroDivisionError" in response.json()["error"]
    assert "Traceback" not in response.text


def test_the_next_request_sees_the_last_and_a_repeated_one_counts_once(served: Served) -> None:
    for _ in range(2):
        served.client.post(SCORE, json=EVENT)
    served.client.post(SCORE, json=EVENT | {"arrival": "T-2"})
    logged = served.logged()
    assert len({line["request_id"] for line in logged}) == 3
    assert [line["arrival"] for line in logged] == ["T-1", "T-1", "T-2"]
    assert len(served.store.events[7]) == 2


def test_predict_answers_rows_in_order_and_remembers_nothing(served: Served) -> None:
    known = served.runtime.release.info.self_test
    response = served.client.post("/v1/parking/predict", json={"rows": [row.features for row in known]})
    answers = response.json()["predictions"]
    assert [answer["probability"] for answer in answers] == [row.score for row in known]
    assert all(answer["decision"] == ("stop" if answer["probability"] >= 0.5 else "open") for answer in answers)
    assert served.logged() == []
    assert served.store.events == {}


def test_release_tells_what_is_served(served: Served) -> None:
    body = served.client.get("/v1/parking/release").json()
    assert body["release"] == DIGEST
    assert body["model_version"] == "3"
    assert body["data_versions"] == {"clean/arrivals": 4}


def test_the_declared_fallback_answers_without_the_store_and_says_so(tmp_path: Path) -> None:
    served = Served(tmp_path, fallback="no_history")
    served.client.post(SCORE, json=EVENT)
    (served.folder / "down").touch()
    response = served.client.post(SCORE, json=EVENT | {"arrival": "T-2"}, headers={"x-request-id": "without"})
    (served.folder / "down").unlink()
    assert response.status_code == 200
    assert response.json()["fallback"] == "store unreachable"
    assert "unknown_entities" not in response.json(), "nobody was asked"
    first, second = served.logged()
    assert (first["fallback"], second["fallback"]) == (None, "store unreachable")
    assert second["feature__lot_count_1d"] == 1, "as if the lot had no history"
    assert served.metric("fallback_predictions_total", reason="store unreachable") == 1
    assert served.metric("store_failures_total", operation="read") == 1


def test_an_event_that_the_store_no_longer_covers_is_refused_with_the_way_out(served: Served) -> None:
    response = served.client.post(SCORE, json=EVENT | {"arrived_at": "2024-01-02T10:00:00Z"})
    assert response.status_code == 422
    assert response.json()["error"] == "the event is older than what the online store keeps"
    assert response.json()["problems"][0]["field"] == "arrived_at"
    assert "its lot" in response.json()["problems"][0]["reason"]
    assert "score it in batch" in response.json()["problems"][0]["reason"]
    assert served.metric("refused_requests_total", status="422") == 1
    assert served.logged() == []


def test_an_id_that_comes_again_is_no_collision(served: Served) -> None:
    """The log's key is the service's own: a request that is sent again is another prediction, and both are found by the caller's id."""
    for _ in range(2):
        answer = served.client.post(SCORE, json=EVENT, headers={"x-request-id": "payment-4711"})
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "payment-4711"
    own = served.client.post(SCORE, json=EVENT)
    lines = served.logged()
    assert [line["caller_request_id"] for line in lines] == ["payment-4711", "payment-4711", None]
    assert len({line["request_id"] for line in lines}) == 3
    assert own.json()["request_id"] == own.headers["x-request-id"] == lines[2]["request_id"]


@pytest.mark.parametrize("given", ["a b", "x" * 129, "", "\x7f"])
def test_an_unusable_id_is_replaced_and_not_logged(served: Served, given: str) -> None:
    answer = served.client.post(SCORE, json=EVENT, headers={"x-request-id": given})
    (line,) = served.logged()
    assert answer.json()["request_id"] == line["request_id"] != given
    assert line["caller_request_id"] is None


@pytest.mark.parametrize("path", [SCORE, "/v1/parking/nothing"])
def test_a_refusal_carries_the_callers_id(served: Served, path: str) -> None:
    answer = served.client.post(path, content=b"{", headers={"x-request-id": "payment-4711"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "payment-4711"


def test_another_type_of_content_is_refused_and_counted(served: Served) -> None:
    response = served.client.post(SCORE, data={"lot": "7"})
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]
    assert served.metric("refused_requests_total", status="415") == 1


@pytest.mark.parametrize("year", ["0001", "1970", "9999"])
def test_an_impossible_year_is_refused_and_leaves_nothing(served: Served, year: str) -> None:
    response = served.client.post(SCORE, json=EVENT | {"arrived_at": f"{year}-01-01T00:00:00Z"})
    assert response.status_code == 422
    assert response.json()["problems"][0]["field"] == "arrived_at"
    assert served.logged() == []
    assert served.store.events == {}


def test_a_caller_that_goes_away_is_counted_and_scores_nothing(served: Served) -> None:
    """Before its body is complete. No traceback, no 500: whoever reads the statuses sees a 499."""
    messages = iter([{"type": "http.request", "body": b'{"arr', "more_body": True}, {"type": "http.disconnect"}])
    statuses: list[int] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    path = {"path": SCORE, "raw_path": SCORE.encode(), "query_string": b"", "root_path": ""}
    scope = {"type": "http", "method": "POST", "headers": [], "http_version": "1.1", "scheme": "http", **path}
    asyncio.run(served.app(scope, receive, send))
    assert statuses[0] == 499
    assert served.metric("refused_requests_total", status="499") == 1
    assert served.logged() == []


def test_a_use_case_whose_events_are_streamed_answers_no_score(tmp_path: Path) -> None:
    topics = {"brokers": "BROKERS", "events": "arrivals", "predictions": "scores"}
    served = Served(tmp_path, mode="streaming", stream=topics)
    response = served.client.post(SCORE, json=EVENT)
    assert (response.status_code, "scored from topic 'arrivals'" in response.json()["error"]) == (409, True)
    assert served.metric("refused_requests_total", status="409") == 1
    assert served.client.post("/v1/parking/self_test", json=EVENT).status_code == 200
    assert served.logged() == []


def test_an_event_with_an_infinite_feature_is_refused_by_its_name(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.store, "vector", lambda event: Vector([1.0, float("inf"), 2.0], []))
    response = served.client.post(SCORE, json=EVENT)
    assert response.status_code == 422
    [problem] = response.json()["problems"]
    assert "feature lot_count_1d is infinite" in problem["reason"]
    assert "NULLIF" in problem["reason"]
    assert served.logged() == []
