"""The real service with a collector beside it: its spans arrive, and its output is JSON lines."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_assets.deployment.packaging import build_bento
from platform_assets.testing.otlp_receiver import OtlpReceiver, attributes_of
from platform_assets_tests.serving.conftest import Service
from platform_assets_tests.serving.parking import DECLARATION, EVENT, make_model, release_info, use_case

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, OtlpReceiver]]:
    folder = tmp_path_factory.mktemp("traced")
    declared = use_case(serving=DECLARATION["serving"] | {"tracing": {"sample_ratio": 1e-9}})
    predictor = make_model(folder / "model")
    bento = build_bento(declared, folder / "model", release_info(predictor), folder / "bentos")
    with OtlpReceiver() as receiver:
        service = Service(bento, folder, otlp=receiver.endpoint, log_format="json")
        try:
            yield service.wait_until_ready(), receiver
        finally:
            service.stop()


def test_spans_of_a_callers_trace_arrive_and_the_log_names_it(traced: tuple[Service, OtlpReceiver]) -> None:
    service, receiver = traced
    service.score(EVENT | {"arrival": "A"})
    answer = service.score(EVENT | {"arrival": "B"}, traceparent=f"00-{TRACE}-{CALLER}-01")
    assert answer.status == 200
    spans = receiver.wait_for(4)
    assert len(spans) == 4, "the other request was not sampled"
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    (request,) = [span for span in spans if span.parent_span_id.hex() == CALLER]
    assert attributes_of(request)["platform_assets.decision"] == answer.body["decision"]
    assert {line["arrival"]: line["trace_id"] for line in service.logged()} == {"A": None, "B": TRACE}
    lost = [value for name, value in service.metrics().items() if name.startswith("platform_assets_spans_dropped")]
    assert lost == [0, 0, 0]


def test_every_line_of_its_output_is_json_and_says_whose_it_is(traced: tuple[Service, OtlpReceiver]) -> None:
    service, _ = traced
    lines = [json.loads(line) for line in Path(service.output).read_text().splitlines()]
    assert any("ready after" in line["message"] for line in lines)
    assert {(line["use_case"], line["version"]) for line in lines} == {("parking", "3")}
