"""The parking lot's events as a topic, and the process that scores it.

Belongs here: what is sent, starting and killing the process, what came out. Does not belong here: the broker
(`platform_assets/testing/kafka_broker.py`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from platform_assets.declaration import UseCase
from platform_assets.deployment.packaging import BuiltBento, stream_command
from platform_assets.deployment.packaging.build import write_context
from platform_assets.testing.kafka_broker import KafkaBroker
from platform_assets_tests.serving.parking import DECLARATION, HERE, make_model, release_info, use_case
from serving.release import content_digest
from serving.settings import ServingSettings

FAKE_STORE = "fake_online_store:open_fake"
WAIT_SECONDS = 120.0
BEGUN = datetime(2024, 3, 31, 10, tzinfo=UTC)


def streamed_case(name: str) -> UseCase:
    """The use case, scored from topics of that name."""
    topics = {"brokers": "PARKING_BROKERS", "events": f"{name}-events", "predictions": f"{name}-scores"}
    return use_case(serving=DECLARATION["serving"] | {"mode": "hybrid", "stream": topics})


def release_folder(folder: Path, case: UseCase) -> BuiltBento:
    """What a Bento of the use case holds, without building one."""
    predictor = make_model(folder / "model")
    (folder / "bentos" / "parking" / "one" / "src").mkdir(parents=True)
    path = folder / "bentos" / "parking" / "one"
    write_context(path / "src", case, folder / "model", release_info(predictor), Path(__file__).parents[2])
    return BuiltBento("parking:one", path, content_digest(path / "src"), 0)


def event(number: int, lot: int) -> dict[str, Any]:
    """The event of that number; a lot's are in order of number and time."""
    at = BEGUN + timedelta(seconds=number)
    named = {"arrival": f"T-{number}", "arrived_at": at.isoformat(), "lot": lot, "speed": float(number % 90)}
    return {**named, "gate": "north", "electric": None}


@dataclass
class StreamWorld:
    """One use case with topics of its own, and the process that scores them."""

    folder: Path
    broker: KafkaBroker
    case: UseCase
    bento: BuiltBento
    process: subprocess.Popen[bytes] | None = None
    starts: int = field(default=0, init=False)

    @property
    def topics(self) -> tuple[str, str, str]:
        """Events, predictions, dead letters."""
        assert self.case.serving.stream is not None
        return self.case.serving.stream.topics

    def send(self, numbers: Iterator[int] | range, lots: int = 5) -> None:
        """Write events, keyed by lot."""
        lines = ((str(n % lots), json.dumps(event(n, n % lots + 1)).encode()) for n in numbers)
        self.broker.produce(self.topics[0], lines)

    def start(self) -> None:
        """Start the process as a target does."""
        fields = {
            "feast": {"folder": str(self.folder)},
            "log_folder": self.folder / "log",
            "online_features": FAKE_STORE,
        }
        command, environment = stream_command(self.bento, ServingSettings.model_validate(fields))
        environment["PYTHONPATH"] += os.pathsep + str(HERE)
        environment["PARKING_BROKERS"] = self.broker.brokers
        self.starts += 1
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self.bento.code_folder, env=os.environ | environment, stdout=output, stderr=output
            )

    @property
    def output(self) -> Path:
        """What the process printed."""
        return self.folder / "output.txt"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def eventually(self, seen: Callable[[], bool]) -> None:
        """Wait for what the process does."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not seen():
            assert time.monotonic() < deadline, f"did not happen:\n{self.output.read_text()[-3000:]}"
            time.sleep(0.02)

    def printed(self, words: str, times: int = 1) -> None:
        """Wait until the process prints something."""
        self.eventually(lambda: self.output.exists() and self.output.read_text().count(words) >= times)

    def answers(self) -> dict[bytes, list[dict[str, Any]]]:
        """Committed predictions by key, in the order in which a reader gets them."""
        found: dict[bytes, list[dict[str, Any]]] = defaultdict(list)
        for message in self.broker.committed(self.topics[1]):
            found[message.key()].append(json.loads(message.value()))
        return found

    def lines(self) -> list[dict[str, Any]]:
        """Whole lines of the prediction log."""
        texts = [path.read_text() for path in sorted((self.folder / "log").glob("*.jsonl"))]
        return [json.loads(line) for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]
