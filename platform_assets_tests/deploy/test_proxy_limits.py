"""What the proxy takes from callers and what it refuses: slow ones, many at once, large bodies, ids of their own."""

import socket
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from platform_assets.deployment.local import LocalTarget
from platform_assets.deployment.local.envoy_config import listeners
from platform_assets.deployment.release import Release

pytestmark = pytest.mark.slow

MakeTarget = Callable[..., LocalTarget]
MakeRelease = Callable[..., Release]
SLOW_CALLERS = 1_100


def begin(port: int, text: str) -> socket.socket:
    """A caller that says so much and then nothing."""
    caller = socket.create_connection(("127.0.0.1", port), timeout=20)
    caller.sendall(text.encode())
    return caller


def ended_with(caller: socket.socket) -> bytes:
    """What a caller got until the proxy closed the connection."""
    answer = b""
    while part := caller.recv(4096):
        answer += part
    return answer


def test_slow_callers_are_ended_and_starve_nobody(
    monkeypatch: pytest.MonkeyPatch, make_target: MakeTarget, release: MakeRelease
) -> None:
    for name, seconds in {"HEADERS_SECONDS": 3, "BODY_SECONDS": 4, "IDLE_SECONDS": 5}.items():
        monkeypatch.setattr(listeners, name, seconds)
    target = make_target()
    address = target.deploy(release("1", processes=2)).address
    head = "POST /v1/card_fraud/score HTTP/1.1\r\nhost: x\r\n"
    openings = ("", head, f"{head}content-length: 5000\r\n\r\n{{")
    with ExitStack() as stack, httpx.Client(trust_env=False, timeout=20) as client:
        callers = [
            stack.enter_context(begin(target.envoy_port, openings[number % len(openings)]))
            for number in range(SLOW_CALLERS)
        ]
        for _ in range(100):
            assert client.post(f"{address}/score", content=b"{}").text == "1"
        fresh = [httpx.post(f"{address}/score", content=b"{}", trust_env=False, timeout=20).text for _ in range(20)]
        assert fresh == ["1"] * 20
        answers = [ended_with(caller)[:12] for caller in callers]
    assert set(answers[0::3]) == {b""}, "nothing was asked, and nothing is answered"
    assert set(answers[1::3]) | set(answers[2::3]) <= {b"HTTP/1.1 408", b""}
    assert b"HTTP/1.1 408" in answers


def test_a_request_arrives_whole_or_is_refused_and_its_id_is_the_caller_s(
    target: LocalTarget, release: MakeRelease
) -> None:
    address = target.deploy(release("1")).address
    most = listeners.MOST_BODY_BYTES
    with httpx.Client(trust_env=False, timeout=20, base_url=address) as client:
        assert client.post("/length", content=b"x" * most).text == str(most)
        assert client.post("/length", content=iter([b"x" * 1000] * 700)).text == "700000", "in chunks"
        for body in (b"x" * (most + 1), iter([b"x" * 100_000] * 11)):
            refused = client.post("/length", content=body, headers={"x-request-id": "large-1"})
            assert refused.status_code == 413
            assert refused.json() == {"error": "Payload Too Large", "problems": [], "request_id": "large-1"}
        answer = client.post("/request_id", content=b"{}", headers={"x-request-id": "payment-4711"})
        assert (answer.text, answer.headers["x-request-id"]) == ("payment-4711", "payment-4711")
        made = client.post("/request_id", content=b"{}")
        assert len(made.text) == 36
        assert made.headers["x-request-id"] == made.text


def test_a_caller_that_goes_away_leaves_no_trace(target: LocalTarget, release: MakeRelease) -> None:
    address = target.deploy(release("1")).address
    for _ in range(20):
        begin(target.envoy_port, "POST /v1/card_fraud/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").close()
    assert httpx.post(f"{address}/score", content=b"{}", trust_env=False, timeout=20).text == "1"
    assert target.status().use_cases["card_fraud"].serving
    assert "Traceback" not in "".join(path.read_text() for path in (target.root / "logs").glob("*.log"))
