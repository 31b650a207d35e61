"""Traces of requests: what spans say, whose trace they continue, and that nothing waits for a collector."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from platform_assets.testing.otlp_receiver import OtlpReceiver, attributes_of
from platform_assets_tests.serving.parking import EVENT
from platform_assets_tests.unit.serving.test_app import DIGEST, SCORE, Served
from serving.prediction_log import LogUnavailable
from serving.scoring import Scorer
from serving.tracing.opened import make_tracer, open_tracing
from serving.tracing.otlp import refused_spans
from serving.tracing.sender import SpanSender
from serving.tracing.spans import DROP_REASONS, QUEUE_FULL, REFUSED, STOPPED

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-00"}


class Traced(Served):
    """A served application whose requests are traced."""

    def __init__(self, folder: Path, endpoint: str, sample_ratio: float = 1.0) -> None:
        super().__init__(folder, tracing={"sample_ratio": sample_ratio})
        runtime = self.runtime
        runtime.tracing = open_tracing(runtime.release.use_case, DIGEST, "3", endpoint, runtime.metrics.spans_dropped)
        runtime.scorer = Scorer(
            runtime.release.use_case, runtime.release.info, DIGEST, self.predictor, self.store, runtime.tracing
        )


@pytest.fixture
def receiver():
    with OtlpReceiver() as receiver:
        yield receiver


def test_a_request_is_a_span_with_its_steps_under_the_callers(tmp_path: Path, receiver: OtlpReceiver) -> None:
    served = Traced(tmp_path, receiver.endpoint)
    answer = served.client.post(SCORE, json=EVENT, headers=SAMPLED).json()
    line = served.logged()[0]
    spans = {span.name: span for span in receiver.wait_for(4)}
    assert set(spans) == {f"POST {SCORE}", "features.look_up", "model.predict", "log.append"}
    request = spans[f"POST {SCORE}"]
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE} == {line["trace_id"]}
    assert request.parent_span_id.hex() == CALLER
    assert {span.parent_span_id for span in spans.values() if span is not request} == {request.span_id}
    assert attributes_of(request) == {
        "http.request.method": "POST",
        "http.route": SCORE,
        "http.response.status_code": 200,
        "platform_assets.decision": answer["decision"],
        "platform_assets.role": "live",
    }
    assert request.start_time_unix_nano <= spans["features.look_up"].start_time_unix_nano
    assert spans["log.append"].end_time_unix_nano <= request.end_time_unix_nano
    resource = receiver.resources[0]
    assert resource["service.name"] == resource["platform_assets.use_case"] == "parking"
    assert (resource["platform_assets.release"], resource["platform_assets.model_version"]) == (DIGEST, "3")


def test_no_value_of_a_request_stands_in_a_span(tmp_path: Path, receiver: OtlpReceiver) -> None:
    served = Traced(tmp_path, receiver.endpoint)
    marked = EVENT | {"arrival": "somebody", "lot": 424242, "speed": 77.125}
    served.client.post(SCORE, json=marked, headers={"x-request-id": "their-own-id"})
    served.client.post(SCORE, json=marked | {"speed": 977.125})
    served.runtime.close()
    said = "".join(str(span) for span in receiver.wait_for(5)) + str(receiver.resources)
    assert not [value for value in ("somebody", "424242", "77.125", "their-own-id") if value in said]


def test_what_the_caller_decides_holds_and_else_the_declared_share(tmp_path: Path, receiver: OtlpReceiver) -> None:
    served = Traced(tmp_path, receiver.endpoint, sample_ratio=1e-9)
    served.client.post(SCORE, json=EVENT)
    served.client.post(SCORE, json=EVENT | {"arrival": "T-2"}, headers=UNSAMPLED)
    served.client.post(SCORE, json=EVENT | {"arrival": "T-3"}, headers=SAMPLED)
    served.client.post(SCORE, json=EVENT | {"arrival": "T-4"}, headers={"traceparent": "00-nonsense"})
    assert [line["trace_id"] for line in served.logged()] == [None, None, TRACE, None]
    assert Counter(span.name for span in receiver.spans)[f"POST {SCORE}"] == 1


@pytest.mark.parametrize(("status", "error"), [(422, None), (503, "503")])
def test_a_request_that_is_not_scored_says_so(
    tmp_path: Path, receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch, status: int, error: str | None
) -> None:
    served = Traced(tmp_path, receiver.endpoint)
    if status == 503:

        def full(*_: object, **__: object) -> None:
            raise LogUnavailable("no room for 424242")

        monkeypatch.setattr(served.runtime.log, "append", full)
    body = EVENT if status == 503 else EVENT | {"speed": -1}
    assert served.client.post(SCORE, json=body).status_code == status
    served.runtime.close()
    spans = {span.name: span for span in receiver.wait_for(1 if status == 422 else 4)}
    said = attributes_of(spans[f"POST {SCORE}"])
    assert (said["http.response.status_code"], said.get("error.type")) == (status, error)
    if status == 503:
        assert attributes_of(spans["log.append"])["error.type"] == "LogUnavailable"
        assert spans["log.append"].status.code == 2
        assert "424242" not in str(spans)


def test_without_a_collector_or_a_share_nothing_is_traced(tmp_path: Path) -> None:
    served = Served(tmp_path / "share", tracing={"sample_ratio": 1.0})
    case = served.runtime.release.use_case
    assert open_tracing(case, DIGEST, "3", None, served.runtime.metrics.spans_dropped) is None
    off = Served(tmp_path / "off")
    case = off.runtime.release.use_case
    assert open_tracing(case, DIGEST, "3", "http://127.0.0.1:4318", off.runtime.metrics.spans_dropped) is None
    off.client.post(SCORE, json=EVENT, headers=SAMPLED)
    assert off.logged()[0]["trace_id"] is None


def test_nothing_of_opentelemetry_is_imported_where_nothing_is_traced() -> None:
    code = (
        "import sys, serving.app, serving.runtime, serving.doors.open_inference, serving.doors.messages\n"
        "from platform_assets_tests.serving.parking import use_case\n"
        "from serving.tracing.opened import open_tracing\n"
        "assert open_tracing(use_case(), 'sha256:1', '3', None, print) is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Losses(Counter[str]):
    """Counts lost spans by reason."""

    def lose(self, reason: str, count: int) -> None:
        self[reason] += count


def spans_of(sender: SpanSender, count: int) -> None:
    tracer = make_tracer({"service.name": "parking"}, sender)
    for _ in range(count):
        tracer.start_span("work").end()


def test_spans_wait_for_a_collector_that_takes_none_for_a_while(receiver: OtlpReceiver) -> None:
    lost = Losses()
    receiver.status = 503
    sender = SpanSender(receiver.endpoint, lost.lose, capacity=5)
    spans_of(sender, 8)
    receiver.status = 200
    sender.shutdown()
    assert len(receiver.spans) == 5
    assert lost == {QUEUE_FULL: 3}


def test_spans_that_a_collector_refuses_are_counted(receiver: OtlpReceiver) -> None:
    lost = Losses()
    receiver.status = 400
    sender = SpanSender(receiver.endpoint, lost.lose)
    spans_of(sender, 4)
    assert sender.force_flush(5000)
    sender.shutdown()
    spans_of(sender, 1)
    assert lost == {REFUSED: 4, STOPPED: 1}


def test_a_stop_does_not_wait_for_a_collector_that_never_answers(receiver: OtlpReceiver) -> None:
    lost = Losses()
    receiver.hold.clear()
    sender = SpanSender(receiver.endpoint, lost.lose)
    spans_of(sender, 3)
    sender.shutdown()
    assert not receiver.hold.is_set()
    assert lost == {STOPPED: 3}


def test_spans_for_an_address_where_nobody_listens_are_lost_with_the_stop(tmp_path: Path) -> None:
    with OtlpReceiver() as receiver:
        endpoint = receiver.endpoint
    served = Traced(tmp_path, endpoint)
    assert served.client.post(SCORE, json=EVENT).status_code == 200
    served.runtime.close()
    assert served.metric("spans_dropped_total", reason=STOPPED) == 4


def test_spans_that_are_lost_are_a_metric_from_the_start(tmp_path: Path) -> None:
    served = Served(tmp_path)
    assert [served.metric("spans_dropped_total", reason=reason) for reason in DROP_REASONS] == [0, 0, 0]


@pytest.mark.parametrize(("answer", "refused"), [(b"", 0), (b"\xff\xff", 0), (b"\x0a\x02\x08\x07", 7)])
def test_what_a_collector_says_that_it_refused_is_read(answer: bytes, refused: int) -> None:
    assert refused_spans(answer) == refused
