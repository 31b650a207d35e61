"""How soon an event is part of its entity's features: through Kafka's protocol and through the embedded queue.

Belongs here: sending events at a steady rate, following them into the online store, and when a look-up counts each. Does not belong
here: the world and its stores (`topic.py`).

    python -m benchmarks.online.fresh SPECIFICATION.json
    python -m benchmarks.online.fresh produce TOPIC EVENTS.jsonl

The first measures in the process it runs in and prints JSON. The second is a Kafka cluster (librdkafka's) with one producer: it
prints its address, waits for a line, then sends, and prints when it sent each event.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from platform_assets.cli.run.replay import request_body
from platform_assets.declaration import UseCase, load_use_case
from platform_assets.features.offline.feature_table import compute_view
from platform_assets.features.online.feast_connection import FeastSettings
from platform_assets.features.online.request_features import OnlineFeatures
from platform_assets.testing.child_process import ROOT

EVENTS_PER_SECOND = 500
KAFKA, QUEUE = "Kafka protocol", "embedded queue"
TOPIC, VARIABLE = "events", "BENCHMARK_BROKERS"
CHECKED = 500
START_SECONDS = 60.0


def _time_freshness(given: Mapping[str, Any]) -> dict[str, Any]:
    """Send a day's events at a steady rate; for each the time until a look-up counts it, in milliseconds."""
    from platform_assets.connectors.access import Access
    from platform_assets.features.streaming.event_sources import EventQueue, kafka_events
    from platform_assets.features.streaming.writer import StreamWriter

    use_case = _on_topic(load_use_case(Path(given["declaration"])))
    settings = FeastSettings.model_validate(given["feast"])
    today = pl.read_parquet(given["events"]).head(int(EVENTS_PER_SECOND * given["seconds"]))
    names = use_case.event_source.column_names
    events = [request_body(row) for row in today.select(names).to_dicts()]
    writer, online = StreamWriter(use_case, settings), OnlineFeatures(use_case, settings)
    writer.warm_up()
    online.warm_up()
    requests = today.select(use_case.serving.request).to_dicts()
    with tempfile.TemporaryDirectory() as scratch:
        if given["way"] == QUEUE:
            queue = EventQueue(use_case)
            sent: list[float] = []
            producer = threading.Thread(target=_send, args=(events, queue.put, sent), daemon=True)
            results = _followed(queue, writer, online, requests, producer.start)
            producer.join()
        else:
            file = Path(scratch) / "events.jsonl"
            file.write_text("".join(json.dumps(event) + "\n" for event in events))
            with _producer(file) as (brokers, start, result):
                access = Access(variables={VARIABLE: brokers})
                with kafka_events(use_case, access, writer.offsets.next_offsets) as source:
                    results = _followed(source, writer, online, requests, start)
                sent = result()
    done, cpu_seconds = results
    waits = (np.array(done) - np.array(sent)) * 1e3
    return {
        "events": len(events),
        "rate": len(events) / (max(sent) - min(sent)),
        "p50_ms": float(np.percentile(waits, 50)),
        "p99_ms": float(np.percentile(waits, 99)),
        "max_ms": float(waits.max()),
        "cpu_ms_per_event": cpu_seconds * 1e3 / len(events),
        "resident_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "unequal": _unequal(use_case, online, pl.read_parquet(given["history"]), today),
    }


