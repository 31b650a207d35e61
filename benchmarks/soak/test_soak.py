"""The soak's own parts: what it sends, what it notes, and that it sees a leak and a latency that grows."""

import itertools
import json
import os
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from benchmarks.soak.load import Connection, SoakLog, soak
from benchmarks.soak.topic import settled_bytes, topic
from benchmarks.soak.world import HOT_CARD, Mix, bodies, use_case
from serving.event_times import EventTimes
from serving.refusals import RequestRefused
from serving.request import parse_event, request_model

CALM = {"background_waiting": 0.0}


def log_of(latencies: np.ndarray, memory: list[int]) -> SoakLog:
    seen = SoakLog(latencies, seconds=60.0)
    seen.statuses[200] = len(latencies)
    step = len(latencies) // len(memory)
    seen.memory = [((number + 1) * step, size) for number, size in enumerate(memory)]
    return seen


def kept(seen: SoakLog, lines: int | None = None, soaked_ms: float = 1.0) -> list[bool]:
    beside = log_of(np.full(100, soaked_ms), [100]), log_of(np.ones(100), [100])
    expected = len(seen.latencies_ms) + 100
    return [bar.kept for bar in topic(seen, beside, Mix(), 1, expected if lines is None else lines, CALM).bars]


def test_a_calm_soak_keeps_every_bar() -> None:
    assert kept(log_of(np.ones(10_000), [100] * 100)) == [True] * 6


def test_what_grows_is_seen() -> None:
    leak = log_of(np.ones(10_000), list(range(100, 200)))
    slower = log_of(np.linspace(1.0, 1.3, 10_000), [100] * 100)
    assert kept(leak) == [False, True, True, True, True, True]
    assert kept(slower) == [True, False, True, True, True, True]
    assert kept(log_of(np.ones(10_000), [100] * 100), lines=9_999) == [True, True, True, True, False, True]
    assert kept(log_of(np.ones(10_000), [100] * 100), soaked_ms=1.2) == [True, True, False, True, True, True]


def test_memory_is_compared_with_that_of_full_states() -> None:
    assert settled_bytes(log_of(np.ones(1_000_000), [50] * 9 + [100] * 191)) == 100


def test_requests_are_what_the_mix_says() -> None:
    mix = Mix(cards=50, hot_share=0.2, repeated_share=0.1, wrong_share=0.05)
    sent = list(itertools.islice(bodies(mix), 4_000))
    model, times, refused = request_model(use_case()), EventTimes(use_case()), 0
    for body in sent:
        try:
            times.check(parse_event(model, body), datetime.now(UTC), 0.0)
        except RequestRefused:
            refused += 1
    cards = [json.loads(body)["card"] for body in sent]
    assert 0.03 < refused / len(sent) < 0.08
    assert 0.15 < cards.count(HOT_CARD) / len(sent) < 0.25
    assert 0.07 < 1 - len(set(sent)) / len(sent) < 0.13


class Server(BaseHTTPRequestHandler):
    """Answers 200, and 422 to what is wrong."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if body.endswith(b"}") and b"much" not in body else 422)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_every_request_is_sent_once_and_every_latency_noted() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        lines: list[str] = []
        seen = soak(address, "/", os.getpid(), bodies(Mix()), 500, clients=2, leave_every=100, log=lines.append)
        assert seen.statuses.total() == 500
        assert set(seen.statuses) <= {200, 422}
        assert np.isfinite(seen.latencies_ms).all()
        assert len(seen.memory) == 250
        assert len(lines) == 10
    finally:
        server.shutdown()
        server.server_close()
    assert Connection("127.0.0.1", server.server_address[1], "/").post(b"{}") == 0
