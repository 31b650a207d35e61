"""`platform-assets features stream`: the process that keeps the online store fresh.

Belongs here: settings, signals and progress messages. Does not belong here: what an event does (`features/streaming/writer.py`).
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from platform_assets.cli.console import console
from platform_assets.declaration.loader import declared_use_cases
from platform_assets.deployment.target import BESIDE
from platform_assets.installation import Installation
from platform_assets.settings import Settings, environment_variables, source_access

if TYPE_CHECKING:
    from platform_assets.declaration import UseCase
    from platform_assets.features.streaming.event_sources import EventQueue, EventSource, Offsets
    from platform_assets.features.streaming.writer import AppliedEvents

_REPORT_SECONDS = 10.0
_FORWARDED = ("PLATFORM_ASSETS_", "PYTHONPATH")


def stream_events(name: str, *, from_stdin: bool) -> None:
    """Bring events into the online store until interrupted, or until standard input ends.

    Raises:
        FeatureError: the use case keeps no state, or names no topic.
        StateError: the online store was not made from this declaration.
        SourceError: the topic cannot be read.
    """
    from platform_assets.features.streaming.writer import AppliedEvents, StreamWriter, run_stream

    settings = Settings.from_environment()
    use_case = declared_use_cases(name)[0].use_case
    feast = Installation(settings).feature_store
    writer, stop, total = StreamWriter(use_case, feast.settings(use_case)), threading.Event(), AppliedEvents()
    writer.warm_up()
    printed_at = [time.monotonic()]

    def report(written: AppliedEvents) -> None:
        total.add(written)
        if time.monotonic() - printed_at[0] > _REPORT_SECONDS:
            printed_at[0] = time.monotonic()
            console.print(f"{use_case.name}: {total}", markup=False)

    with stopping(stop), _source(use_case, writer.offsets.next_offsets, stop, from_stdin=from_stdin) as source:
        console.print(
            f"{use_case.name}: the online store follows the stream; Ctrl-C stops it, and it goes on where it stopped"
        )
        run_stream(source, writer, stop, report)
    console.print(f"{use_case.name}: {total}", markup=False)
    console.print("What an entity's features are now: platform-assets features show ENTITY --at TIME --online")


def detach_stream(name: str) -> None:
    """Have the local target's process manager keep the stream running."""
    from platform_assets.features.streaming.event_sources import stream_connector

    settings = Settings.from_environment()
    use_case = declared_use_cases(name)[0].use_case
    connector = stream_connector(use_case)
    if connector is None:
        raise ValueError(f"{name}: source {use_case.events!r} names no topic to follow; see docs/guide/online-store.md")
    target = Installation(settings).serving.target()
    command = [sys.executable, "-m", "platform_assets.cli", "features", "stream", name]
    log = target.keep_beside(_program(name), command, forwarded(connector.brokers), Path.cwd())
    console.print(f"{name}: the stream runs in the background, log {log}")
    console.print(f"To end it: platform-assets features stream {name} --end")


def end_stream(name: str) -> None:
    """Stop the stream in the background."""
    settings = Settings.from_environment()
    ended = Installation(settings).serving.target().end_beside(_program(name))
    console.print(f"{name}: {'the stream has ended' if ended else 'no stream runs in the background'}")
    console.print(f"To start it: platform-assets features stream {name} --detach")


def forwarded(brokers: str) -> dict[str, str]:
    """The variables that a process in the background needs: the brokers', and this project's."""
    given = environment_variables().items()
    return {key: value for key, value in given if key == brokers or key.startswith(_FORWARDED)}


def _program(name: str) -> str:
    return f"{BESIDE}stream-{name}"


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stop`, so that a batch is never cut."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _source(use_case: UseCase, offsets: Offsets, stop: threading.Event, *, from_stdin: bool) -> Iterator[EventSource]:
    from platform_assets.features.streaming.event_sources import EventQueue, kafka_events

    if not from_stdin:
        with kafka_events(use_case, source_access(), offsets) as events:
            yield events
        return
    queue = EventQueue(use_case)
    threading.Thread(target=_read_lines, args=(queue, stop), name="standard input", daemon=True).start()
    yield queue


def _read_lines(queue: EventQueue, stop: threading.Event) -> None:
    """Put each line of standard input; at its end stop once the queue is empty."""
    for line in sys.stdin.buffer:
        if line.strip():
            queue.put(line)
    queue.join()
    stop.set()
