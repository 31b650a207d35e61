"""Callers who mean harm, on loopback and bounded in number and time: wrong bodies of up to 1 MB, and connections that say little.

Belongs here: sending it. Does not belong here: accidents below the service (`accidents.py`), or verdicts.

    python -m benchmarks.attack.bad_callers bodies --url URL --seconds 20
    python -m benchmarks.attack.bad_callers slow --url URL --seconds 20
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import resource
import selectors
import socket
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence

WRONG_CONNECTIONS = 16
SLOW_CONNECTIONS = 1_100
MOST_BYTES = 1_000_000
TIMEOUT_SECONDS = 30.0


def wrong_body(random_: random.Random) -> tuple[bytes, str]:
    """One wrong body of up to a megabyte, and its content type."""
    size = int(10 ** random_.uniform(0, 6))
    json_type = "application/json"
    kinds: Sequence[Callable[[], tuple[bytes, str]]] = (
        lambda: (random_.randbytes(size), json_type),
        lambda: (b"[" * min(size, 100_000), json_type),
        lambda: (b'{"a":' * min(size // 5, 20_000) + b"1", json_type),
        lambda: (json.dumps({f"field_{n}": n for n in range(size // 16)}).encode(), json_type),
        lambda: (json.dumps({"amount": "9" * size}).encode()[:MOST_BYTES], json_type),
        lambda: (b'{"amount": ' + b"1" * max(1, size - 20) + b"}", json_type),
        lambda: (b"{}", json_type),
        lambda: (b"", json_type),
        lambda: (b"<xml/>" * (size // 6), "application/xml"),
        lambda: (json.dumps([{"x": None}] * (size // 12)).encode(), json_type),
        lambda: (('{"' + "\\ud800" * (size // 6) + '": 1}').encode(), json_type),
    )
    return random_.choice(kinds)()


def send_wrong_bodies(url: str, seconds: float) -> dict[str, int]:
    """Statuses that wrong bodies got, from 16 connections for so long."""
    statuses: Counter[str] = Counter()
    over = time.monotonic() + seconds
    callers = [
        threading.Thread(target=_wrong_caller, args=(url, over, seed, statuses)) for seed in range(WRONG_CONNECTIONS)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return dict(sorted(statuses.items()))


def _wrong_caller(url: str, over: float, seed: int, statuses: Counter[str]) -> None:
    parts, random_ = urllib.parse.urlsplit(url), random.Random(seed)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS)
    while time.monotonic() < over:
        body, content_type = wrong_body(random_)
        try:
            connection.request("POST", parts.path, body, {"content-type": content_type})
            answer = connection.getresponse()
            answer.read()
            statuses[str(answer.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            statuses[type(error).__name__] += 1


def hold_slow_connections(url: str, seconds: float) -> dict[str, int]:
    """Hold 1,100 connections that send nothing, half a header or half a body, byte by byte; how they ended."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * SLOW_CONNECTIONS)), hard))
    parts = urllib.parse.urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nhost: x\r\n"
    openings = ("", head + "x-slow: ", head + "content-type: application/json\r\ncontent-length: 50000\r\n\r\n{")
    ended: Counter[str] = Counter()
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for number in range(SLOW_CONNECTIONS):
            caller = stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10))
            caller.sendall(openings[number % len(openings)].encode())
            caller.setblocking(False)
            selector.register(caller, selectors.EVENT_READ, number % len(openings))
        over, beat = time.monotonic() + seconds, time.monotonic()
        while time.monotonic() < over and selector.get_map():
            for key, _ in selector.select(timeout=0.1):
                with contextlib.suppress(OSError):
                    answer = key.fileobj.recv(4096)  # type: ignore[union-attr]
                    ended[answer[9:12].decode() or "closed"] += 1
                selector.unregister(key.fileobj)
            if time.monotonic() - beat > 1.0:
                beat = time.monotonic()
                for key in list(selector.get_map().values()):
                    if key.data:
                        with contextlib.suppress(OSError):
                            key.fileobj.send(b"a")  # type: ignore[union-attr]
        ended["held to the end"] = len(selector.get_map())
    return dict(sorted(ended.items()))


def main(arguments: list[str]) -> int:
    """Print how the callers ended as JSON."""
    kinds = {"bodies": send_wrong_bodies, "slow": hold_slow_connections}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack.bad_callers", description="Bad callers.")
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("--url", required=True, help="where to send")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long")
    options = parser.parse_args(arguments)
    if urllib.parse.urlsplit(options.url).hostname != "127.0.0.1":
        parser.error("only 127.0.0.1 is attacked")
    sys.stdout.write(json.dumps(kinds[options.kind](options.url, options.seconds)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
