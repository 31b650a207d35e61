"""A long load on one service: requests one after the other, each latency kept, memory looked at in between.

Belongs here: the client and what it notes. Does not belong here: what is sent (`world.py`), or verdicts (`topic.py`).

Each client is a closed loop over one connection: it sends its next request when the last one was answered. So the service is as busy as
it can be, and nothing waits in line before it: what grows in a latency grew in the service.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import psutil
from numpy.typing import NDArray

TIMEOUT_SECONDS = 30.0
EXPECTED = frozenset({200, 422})


@dataclass
class SoakLog:
    """What was seen.

    Attributes:
        latencies_ms: float64 [n], of each request in the order in which it was sent; NaN where there was no answer.
        statuses: answers by status; 0 is none.
        memory: (requests sent, resident bytes of the service) over time.
        seconds: of the whole load.
    """

    latencies_ms: NDArray[np.float64]
    statuses: Counter[int] = field(default_factory=Counter)
    memory: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0


class Connection:
    """One HTTP connection that is kept; made anew after an error."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._place = (host, port)
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: ".encode()
        )
        self._socket: socket.socket | None = None

    def post(self, body: bytes) -> int:
        """Status of the answer; 0 when there was none."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._place, TIMEOUT_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
            return self._answer(self._socket)
        except OSError:
            self.close()
            return 0

    def go_away(self, body: bytes) -> None:
        """Send half a request and hang up."""
        self.close()
        with socket.create_connection(self._place, TIMEOUT_SECONDS) as half:
            half.sendall(self._head + str(len(body)).encode() + b"\r\n\r\n" + body[: len(body) // 2])

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, connection: socket.socket) -> int:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(connection)
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        while len(rest) < length:
            rest += self._more(connection)
        if b"connection: close" in lines:
            self.close()
        return int(lines[0].split()[1])

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError("hung up")
        return chunk


def soak(
    address: str,
    path: str,
    pid: int,
    bodies: Iterator[bytes],
    count: int,
    *,
    clients: int = 1,
    samples: int = 200,
    leave_every: int = 1000,
    log: Callable[[str], None],
) -> SoakLog:
    """Send `count` requests.

    Args:
        address: base URL of the service.
        path: where to POST.
        pid: of the service's process.
        bodies: what is sent, in order.
        count: how many requests.
        clients: closed loops at once.
        samples: how often memory is looked at.
        leave_every: after so many requests a caller goes away in the middle of one more.
        log: told of every tenth.
    """
    host, _, port = address.removeprefix("http://").partition(":")
    load = _Load(SoakLog(np.full(count, np.nan)), psutil.Process(pid), iter(range(count)), samples, leave_every, log)
    connections = [Connection(host, int(port), path) for _ in range(clients)]
    threads = [threading.Thread(target=load.client, args=(connection, bodies)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seen.seconds = time.perf_counter() - load.started
    load.seen.memory.sort()
    return load.seen


class _Load:
    """What the clients share: whose turn it is, and what was seen."""

    def __init__(
        self,
        seen: SoakLog,
        process: psutil.Process,
        numbers: Iterator[int],
        samples: int,
        leave_every: int,
        log: Callable[[str], None],
    ) -> None:
        self.seen, self.started = seen, time.perf_counter()
        self._process, self._numbers, self._leave_every, self._log = process, numbers, leave_every, log
        self._count = len(seen.latencies_ms)
        self._sample_every = max(1, self._count // samples)
        self._lock = threading.Lock()

    def client(self, connection: Connection, bodies: Iterator[bytes]) -> None:
        """Send until nothing is left."""
        while True:
            with self._lock:
                number = next(self._numbers, None)
                body = b"" if number is None else next(bodies)
            if number is None:
                return connection.close()
            sent = time.perf_counter()
            status = connection.post(body)
            self._note(number, status, (time.perf_counter() - sent) * 1e3)
            if (number + 1) % self._leave_every == 0:
                connection.go_away(body)

    def _note(self, number: int, status: int, latency_ms: float) -> None:
        done = number + 1
        with self._lock:
            self.seen.statuses[status] += 1
            if status:
                self.seen.latencies_ms[number] = latency_ms
            if done % self._sample_every == 0:
                self.seen.memory.append((done, self._process.memory_info().rss))
            if done % max(1, self._count // 10) == 0:
                rate = done / (time.perf_counter() - self.started)
                self._log(f"{done:,} requests, {rate:.0f} a second, {self.seen.memory[-1][1] / 1e6:.1f} MB")
