"""The load generator: what it counts, when it stops, and that a stall is charged to all that had to wait."""

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.common.load import load
from benchmarks.common.load_client import main, run_load
from benchmarks.serving.latency import slices

DECLARATION = Path(__file__).parents[2] / "platform_assets" / "defs" / "card_fraud"


class Answering(http.server.ThreadingHTTPServer):
    """Answers every POST with 200; its sixth with 503, and takes long over its tenth."""

    daemon_threads = True
    posts = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, Answering)
        self.rfile.read(int(self.headers["content-length"]))
        self.server.posts += 1
        if self.server.posts == 10:
            time.sleep(0.3)
        self.send_response(503 if self.server.posts == 6 else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Handler) as answering:
        threading.Thread(target=answering.serve_forever, daemon=True).start()
        yield answering
        answering.shutdown()


def address(server: Answering) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_answers_failures_and_the_warm_up_are_told_apart(server: Answering) -> None:
    result = run_load(f"{address(server)}/score", [b"{}"] * 9, rate_per_second=500, warm_up=2)
    assert (result.sent, result.answered, result.failed) == (7, 6, 1)
    assert result.statuses == {"200": 6, "503": 1}


def test_a_stall_is_charged_to_every_request_that_had_to_wait(server: Answering) -> None:
    result = run_load(f"{address(server)}/score", [b"{}"] * 30, rate_per_second=100, warm_up=0)
    assert result.max_ms >= 300
    # Due every 10 ms, the 20 after the slow one were late as well, although each was answered at once when it was sent.
    assert result.p50_ms > 20


def test_a_server_that_is_not_there_is_counted_not_raised() -> None:
    result = run_load("http://127.0.0.1:9/score", [b"{}"] * 3, rate_per_second=500, warm_up=0)
    assert result.failed == 3
    assert result.statuses == {"ConnectionRefusedError": 3}


def test_a_load_ends_when_told_to(server: Answering) -> None:
    with load(address(server), DECLARATION, [b"{}"] * 2000, rate_per_second=100, warm_up=1) as running:
        assert running.under_way
        assert server.posts >= 1, "the warm-up is over when the block begins"
        result = running.stop()
        assert not running.under_way
    assert 0 < result.sent < 2000


def test_the_command_fails_when_a_request_did(
    server: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"{}\n" * 7)
    arguments = ["--address", address(server), "--use-case", str(DECLARATION), "--events", str(events)]
    assert main([*arguments, "--count", "5", "--warm-up", "0", "--rate", "500"]) == 0
    assert main([*arguments, "--count", "5", "--warm-up", "0", "--rate", "500"]) == 1
    assert '"failed": 1' in capsys.readouterr().out


def test_no_body_is_used_in_two_rounds() -> None:
    bodies = [str(number).encode() for number in range(10)]
    assert slices(bodies, 3, 3) == [bodies[:3], bodies[3:6], bodies[6:9]]
    with pytest.raises(ValueError, match="need 12 events, but this world has 10"):
        slices(bodies, 4, 3)
