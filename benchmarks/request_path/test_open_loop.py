"""The open loop sends what is due however long the others take, and keeps what was answered apart from what was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.request_path.open_loop import capacity, offered
from benchmarks.request_path.topic import BARE, BEFORE, NOW, Side, _topic

Work = Callable[[str], Awaitable[Any]]


def served(work: Work, slow: bool = False) -> tuple[Any, list[bytes]]:
    """What `work` gives for the address of a server that refuses every second request, and the bodies that it got."""
    bodies: list[bytes] = []
    holds: list[asyncio.Event] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            bodies.append(await reader.readexactly(length))
            if slow:
                holds.append(asyncio.Event())
                if len(holds) == 10:  # nobody is answered before all have come
                    for hold in holds:
                        hold.set()
                await holds[len(holds) - 1 if len(holds) < 10 else 9].wait()
            status = b"200 OK" if len(bodies) % 2 else b"503 Service Unavailable"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async def both() -> Any:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()[:2]
            return await work(f"http://{host}:{port}/v1/a/score")

    return asyncio.run(both()), bodies


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def test_answered_and_refused_are_kept_apart() -> None:
    found, bodies = served(lambda url: offered(url, [b"{1}", b"{22}"], 1000.0, 0.02))
    assert bodies.count(b"{1}") == bodies.count(b"{22}") == 10
    assert {status: one["count"] for status, one in found["statuses"].items()} == {200: 10, 503: 10}
    assert found["unsent"] == 0


def test_those_that_wait_keep_nobody_from_being_sent() -> None:
    found, bodies = served(lambda url: offered(url, [b"{}"], 1000.0, 0.01), slow=True)
    assert len(bodies) == 10
    assert sum(one["count"] for one in found["statuses"].values()) == 10


def test_only_answers_are_capacity() -> None:
    found, bodies = served(lambda url: capacity(url, [b"{}"], 0.05, clients=2))
    assert 0 < found * 0.05 <= len(bodies) / 2 + 1


def test_bars_are_missed_by_an_answer_that_differs_or_by_requests_that_fail() -> None:
    def kept(now: list[Any], statuses: dict[str, Any]) -> list[bool]:
        sides = {
            name: Side("", "", (), cpu_seconds=[cost], answers=answers)
            for name, cost, answers in (
                (BEFORE, 0.010, [(200, 0.5, "approve")]),
                (NOW, 0.001, now),
                (BARE, 0.002, []),
            )
        }
        latencies = {BEFORE: (9.0, 20.0), NOW: (1.0, 2.0), BARE: (3.0, 4.0)}
        overload = {"capacity": 500.0, "unsent": 0, "statuses": statuses}
        return [bar.kept for bar in _topic(sides, 1, latencies, overload).bars]

    fine = {"200": {"count": 9, "p50_ms": 5.0, "p99_ms": 20.0}, "503": {"count": 9, "p50_ms": 1.0, "p99_ms": 2.0}}
    assert kept([(200, 0.5, "approve")], fine) == [True] * 5
    assert kept([(200, 0.5000000000000001, "approve")], fine) == [True, True, True, False, True]
    assert kept([(503, 0.5, "approve")], fine)[3] is False
    assert kept([(200, 0.5, "approve")], fine | {"0": {"count": 1, "p50_ms": 1.0, "p99_ms": 1.0}})[4] is False
