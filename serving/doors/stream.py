"""Score the events of a topic: `python -m serving.doors.stream BENTO`.

Belongs here: the process, its loop, its stop and its numbers. Does not belong here: what becomes of a message (`messages.py`), or
transactions (`broker.py`).

A prediction reaches readers of committed messages once. Its line in the prediction log is written before, as for a request, and its
event recorded: a process that is killed in between leaves both, and the message is scored again under the same id, of which readers of
the log keep the later line. The online store remembers an event once, however often it is recorded.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.json_logs import fields_of_release, log_to_standard_error
from serving.slim_start import hide_all_but

if TYPE_CHECKING:
    from serving.doors.broker import Broker
    from serving.doors.messages import MessageOutcome, MessageScorer
    from serving.release import PackedRelease

logger = logging.getLogger("serving.doors.stream")

STARTUP_FAILED, CANNOT_GO_ON = 3, 4
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
REPORT_SECONDS = 30.0


class StreamMetrics:
    """What the stream tells Prometheus besides what every door does."""

    def __init__(self, use_case: str, registry: Any = None) -> None:
        """Register the metrics, from 0 on."""
        import prometheus_client

        from serving.doors.messages import REASONS

        registry = prometheus_client.REGISTRY if registry is None else registry
        text = "Messages that could not be scored and went to the dead-letter topic, by reason."
        dead = prometheus_client.Counter(
            "platform_assets_stream_dead_letters_total", text, ("use_case", "reason"), registry=registry
        )
        self.dead = {reason: dead.labels(use_case=use_case, reason=reason) for reason in REASONS}
        text = "Messages that were scored, their predictions committed."
        self.scored = prometheus_client.Counter(
            "platform_assets_stream_scored_total", text, ("use_case",), registry=registry
        ).labels(use_case=use_case)
        text = "Transactions that were given up, their messages scored again."
        self.rolled_back = prometheus_client.Counter(
            "platform_assets_stream_rolled_back_total", text, ("use_case",), registry=registry
        ).labels(use_case=use_case)
        text = "1 while the stream waits for brokers, online store or log."
        self.waiting = prometheus_client.Gauge(
            "platform_assets_stream_waiting", text, ("use_case",), registry=registry
        ).labels(use_case=use_case)


class Stream:
    """Scores messages until it is stopped; what cannot go on for now waits, and nothing is skipped."""

    def __init__(self, broker: Broker, scorer: MessageScorer, metrics: StreamMetrics) -> None:
        """Bring together topics and scoring."""
        self._broker, self._scorer, self._metrics = broker, scorer, metrics
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self.counts: Counter[str] = Counter()

    def connect(self, stop: threading.Event) -> None:
        """Wait until the brokers answer.

        Raises:
            StreamDoorError: they refuse, or lack a topic.
        """
        from serving.doors.broker import BrokersAway

        while not stop.is_set():
            try:
                self._broker.connect()
            except BrokersAway as error:
                self._wait(stop, str(error))
            else:
                self._go_on()
                return

    def run(self, stop: threading.Event) -> None:
        """Consume, score, produce, commit; a batch that was begun is ended before the stop.

        Raises:
            StreamDoorError: another process took over, or a topic cannot be used any more.
        """
        reported_at = time.monotonic()
        while not stop.is_set():
            self._batch(stop)
            if time.monotonic() - reported_at > REPORT_SECONDS:
                reported_at = time.monotonic()
                logger.info("%s", self)

    def _batch(self, stop: threading.Event) -> None:
        from serving.doors.broker import BrokersAway, TransactionGivenUp
        from serving.doors.messages import TryAgain

        try:
            messages = self._broker.take()
        except BrokersAway as error:
            self._wait(stop, str(error))
            return
        outcomes: list[MessageOutcome] = []
        reason = None
        for message in messages:
            try:
                outcomes.append(self._scorer.score(message))
            except TryAgain as error:
                reason = str(error)
                break
        if outcomes and not self._scorer.settle(stop):
            return
        if outcomes:
            try:
                self._broker.commit(outcomes)
            except TransactionGivenUp:
                self._metrics.rolled_back.inc()
                self._broker.rewind(messages)
                self._wait(stop, "a transaction was given up")
                return
            self._count(outcomes)
        if reason is not None:
            self._broker.rewind(messages[len(outcomes) :])
            self._wait(stop, reason)
        elif messages:
            self._go_on()

    def _count(self, outcomes: Iterable[MessageOutcome]) -> None:
        for outcome in outcomes:
            (self._metrics.scored if outcome.reason is None else self._metrics.dead[outcome.reason]).inc()
            self.counts["scored" if outcome.reason is None else f"dead letters ({outcome.reason})"] += 1

    def _wait(self, stop: threading.Event, reason: str) -> None:
        logger.error("%s; asked again in %g s", reason, self._pause_seconds)
        self._metrics.waiting.set(1)
        stop.wait(self._pause_seconds)
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, self._pause_seconds * 2)

    def _go_on(self) -> None:
        self._metrics.waiting.set(0)
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items())) or "nothing yet"


def stream_release(
    release: PackedRelease,
    code_folder: Path | None,
    stop: threading.Event,
    instance: int,
    environment: Mapping[str, str],
) -> int:
    """Score the events of the release's topic until stopped.

    Returns:
        0 after a stop, `CANNOT_GO_ON` where the topics cannot be used any more.

    Raises:
        StreamDoorError: it cannot begin: the declaration or the environment names no topic.
        PackedReleaseError, FeatureError, StoreUnavailable, OSError: the release cannot be started.
    """
    from serving.doors.broker import Broker, StreamDoorError, client_settings
    from serving.doors.messages import MessageScorer
    from serving.runtime import start_runtime
    from serving.settings import ServingSettings

    use_case, declared = release.use_case, release.use_case.serving.stream
    if declared is None:
        raise StreamDoorError(
            f"{use_case.name} declares no topics: `serving.mode: streaming` or `hybrid` with `serving.stream`"
        )
    clients = client_settings(declared, environment)
    runtime = start_runtime(release, code_folder, ServingSettings.from_environment(environment))
    broker = Broker(use_case.name, declared, clients, instance)
    stream = Stream(broker, MessageScorer(runtime), StreamMetrics(use_case.name))
    try:
        stream.connect(stop)
        logger.info("%s: scoring topic %s into %s", use_case.name, declared.events, declared.predictions)
        stream.run(stop)
    except StreamDoorError as error:
        logger.error("%s: %s", use_case.name, error)
        return CANNOT_GO_ON
    finally:
        logger.info("%s: %s", use_case.name, stream)
        broker.close()
        runtime.close()
    return 0


def main(arguments: list[str], environment: Mapping[str, str] = os.environ) -> int:
    """Stream until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m serving.doors.stream", description="Score the events of a topic.")
    parser.add_argument("bento", help="folder of the built Bento")
    parser.add_argument(
        "--instance", type=int, default=0, help="number that tells processes apart that share the topic"
    )
    parser.add_argument("--metrics-port", type=int, help="port of 127.0.0.1 that Prometheus may read")
    options = parser.parse_args(arguments)
    gc.disable()  # a tenth of the start; the warm-up turns it on again
    code = Path(options.bento) / "src"
    hide_all_but(code / "requirements.txt")
    log_to_standard_error(fields_of_release(code))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    from serving.__main__ import STARTUP_ERRORS
    from serving.doors.broker import StreamDoorError
    from serving.release import read_release

    try:
        if options.metrics_port is not None:
            import prometheus_client

            prometheus_client.start_http_server(options.metrics_port, "127.0.0.1")
        return stream_release(read_release(code / "release"), code, stop, options.instance, environment)
    except (*STARTUP_ERRORS, StreamDoorError) as error:
        logger.error("%s cannot be streamed: %s", options.bento, error)
        return STARTUP_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
