"""Load on a scoring address: an open loop at a fixed rate from one client that keeps its connection.

Belongs here: sending requests and summing up how they were answered. Does not belong here: starting what is measured, or
verdicts.

    python -m benchmarks.common.load_client --address http://127.0.0.1:8700 --use-case platform_assets/defs/card_fraud --count 3000

A request's latency counts from the moment it was due, not from when the client got round to sending it: a service that stalls is
charged for everything that had to wait (no coordinated omission).
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import random
import socket
import sys
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase, load_use_case

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class LoadResult:
    """How a load was answered.

    Attributes:
        sent: requests that were due and tried.
        answered: those with status 200.
        failed: all others.
        statuses: count by HTTP status, or by the kind of error when there was none.
        p50_ms: median latency of the answered, from when the request was due.
        p99_ms: the same, 99 of 100 are faster.
        max_ms: the slowest.
        seconds: how long the load took.
        rate_per_second: requests due per second.
    """

    sent: int
    answered: int
    failed: int
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    max_ms: float
    seconds: float
    rate_per_second: float


def run_load(url: str, bodies: Iterable[bytes], rate_per_second: float = 50.0, warm_up: int = 50) -> LoadResult:
    """Send bodies at a fixed rate over one connection; the first `warm_up` are sent but not counted.

    Args:
        url: where to POST.
        bodies: JSON bodies; each is sent once.
        rate_per_second: how many are due per second.
        warm_up: how many to leave out of the result.
    """
    client = _Client(url)
    statuses: Counter[str] = Counter()
    latencies_ms: list[float] = []
    start = time.perf_counter()
    counted_from = start
    for number, body in enumerate(bodies):
        due = start + number / rate_per_second
        _sleep_until(due)
        status = client.post(body)
        if number < warm_up:
            counted_from = time.perf_counter()
            continue
        statuses[status] += 1
        if status == "200":
            latencies_ms.append((time.perf_counter() - due) * 1e3)
    client.close()
    latencies_ms.sort()
    answered, sent = statuses["200"], statuses.total()
    return LoadResult(
        sent=sent,
        answered=answered,
        failed=sent - answered,
        statuses=dict(statuses),
        p50_ms=_quantile(latencies_ms, 0.5),
        p99_ms=_quantile(latencies_ms, 0.99),
        max_ms=_quantile(latencies_ms, 1.0),
        seconds=round(time.perf_counter() - counted_from, 3),
        rate_per_second=rate_per_second,
    )


class _Client:
    """One connection, kept open; opened again after an error."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> str:
        """Status of the answer, or the name of the error."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
                self._connection.connect()
                self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connection.request("POST", self._path, body, {"content-type": "application/json"})
            response = self._connection.getresponse()
            response.read()
            return str(response.status)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return type(error).__name__

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def made_up_events(use_case: UseCase, count: int, seed: int = 0, entities: int = 5000) -> Iterator[bytes]:
    """Request bodies with plausible values: event times after the history, keys below `entities`, amounts of everyday size.

    Primary keys are new in every run, so that no event has been recorded before.
    """
    random_ = random.Random(seed)
    first_key = time.time_ns() // 1000
    last_day = use_case.history.last_day or use_case.history.first_day
    moment = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) + timedelta(days=1)
    source = use_case.event_source
    for number in range(count):
        moment += timedelta(seconds=random_.expovariate(1.0))
        event: dict[str, Any] = {}
        for name in use_case.serving.request:
            column = source.column(name)
            if column.type == "datetime":
                event[name] = moment.isoformat()
            elif column.type == "date":
                event[name] = moment.date().isoformat()
            elif column.allowed is not None:
                event[name] = random_.choice(column.allowed)
            elif name in source.primary_key:
                event[name] = str(first_key + number) if column.type == "string" else first_key + number
            elif column.type == "string":
                event[name] = f"{name}-{random_.randrange(entities)}"
            elif column.type == "bool":
                event[name] = random_.random() < 0.5
            elif column.type == "float64":
                value = random_.lognormvariate(3.5, 0.8)
                event[name] = round(min(max(value, column.minimum or 0.0), column.maximum or value), 2)
            else:
                event[name] = int(min(random_.randrange(entities), column.maximum or entities))
        yield json.dumps(event).encode()


def _telling(bodies: Iterable[bytes], warm_up: int, started: Path) -> Iterator[bytes]:
    """The bodies; the file is made when the first one that counts is due next."""
    for number, body in enumerate(bodies):
        if number == warm_up:
            started.touch()
        yield body


def _sleep_until(due: float) -> None:
    ahead = due - time.perf_counter()
    if ahead > 0:
        time.sleep(ahead)


def _quantile(ordered: list[float], share: float) -> float:
    if not ordered:
        return float("nan")
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)


def main(arguments: list[str]) -> int:
    """Print the result as JSON; 1 when a request was not answered."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.common.load_client", description="Load on a scoring address."
    )
    parser.add_argument("--address", required=True, help="base URL, such as http://127.0.0.1:8700")
    parser.add_argument("--use-case", type=Path, required=True, help="folder or file of the declaration")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--count", type=int, default=1500, help="requests that are counted")
    parser.add_argument("--warm-up", type=int, default=50, help="requests before those")
    parser.add_argument("--seed", type=int, default=0, help="seed of the made-up events")
    parser.add_argument("--entities", type=int, default=5000, help="keys are drawn below this number")
    parser.add_argument("--events", type=Path, help="file with one JSON body a line, instead of made-up events")
    parser.add_argument("--started", type=Path, help="make this file when the warm-up is over")
    parser.add_argument("--until", type=Path, help="end early, as soon as this file exists")
    options = parser.parse_args(arguments)
    use_case = load_use_case(options.use_case)
    total = options.count + options.warm_up
    if options.events is not None:
        bodies: Iterable[bytes] = options.events.read_bytes().splitlines()[:total]
    else:
        bodies = list(made_up_events(use_case, total, options.seed, options.entities))
    if options.until is not None:
        bodies = itertools.takewhile(lambda _body: not options.until.exists(), bodies)
    if options.started is not None:
        bodies = _telling(bodies, options.warm_up, options.started)
    result = run_load(f"{options.address.rstrip('/')}/v1/{use_case.name}/score", bodies, options.rate, options.warm_up)
    sys.stdout.write(json.dumps(asdict(result)) + "\n")
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
