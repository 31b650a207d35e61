"""What becomes of one message: the answer that a request gets, or a dead letter with its reason; nothing is skipped."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from platform_assets.features.errors import FunctionFailed
from platform_assets.testing.otlp_receiver import OtlpReceiver, attributes_of
from platform_assets.training import artifact
from platform_assets_tests.serving.fake_online_store import FakeStore
from platform_assets_tests.serving.parking import DECLARATION, EVENT, make_model, release_info, use_case
from serving.background import Background
from serving.doors.broker import StreamDoorError, client_settings
from serving.doors.messages import MessageScorer, TopicMessage, TryAgain
from serving.metrics import ServiceMetrics
from serving.online import StoreDamaged, StoreUnavailable
from serving.prediction_log import LogUnavailable, PredictionLog
from serving.release import read_release, write_release
from serving.runtime import Runtime
from serving.scoring import Scorer
from serving.settings import ServingSettings
from serving.tracing.opened import open_tracing

DIGEST = "sha256:" + "cd" * 32
STREAM = {"brokers": "BROKERS", "events": "arrivals", "predictions": "scores"}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    make_model(folder)
    return folder


class World:
    """A scorer of messages, and what lies behind it."""

    def __init__(self, folder: Path, model_folder: Path, **serving: Any) -> None:
        predictor = artifact.load(model_folder)
        declared = use_case(serving=DECLARATION["serving"] | {"mode": "hybrid", "stream": STREAM} | serving)
        write_release(folder / "release", declared, model_folder, release_info(predictor))
        release = read_release(folder / "release")
        settings = ServingSettings(feast={}, log_folder=folder / "log")
        self.folder, self.registry, self.store = folder, CollectorRegistry(), FakeStore(folder)
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
        self.scorer = MessageScorer(self.runtime)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for path in (self.folder / "log").glob("*") for line in path.read_text().splitlines()]


@pytest.fixture
def world(tmp_path: Path, model_folder: Path) -> World:
    return World(tmp_path, model_folder)


def message(value: Any, offset: int = 12, **headers: bytes) -> TopicMessage:
    content = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return TopicMessage("arrivals", 3, offset, b"7", content, named)


def test_a_message_is_answered_and_says_where_it_came_from_and_by_which_release(world: World) -> None:
    outcome = world.scorer.score(message(EVENT, x_request_id=b"mine"))
    assert outcome.reason is None
    assert outcome.value is not None
    answer = json.loads(outcome.value)
    assert (answer["event"], answer["source"], answer["release"]) == ({"arrival": "T-1"}, "arrivals[3]@12", DIGEST)
    assert (answer["request_id"], answer["model_version"]) == ("mine", "3")
    headers = dict(outcome.headers)
    assert headers == {
        "source-topic": b"arrivals",
        "source-partition": b"3",
        "source-offset": b"12",
        "release": DIGEST.encode(),
        "request-id": b"arrivals[3]@12/cdcdcdcdcdcd",
    }
    [line] = world.lines()
    assert (line["request_id"], line["caller_request_id"]) == ("arrivals[3]@12/cdcdcdcdcdcd", "mine")
    assert np.isclose(answer["probability"], line["score"])
    assert world.scorer.settle(threading.Event())
    assert (world.folder / "recorded.jsonl").read_text().splitlines() == ['"T-1"']


def test_a_message_that_comes_again_has_the_same_id_and_the_same_score(world: World) -> None:
    first, again = (world.scorer.score(message(EVENT)) for _ in range(2))
    assert (first.headers, first.value) == (again.headers, again.value)
    assert len({line["request_id"] for line in world.lines()}) == 1


@pytest.mark.parametrize(
    ("value", "reason", "explanation"),
    [
        (None, "empty", b"no value"),
        (b"{", "not JSON", b"the body is not JSON"),
        (b'"\xff"', "not JSON", b"not UTF-8"),
        (b" " * 2**21, "too large", b"the most is"),
        ({**EVENT, "speed": -1}, "refused", b"speed: Input should be greater"),
        ({"lot": 7}, "refused", b"arrival: Field required"),
        ({**EVENT, "arrived_at": "2023-01-01T00:00:00Z"}, "refused", b"before the first day"),
        ({**EVENT, "arrived_at": "2024-01-02T00:00:00Z"}, "refused", b"no longer holds"),
    ],
)
def test_what_cannot_be_scored_is_a_dead_letter_as_it_came_with_its_reason(
    world: World, value: Any, reason: str, explanation: bytes
) -> None:
    sent = message(value)
    outcome = world.scorer.score(sent)
    headers = dict(outcome.headers)
    assert (outcome.reason, outcome.value, headers["reason"]) == (reason, sent.value, reason.encode())
    assert explanation in headers["explanation"]
    assert headers["source-offset"] == b"12"
    assert world.lines() == []


def test_an_entity_that_is_declared_to_be_refused_is_a_dead_letter(tmp_path: Path, model_folder: Path) -> None:
    world = World(tmp_path, model_folder, unknown="refuse")
    outcome = world.scorer.score(message(EVENT))
    assert (outcome.reason, world.lines()) == ("refused", [])
    assert b"no history" in dict(outcome.headers)["explanation"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(StoreDamaged("half a value"), "damaged state"), (FunctionFailed("divided by zero"), "feature failed")],
)
def test_what_trying_again_would_not_mend_is_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(event: Any) -> Any:
        raise error

    monkeypatch.setattr(world.store, "vector", fail)
    assert world.scorer.score(message(EVENT)).reason == reason


def test_an_outage_is_no_fault_of_the_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / "down").touch()
    with pytest.raises(TryAgain, match="connection refused"):
        world.scorer.score(message(EVENT))
    (world.folder / "down").unlink()

    def full(*_: Any, **__: Any) -> None:
        raise LogUnavailable("no space left")

    monkeypatch.setattr(world.runtime.log, "append", full)
    with pytest.raises(TryAgain, match="no space left"):
        world.scorer.score(message(EVENT))
    assert world.store.events.get(7, {}) == {}, "what was not logged is not remembered"


def test_no_answer_is_committed_whose_event_the_store_has_not_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, tried, stop = threading.Event(), threading.Event(), threading.Event()
    record = world.store.record

    def record_later(event: Any) -> None:
        tried.set()
        if not taken.is_set():
            raise StoreUnavailable("not now")
        record(event)

    monkeypatch.setattr(world.store, "record", record_later)
    world.scorer.score(message(EVENT))
    assert tried.wait(10)
    stop.set()
    assert not world.scorer.settle(stop)
    taken.set()
    assert world.scorer.settle(threading.Event())


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "BROKERS, named by serving.stream.brokers, is not set"),
        ({"BROKERS": "{"}, "is neither"),
        ({"BROKERS": '{"security.protocol": "ssl"}'}, "is neither"),
    ],
)
def test_brokers_that_are_not_named_are_told(environment: dict[str, str], message: str) -> None:
    stream = use_case(serving=DECLARATION["serving"] | {"mode": "hybrid", "stream": STREAM}).serving.stream
    assert stream is not None
    with pytest.raises(StreamDoorError, match=message):
        client_settings(stream, environment)
    assert client_settings(stream, {"BROKERS": "a:1,b:2"}) == {"bootstrap.servers": "a:1,b:2"}


def test_messages_go_on_with_their_traces_and_no_value_of_them_is_logged(
    tmp_path: Path, model_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world, trace = World(tmp_path, model_folder, tracing={"sample_ratio": 1e-9}), "0af7651916cd43dd8448eb211c80319c"
    traceparent = f"00-{trace}-b7ad6b7169203331-01".encode()
    with OtlpReceiver() as receiver, caplog.at_level("INFO"):
        runtime = world.runtime
        tracing = open_tracing(runtime.release.use_case, DIGEST, "3", receiver.endpoint, runtime.metrics.spans_dropped)
        runtime.tracing = tracing
        predictor = artifact.load(model_folder)
        runtime.scorer = Scorer(runtime.release.use_case, runtime.release.info, DIGEST, predictor, world.store, tracing)
        for event in (EVENT, EVENT | {"arrival": "somebody", "speed": -424242.5}, b"424242 is no event"):
            world.scorer.score(message(event, traceparent=traceparent))
        world.scorer.score(message(EVENT | {"arrival": "T-2"}))
        runtime.close()
    processed = [span for span in receiver.spans if span.name == "process arrivals"]
    assert [attributes_of(span).get("error.type") for span in processed] == [None, "refused", "not JSON"]
    assert {span.trace_id.hex() for span in receiver.spans} == {trace}
    assert [line["trace_id"] for line in world.lines()] == [trace, None]
    assert not [value for value in ("somebody", "424242") if value in caplog.text + str(receiver.spans)]
