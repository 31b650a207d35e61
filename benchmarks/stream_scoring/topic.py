"""Kills of the scoring process: nothing lost, nothing doubled, in order of key.

Belongs here: killing at random moments, and counting what readers of committed messages see. Does not belong here: the world (`world.py`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.common.report import Bar, Topic
from benchmarks.stream_scoring.world import BROKERS, LOTS, Event, make_release, make_store, use_case
from platform_assets.monitoring.prediction_log import read_segments
from platform_assets.testing.child_process import ROOT
from platform_assets.testing.kafka_broker import KafkaBroker, kafka_broker
from serving.settings import ServingSettings

KILLS = 200
EVENTS_BETWEEN_KILLS = 150
LONGEST_LIFE_SECONDS = 0.6
"""After the process has begun; a kill comes at any moment up to then: while a batch is scored, logged, recorded or committed. Where the
first life takes longer to its first commit, half as long again as that."""
SILENT_SECONDS = 60.0
"""What was not committed when none has been for so long is lost."""
START_SECONDS = 120.0


class Scoring:
    """The process that is killed."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._output = folder / "output.txt"
        command = [sys.executable, "-m", "benchmarks.stream_scoring.process", str(folder)]
        self._parent = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output.open("wb"),
            text=True,
        )
        self._process = 0
        self.starts = 0

    def start(self) -> None:
        """Start it, and wait until it has taken over the topic."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self.starts += 1
        self._parent.stdin.write("\n")
        self._parent.stdin.flush()
        self._process = int(self._parent.stdout.readline())
        deadline = time.monotonic() + START_SECONDS
        while self._output.read_text().count("scoring topic") < self.starts:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the stream does not start:\n{self._output.read_text()[-3000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        os.kill(self._process, signal.SIGKILL)

    def end(self) -> None:
        """Let it finish its batch, and end the one that starts it."""
        os.kill(self._process, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while Path(f"/proc/{self._process}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.close()

    def close(self) -> None:
        """End whatever is left."""
        if self._process and Path(f"/proc/{self._process}").exists():
            self.kill()
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait(30)


@contextmanager
def _world() -> Iterator[tuple[Path, KafkaBroker, Scoring]]:
    with tempfile.TemporaryDirectory(prefix="stream-scoring-") as name, kafka_broker() as broker:
        folder = Path(name)
        make_release(folder)
        settings = ServingSettings(feast=make_store(folder), log_folder=folder / "log")
        stream = use_case().serving.stream
        assert stream is not None
        broker.create(*stream.topics)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
        scoring = Scoring(folder, {**settings.to_environment(), **threads, BROKERS: broker.brokers})
        try:
            yield folder, broker, scoring
        finally:
            scoring.close()


def measure_stream_scoring(kills: int = KILLS, log: Callable[[str], None] = lambda line: None, seed: int = 0) -> Topic:
    """Kill the process so often, let the last one finish, and count."""
    chance, sent = random.Random(seed), 0
    with _world() as (folder, broker, scoring):
        began, longest = time.monotonic(), LONGEST_LIFE_SECONDS
        for kill in range(kills + 1):
            events = [Event(number) for number in range(sent, sent + EVENTS_BETWEEN_KILLS)]
            broker.produce("arrivals", ((event.key, event.value) for event in events))
            sent += len(events)
            scoring.start()
            if kill == 0:
                longest = max(longest, 1.5 * _until_committed(broker, 1))
            if kill < kills:
                time.sleep(chance.uniform(0.0, longest))
                scoring.kill()
            if kill % 20 == 19:
                log(f"{kill + 1} kills, {sent:,} events sent, {time.monotonic() - began:.0f} s")
        _until_committed(broker, sent)
        scoring.end()
        return _topic(folder, broker, sent, kills, longest, time.monotonic() - began)


def _until_committed(broker: KafkaBroker, count: int) -> float:
    """Seconds until so many predictions are committed, or none has been for a while."""
    began = changed = time.monotonic()
    seen = 0
    while seen < count and time.monotonic() - changed < SILENT_SECONDS:
        found = len(broker.committed("scores"))
        if found > seen:
            seen, changed = found, time.monotonic()
        time.sleep(0.05 if count == 1 else 1.0)
    return time.monotonic() - began


def _topic(folder: Path, broker: KafkaBroker, sent: int, kills: int, longest: float, seconds: float) -> Topic:
    answers: dict[bytes, list[dict[str, Any]]] = defaultdict(list)
    for message in broker.committed("scores"):
        answers[message.key()].append(json.loads(message.value()))
    given = Counter(answer["event"]["arrival"] for numbers in answers.values() for answer in numbers)
    lost, doubled = sent - len(given), sum(given.values()) - len(given)
    in_order = [key for key, numbers in answers.items() if _rises([answer["event"]["arrival"] for answer in numbers])]
    case = use_case()
    read = read_segments(folder / "log", case)
    unlogged = len(set(given) - set(read.frame["arrival"].to_list()))
    scores = dict(read.frame.select("arrival", "score").iter_rows())
    others = sum(
        abs(scores[answer["event"]["arrival"]] - answer["probability"]) > 1e-9
        for numbers in answers.values()
        for answer in numbers
        if answer["event"]["arrival"] in scores
    )
    counted = _events_in_store(folder, sent)
    rows = [
        ["events sent", f"{sent:,}"],
        ["kills (SIGKILL)", f"{kills}"],
        ["predictions that readers of committed messages see", f"{sum(given.values()):,}"],
        ["lines of the prediction log, of which the reader keeps one for each message", f"{read.lines_read:,}"],
        ["lines of a message that was scored again after a kill", f"{read.duplicate_lines:,}"],
        ["seconds in all", f"{seconds:.0f}"],
    ]
    bars = [
        Bar("0 messages lost", f"{lost}", lost == 0),
        Bar("0 predictions doubled", f"{doubled}", doubled == 0),
        Bar("in order in every key", f"{len(in_order)} of {LOTS} keys", len(in_order) == LOTS),
        Bar(
            "each prediction in the log, with the score that was committed",
            f"{unlogged} lack, {others} differ",
            not unlogged + others,
        ),
        Bar("each event once in the online store", f"{counted:,} of {sent:,}", counted == sent),
    ]
    how = (
        "One process scores a topic of three partitions into another one, on a real broker and an online store on SQLite; after each "
        f"start {EVENTS_BETWEEN_KILLS} further events wait, and it is killed at a random moment within {longest:.1f} s. "
        "It is forked from a process that has its libraries loaded, so that hundreds of kills fit in minutes. What is counted is what a "
        "reader of committed messages gets at the end."
    )
    return Topic("A stream under kill -9", how, ("", ""), rows, bars)


def _rises(numbers: list[int]) -> bool:
    return all(before < after for before, after in pairwise(numbers))


def _events_in_store(folder: Path, sent: int) -> int:
    """How many events the lots' states count at the end: each lot's window of a day, asked with one more event."""
    from datetime import timedelta

    from benchmarks.stream_scoring.world import BEGUN
    from platform_assets.features.online.feast_connection import FeastSettings
    from platform_assets.features.online.request_features import OnlineFeatures

    case = use_case()
    settings = FeastSettings(
        project=case.name,
        registry=f"sqlite:///{folder / 'registry.db'}",
        online_store={"type": "sqlite", "path": "online.db"},
        home=str(folder),
    )
    online, place = OnlineFeatures(case, settings), case.feature_names.index("lot_count_1d")
    at = BEGUN + timedelta(milliseconds=100 * sent)
    total = 0
    for lot in range(LOTS):
        event = {"arrival": 10**9 + lot, "arrived_at": at, "lot": lot, "speed": 1.0}
        total += int(online.vector(event).values[place]) - 1
    return total
