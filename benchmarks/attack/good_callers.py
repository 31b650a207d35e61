"""Good requests at a fixed rate, each with its outcome and the moment: who is to be answered whatever others do.

Belongs here: sending, and writing down what came back. Does not belong here: attacks (`bad_callers.py`, `accidents.py`), or verdicts.

    python -m benchmarks.attack.good_callers --url URL --events bodies.jsonl --outcomes outcomes.jsonl --until FILE --rate 50

Two lanes with a connection each take turns, so that a request that waits holds up half of the others at most; nothing is sent twice.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LANES = 2
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Outcome:
    """What became of one good request.

    Attributes:
        sent_at: `time.time()` when it was sent.
        ended_at: when its answer was there.
        status: of the answer, or the name of the error.
        number: which body it was, from 0.
    """

    sent_at: float
    ended_at: float
    status: str
    number: int

    @property
    def answered(self) -> bool:
        """Whether the caller got a score."""
        return self.status == "200"


def read_outcomes(path: Path) -> list[Outcome]:
    """Every outcome written so far."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Outcome(*json.loads(line)) for line in lines]


def _lane(url: str, bodies: Sequence[tuple[int, bytes]], rate: float, until: Path, outcomes: IO[str]) -> None:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS)
    start = time.monotonic()
    for turn, (number, body) in enumerate(bodies):
        if until.exists():
            return
        time.sleep(max(0.0, start + turn / rate - time.monotonic()))
        sent_at = time.time()
        try:
            connection.request("POST", parts.path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            status = type(error).__name__
        outcomes.write(json.dumps([sent_at, time.time(), status, number]) + "\n")
        outcomes.flush()


def _of_lane(bodies: Sequence[bytes], lane: int) -> Iterator[tuple[int, bytes]]:
    return ((number, body) for number, body in enumerate(bodies) if number % LANES == lane)


def main(arguments: list[str]) -> int:
    """Send until the bodies are used up or the file appears."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack.good_callers", description="Good requests.")
    parser.add_argument("--url", required=True, help="where to POST")
    parser.add_argument("--events", type=Path, required=True, help="one JSON body a line")
    parser.add_argument("--outcomes", type=Path, required=True, help="where outcomes are written, one a line")
    parser.add_argument("--until", type=Path, required=True, help="nothing is sent once this file exists")
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    options = parser.parse_args(arguments)
    bodies = options.events.read_bytes().splitlines()
    with options.outcomes.open("a", encoding="utf-8") as outcomes:
        lanes = [
            threading.Thread(
                target=_lane,
                args=(options.url, list(_of_lane(bodies, lane)), options.rate / LANES, options.until, outcomes),
            )
            for lane in range(LANES)
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
