"""10,000 events through every door, each door at a service of its own that begins with the same history.

Belongs here: staging, comparing, what is reported. Does not belong here: asking (`asking.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from benchmarks.common.deployed import DeployedUseCase, staged
from benchmarks.common.report import Bar, Topic
from benchmarks.doors.asking import DOORS
from benchmarks.doors.batch_and_stream import events_of
from benchmarks.doors.scores import Scores
from platform_assets.declaration import UseCase
from platform_assets.declaration.time_zones import days_of

ROWS_AT_A_TIME = 100
FIRST_DAY_ONLY = frozenset({"batch"})
TITLE = "One answer, whatever the door"


@dataclass(frozen=True)
class Asked:
    """What came through one door.

    Attributes:
        scores: in the order of the events.
        seconds: in all.
        events: how many of the first events were sent; None for all.
    """

    scores: Scores
    seconds: float
    events: int | None = None


def measure_doors(installation: DeployedUseCase, events: int, log: Callable[[str], None]) -> Topic:
    """The same events in the same order through each door, of the same release on copies of the same online store.

    Args:
        installation: a deployed use case; it is only read.
        events: how many.
        log: told of every door.
    """
    bodies = installation.bodies[:events]
    asked: dict[str, Asked] = {}
    for name, ask in DOORS.items():
        with staged(installation) as copy:
            started = time.perf_counter()
            sent = of_first_day(copy.use_case, bodies) if name in FIRST_DAY_ONLY else bodies
            scores = ask(copy, sent, ROWS_AT_A_TIME)
            asked[name] = Asked(scores, time.perf_counter() - started, len(sent))
        log(f"{name}: {len(scores)} events in {asked[name].seconds:.1f} s")
    return report(asked, bodies)


def report(asked: Mapping[str, Asked], bodies: Sequence[bytes]) -> Topic:
    """The topic's section."""
    first = next(iter(asked))
    rows, differing = [], {}
    for name, one in asked.items():
        events = len(bodies) if one.events is None else one.events
        differing[name] = differing_bits(asked[first].scores[:events], one.scores)
        rows.append([name, str(len(one.scores)), str(differing[name]), f"{1e3 * one.seconds / events:.2f}"])
    how = (
        f"{len(bodies)} events, one door after the other, one caller; the Open Inference Protocol with {ROWS_AT_A_TIME} rows a request. "
        "Each door is asked at the same release, staged once more on a copy of the same online store: every event finds the same "
        "history. That copy learns no labels from day to day, and the batch's lake has them all: it gets the events of the first day."
    )
    bars = [
        Bar(f"{name}: no bit of a score differs from {first}", f"{count} bits differ", count == 0)
        for name, count in differing.items()
        if name != first
    ]
    return Topic(TITLE, how, ("door", "events", "bits that differ", "ms for each event, one caller"), rows, bars)


def of_first_day(use_case: UseCase, bodies: Sequence[bytes]) -> Sequence[bytes]:
    """The events of the day on which the first one happened; bodies are in order of time."""
    days = events_of(use_case, bodies).select(days_of(pl.col(use_case.event_time), use_case.time_zone)).to_series()
    return bodies[: int((days == days[0]).sum())]


def differing_bits(one: Scores, other: Scores) -> int:
    """How many bits of the scores differ; all 64 of a score that is missing."""
    both = min(len(one), len(other))
    different = one[:both].view(np.uint64) ^ other[:both].view(np.uint64)
    counted = int(np.unpackbits(different.view(np.uint8)).sum())
    return counted + 64 * abs(len(one) - len(other))
