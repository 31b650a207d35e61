"""What is asked of a home that was run: its champion, its tables, answers to recorded requests, one busy customer, a topic.

Belongs here: asking, and counting what is wrong. Does not belong here: running a home (`homes.py`), or the verdict (`__main__.py`).
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from benchmarks.back_ends.homes import EVENTS, PREDICTIONS, USE_CASE, Home, program
from benchmarks.unchanged.__main__ import VOLATILE, answers, table_digest
from platform_assets.declaration.loader import load_use_case
from platform_assets.declaration.prediction_log import FEATURE_PREFIX, SEGMENT_SUFFIX
from platform_assets.installation import Installation
from platform_assets.registry.base import CHAMPION
from platform_assets.registry.training_run import MODEL_DIGEST_TAG
from platform_assets.testing.kafka_broker import KafkaBroker

COLUMNS = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "amount")
KEY, TIME, CUSTOMER = COLUMNS[:3]
COUNTED = f"{FEATURE_PREFIX}customer_count_1d"
"""The customer's events within a day, the scored one included: one that is missing makes it smaller."""
CALLERS, CALLS_OF_EACH = 8, 50
FIRST_KEY = 950_000_000_000
STREAM_SECONDS = 180.0


@dataclass
class Busy:
    """What one customer's requests from many callers at once came to.

    Attributes:
        statuses: of the answers.
        lacking: answers that lack an event whose answer its caller had before this one was asked.
        wrong: answers that count an event which is later, or none at all.
    """

    statuses: list[int] = field(default_factory=list)
    lacking: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Call:
    """One request of the busy customer that was scored: when it was sent and answered, by this process's clock."""

    number: int
    sent: float
    ended: float


def installed(home: Home) -> Installation:
    """The home's parts."""
    return Installation.from_environment(dict(home.settings))


def content(home: Home, tables: Sequence[str], bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """The champion, the tables and the answers of a home that was run."""
    installation = installed(home)
    lake = installation.lake
    champion = installation.models.registry().by_alias(USE_CASE, CHAMPION)
    options = dict(lake.object_store) if "://" in lake.root else None
    places = {name: lake.uri(*name.split("/")) for name in tables}
    return {
        "models": {"champion": None if champion is None else champion.tags[MODEL_DIGEST_TAG]},
        "tables": {name: table_digest(place, options) for name, place in places.items()},
        "answers": answers(installation.serving.target().address(USE_CASE), bodies),
    }


def processes_of(home: Home) -> int:
    """How many of the service's processes run."""
    status = installed(home).serving.target().status().use_cases.get(USE_CASE)
    return 0 if status is None else sum(process.pid is not None for process in status.processes)


def parity_of(home: Home) -> tuple[int, int]:
    """Predictions of the replayed days that were compared with the offline path, and those that differ."""
    use_case = load_use_case(home.code / "platform_assets" / "defs" / USE_CASE)
    verdicts = installed(home).catalog(use_case).parity.read()
    return int(verdicts["predictions"].sum()), int(verdicts["unequal"].sum())


def ask_busily(home: Home, body: Mapping[str, Any]) -> Busy:
    """One customer's requests from many callers at once, and what each answer was made from.

    Args:
        home: whose service.
        body: a recorded request; the customer's requests follow it, a millisecond apart, each time taken as it is sent.
    """
    installation = installed(home)
    address = installation.serving.target().address(USE_CASE)
    begun = datetime.fromisoformat(body[TIME]) + timedelta(hours=1)
    result, lock, taken = Busy(), threading.Lock(), 0
    calls: list[Call] = []

    def ask() -> None:
        nonlocal taken
        with lock:
            number, taken = taken, taken + 1
        moment = (begun + timedelta(milliseconds=number)).isoformat()
        sent = time.monotonic()
        [answer] = answers(address, [{**body, TIME: moment, KEY: FIRST_KEY + number}])
        call = Call(number, sent, time.monotonic())
        status = int(json.loads(answer)["status"])
        with lock:
            result.statuses.append(status)
            calls.extend(
                [call] if status == HTTPStatus.OK else []
            )  # a refused one is no event that anybody could know of

    def ask_often() -> None:
        for _ in range(CALLS_OF_EACH):
            ask()

    ask()
    callers = [threading.Thread(target=ask_often) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    result.lacking, result.wrong = lacking_and_wrong(calls, _counted(installation))
    return result


def lacking_and_wrong(calls: Sequence[Call], counted: Mapping[int, float]) -> tuple[int, int]:
    """How many answers lack an event that their caller could have known of, and how many count one that is later.

    Args:
        calls: all of one customer's that were scored, the first of which was answered before the others were sent; their times rise with
            their numbers.
        counted: how many events each was made from, by number; one that is not in the log lacks them all.
    """
    lacking = wrong = 0
    for call in calls:
        earlier = [other for other in calls if other.number < call.number]
        found = counted.get(call.number, -math.inf) - counted.get(0, 0.0)
        lacking += found < sum(other.ended < call.sent for other in earlier)
        wrong += found > len(earlier)
    return lacking, wrong


def _counted(installation: Installation) -> dict[int, float]:
    """What each of the busy customer's answers counted, by the number of its request, from the prediction log."""
    found = {}
    for segment in installation.serving.log_folder(USE_CASE).glob(f"*{SEGMENT_SUFFIX}"):
        for line in segment.read_bytes().split(b"\n")[:-1]:
            row = json.loads(line)
            if row[KEY] >= FIRST_KEY:
                found[int(row[KEY]) - FIRST_KEY] = float(row[COUNTED])
    return found


def streamed(home: Home, broker: KafkaBroker, bodies: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """The same requests as messages of a topic, scored into another one: the committed answers by key.

    Each was answered before, by the service: the store has its event once, and the answer is made from what was known before it.
    """
    broker.produce(EVENTS, ((str(body[CUSTOMER]), json.dumps(body).encode()) for body in bodies))
    command = program("predict", "stream", USE_CASE)
    scoring = subprocess.Popen(
        command, env=home.environment, cwd=home.code, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + STREAM_SECONDS
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(bodies) and time.monotonic() < deadline and scoring.poll() is None:
            time.sleep(1.0)
            values = [json.loads(message.value()) for message in broker.committed(PREDICTIONS)]
            found = {int(value["event"][KEY]): value for value in values}
    finally:
        scoring.send_signal(signal.SIGTERM)
        scoring.wait(60)
    return found


def streamed_otherwise(
    bodies: Sequence[Mapping[str, Any]], given: Sequence[str], found: Mapping[int, Mapping[str, Any]]
) -> int:
    """How many of the service's answers the topic lacks or has otherwise."""
    return sum(
        json.loads(answer) != {"status": 200, **_kept(found.get(int(body[KEY]), {}))}
        for body, answer in zip(bodies, given, strict=True)
    )


def _kept(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what names the call, the build or the message."""
    return {name: value for name, value in answer.items() if name not in VOLATILE | {"event", "source"}}
