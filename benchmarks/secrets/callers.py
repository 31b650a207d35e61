"""Callers at a fixed rate who show a token over TLS, and what became of each request.

Belongs here: sending. Does not belong here: what is rotated meanwhile (`rotations.py`).
"""

from __future__ import annotations

import http.client
import itertools
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

LANES = 8
"""Each waits for its answer: so many may be late before fewer are sent."""
TIMEOUT_SECONDS = 20.0
NEW_CONNECTION_EVERY = 5
"""Every fifth request opens a connection, so that certificates are looked at all the time."""


@dataclass
class Callers:
    """Callers under way.

    Attributes:
        port: of the address.
        path: that is asked.
        authority: certificate that the address's is checked by.
        token: what they show; may be changed at any time.
        outcomes: how many requests ended how: a status, or the name of an error; `degraded` is an answer without the store's features.
    """

    port: int
    path: str
    authority: Path
    token: str
    rate_per_second: float
    outcomes: Counter[str] = field(default_factory=Counter)
    certificates: Counter[str] = field(default_factory=Counter)
    latest_ms: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Send while the block runs."""
        lanes = [threading.Thread(target=self._lane, daemon=True) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        try:
            yield
        finally:
            self._stop.set()
            for lane in lanes:
                lane.join(TIMEOUT_SECONDS + 5)

    @property
    def failed(self) -> int:
        """Requests that got no score, or one without features."""
        return sum(number for outcome, number in self.outcomes.items() if outcome != "200")

    def _lane(self) -> None:
        trusted = ssl.create_default_context(cafile=str(self.authority))
        trusted.check_hostname = False  # the test's certificates name a host, and the address is a number
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS, context=trusted)
        start = time.monotonic()
        for turn in itertools.count():
            if self._stop.wait(max(0.0, start + turn * LANES / self.rate_per_second - time.monotonic())):
                return
            if turn % NEW_CONNECTION_EVERY == 0:
                connection.close()
            began = time.monotonic()
            self.outcomes[self._asked(connection)] += 1
            self.latest_ms.append(1e3 * (time.monotonic() - began))

    def _asked(self, connection: http.client.HTTPSConnection) -> str:
        number = next(self._numbers)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        event = {"payment": number, "at": at, "card": number % 50, "amount": 20.0}
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.token}"}
        try:
            connection.request("POST", self.path, json.dumps(event), headers)
            if connection.sock is not None:
                shown = connection.sock.getpeercert() or {}
                self.certificates[str(shown.get("serialNumber"))] += 1
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return type(error).__name__
        if answer.status != 200:
            return f"{answer.status} {body.decode(errors='replace')[:60]}"
        return "degraded" if json.loads(body).get("degraded") else "200"