def _followed(
    source: Any, writer: Any, online: OnlineFeatures, requests: Sequence[Mapping[str, Any]], start: Callable[[], object]
) -> tuple[list[float], float]:
    """Follow the stream until every event was written; when a look-up counted each, in order of the events, and CPU seconds."""
    from platform_assets.features.streaming.writer import ADDED, SEEN

    position = {str(request[writer._source.primary_key[0]]): number for number, request in enumerate(requests)}
    done = [float("nan")] * len(requests)
    left, started_cpu = len(requests), time.process_time()
    start()
    deadline = time.monotonic() + START_SECONDS + 4 * len(requests) / EVENTS_PER_SECOND
    while left:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{left} of {len(requests)} events never came into the online store")
        arrivals = source.take()
        if not arrivals:
            continue
        written = writer.write(arrivals)
        if written.counts[ADDED] + written.counts[SEEN] != len(arrivals):
            raise RuntimeError(f"{len(arrivals)} good events became {written}")
        numbers = [position[str(arrival.change.cells[writer._source.primary_key[0]])] for arrival in arrivals]
        online.vector(requests[numbers[-1]])  # a fresh value: read by the connections that serve requests
        now = time.monotonic()
        for number in numbers:
            left -= done[number] != done[number]
            done[number] = now if done[number] != done[number] else done[number]
    return done, time.process_time() - started_cpu


def _send(events: Sequence[Any], put: Callable[[Any], object], sent: list[float]) -> None:
    """Send events at a steady rate, noting when each was sent."""
    started = time.monotonic()
    for number, event in enumerate(events):
        wait = started + number / EVENTS_PER_SECOND - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        sent.append(time.monotonic())
        put(event)


@contextmanager
def _producer(file: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], list[float]]]]:
    """A Kafka cluster with a producer, in a process of its own: its address, how to start it, and when each event was sent."""
    command = [sys.executable, "-m", "benchmarks.online.fresh", "produce", TOPIC, str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def start() -> None:
        stdin.write("start\n")
        stdin.flush()

    def result() -> list[float]:
        results: list[float] = json.loads(stdout.readline())
        return results

    try:
        yield stdout.readline().strip(), start, result
    finally:
        process.terminate()
        process.wait(20)


def _produce(topic: str, file: Path) -> None:
    """Be the cluster: four partitions, an event's partition by its place."""
    from confluent_kafka import Producer

    producer = Producer({"test.mock.num.brokers": 1, "linger.ms": 5, "log_level": 0})
    producer.list_topics(topic, timeout=10)  # makes it
    brokers = producer.list_topics(timeout=10).brokers.values()
    sys.stdout.write(",".join(f"{broker.host}:{broker.port}" for broker in brokers) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    lines, sent, partition = file.read_text().splitlines(), list[float](), iter(range(1 << 60))

    def put(line: str) -> None:
        producer.produce(topic, line, partition=next(partition) % 4)
        producer.poll(0)

    _send(lines, put, sent)
    producer.flush(10)
    sys.stdout.write(json.dumps(sent) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def _on_topic(use_case: UseCase) -> UseCase:
    """The same use case, its events on the benchmark's topic."""
    document = use_case.model_dump(mode="json")
    for source in document["sources"]:
        if source["name"] == use_case.events:
            source["stream"] = {"kind": "kafka", "topic": TOPIC, "brokers": VARIABLE}
    return UseCase.model_validate(document)


def _unequal(use_case: UseCase, online: OnlineFeatures, history: pl.DataFrame, today: pl.DataFrame) -> int:
    """How many values of the day's last events differ from the offline computation, by a single bit."""
    last = today.tail(CHECKED)
    day = last["event_day"][0]
    unlabelled = today.with_columns(pl.lit(None, today.schema[use_case.label.column]).alias(use_case.label.column))
    events, keys = pl.concat([history, unlabelled]), list(use_case.event_source.primary_key)
    frame = last.select(keys)
    for view in use_case.features:
        results = compute_view(view, use_case, events, day, day).select(*keys, *view.feature_names)
        frame = frame.join(results, on=keys, how="left", maintain_order="left")
    expected = frame.select(pl.col(use_case.feature_names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    got = np.array([online.vector(row).values for row in last.select(use_case.serving.request).to_dicts()])
    return int((~((got == expected) | (np.isnan(got) & np.isnan(expected)))).sum())


def main(arguments: list[str]) -> int:
    """Measure in this process and print JSON, or be the cluster."""
    if arguments[0] == "produce":
        _produce(arguments[1], Path(arguments[2]))
        return 0
    sys.stdout.write(json.dumps(_time_freshness(json.loads(Path(arguments[0]).read_text()))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
