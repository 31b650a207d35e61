"""Callers at a fixed rate who write down every answer: which version gave it, which one the proxy says gave it, and when.

Belongs here: asking and writing down. Does not belong here: judging the answers (`topic.py`).
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CALLERS = 4
ENTITIES = 200


@dataclass(frozen=True)
class Answered:
    """One request.

    Attributes:
        request: its id.
        entity: whose it is.
        sent: when, by `time.monotonic`.
        answered: when the answer was there.
        version: what the service answered; empty where the request failed.
        header: the version that the proxy names.
        failure: why there is no answer; empty where there is one.
    """

    request: str
    entity: str
    sent: float
    answered: float
    version: str
    header: str
    failure: str = ""


@dataclass
class Callers:
    """Ask an address so many times a second, from a few connections, until they are told to stop."""

    address: str
    rate_per_second: float
    answers: list[Answered] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Callers:
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CALLERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, caller: int) -> None:
        place = urlsplit(self.address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        pause, due, number = CALLERS / self.rate_per_second, time.monotonic(), 0
        while not self._over.is_set():
            number += 1
            entity, request = f"c{(number * CALLERS + caller) % ENTITIES}", f"{id(self)}-{caller}-{number}"
            self.answers.append(_one(connection, place.path, entity, request))
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()


def _one(connection: http.client.HTTPConnection, path: str, entity: str, request: str) -> Answered:
    sent = time.monotonic()
    try:
        body = json.dumps({"customer": entity})
        connection.request("POST", f"{path}/score", body, {"x-request-id": request})
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answered(request, entity, sent, time.monotonic(), "", "", type(error).__name__)
    header = answer.getheader("x-service-version", "")
    if answer.status != 200:
        return Answered(request, entity, sent, time.monotonic(), "", header, f"status {answer.status}")
    return Answered(request, entity, sent, time.monotonic(), text, header)
