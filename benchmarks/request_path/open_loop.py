"""An open loop over many connections: requests are sent when they are due, however long the others take.

    python -m benchmarks.request_path.open_loop --url URL --events FILE --rate 400 --seconds 60

Belongs here: sending, and how answered and refused ones did. Does not belong here: which rate (`topic.py`). The client parses no more of an
answer than it must, so that it takes little of the machine that it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

MOST_CONNECTIONS = 900


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._answer, self._data = loop, loop.create_future(), b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        _, _, rest = head.lower().partition(b"content-length:")
        if rest and len(body) >= int(rest.partition(b"\r\n")[0]) and not self._answer.done():
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_result(0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> int:
        self._data, self._answer = b"", self._loop.create_future()
        assert self._transport is not None
        self._transport.write(request)
        status: int = await self._answer
        return status


class _Pool:
    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\ncontent-length: "
        )
        self._idle: list[_Connection] = []

    async def ask(self, body: bytes) -> int:
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                break
        else:
            _, connection = await loop.create_connection(lambda: _Connection(loop), self._host, self._port)
        status = await connection.ask(self._head.encode() + str(len(body)).encode() + b"\r\n\r\n" + body)
        if status:
            self._idle.append(connection)
        return status

    def close(self) -> None:
        """Close the connections that nobody waits at."""
        for connection in self._idle:
            connection.close()


async def offered(url: str, bodies: Sequence[bytes], rate_per_second: float, seconds: float) -> dict[str, object]:
    """Send bodies, over and over, each when it is due; milliseconds of every status."""
    pool, took_ms, under_way = _Pool(url), defaultdict[int, list[float]](list), set[asyncio.Task[None]]()
    start, unsent = time.perf_counter(), 0

    async def one(number: int) -> None:
        due = start + number / rate_per_second
        try:
            status = await pool.ask(bodies[number % len(bodies)])
        except OSError:
            status = 0
        took_ms[status].append((time.perf_counter() - due) * 1e3)

    for number in range(int(rate_per_second * seconds)):
        ahead = start + number / rate_per_second - time.perf_counter()
        if ahead > 0:
            await asyncio.sleep(ahead)
        if len(under_way) >= MOST_CONNECTIONS:
            unsent += 1
            continue
        task = asyncio.create_task(one(number))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.wait(under_way, timeout=30)
    pool.close()
    return {
        "unsent": unsent,
        "seconds": time.perf_counter() - start,
        "statuses": {s: _summary(t) for s, t in took_ms.items()},
    }


async def capacity(url: str, bodies: Sequence[bytes], seconds: float, clients: int = 8) -> float:
    """Requests that are answered each second when so many clients ask again as soon as they are answered."""
    pool, end, answered = _Pool(url), time.perf_counter() + seconds, 0

    async def client(number: int) -> None:
        nonlocal answered
        while time.perf_counter() < end:
            status = await pool.ask(bodies[(number := number + clients) % len(bodies)])
            answered += status == 200  # not in one line: it would add to what was counted before the wait

    await asyncio.gather(*(client(number) for number in range(clients)))
    pool.close()
    return answered / seconds


def _summary(took_ms: list[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    return {
        "count": len(ordered),
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[int(len(ordered) * 0.99)],
        "max_ms": ordered[-1],
    }


def main(arguments: list[str]) -> int:
    """Print what was found as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.request_path.open_loop", description="Offer requests.")
    parser.add_argument("--url", required=True, help="where to POST")
    parser.add_argument("--events", type=Path, required=True, help="file with one JSON body a line")
    parser.add_argument("--rate", type=float, help="requests a second; left out, as many as eight clients get answered")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    options = parser.parse_args(arguments)
    bodies = options.events.read_bytes().splitlines()
    if options.rate is None:
        found: object = asyncio.run(capacity(options.url, bodies, options.seconds))
    else:
        found = asyncio.run(offered(options.url, bodies, options.rate, options.seconds))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
