"""10,000 events through every door, each door at a service of its own that begins with the same history.

Belongs here: staging, comparing, what is reported. Does not belong here: asking (`asking.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.common.deployed import DeployedUseCase, staged
from benchmarks.common.report import Bar, Topic
from benchmarks.doors.asking import DOORS
from benchmarks.doors.scores import Scores

ROWS_AT_A_TIME = 100
TITLE = "One answer, whatever the door"


@dataclass(frozen=True)
class Asked:
    """What came through one door."""

    scores: Scores
    seconds: float


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
            scores = ask(copy, bodies, ROWS_AT_A_TIME)
            asked[name] = Asked(scores, time.perf_counter() - started)
        log(f"{name}: {len(scores)} events in {asked[name].seconds:.1f} s")
    return report(asked, bodies)


def report(asked: Mapping[str, Asked], bodies: Sequence[bytes]) -> Topic:
    """The topic's section."""
    first = next(iter(asked))
    rows, differing = [], {}
    for name, one in asked.items():
        differing[name] = differing_bits(asked[first].scores, one.scores)
        rows.append([name, str(len(one.scores)), str(differing[name]), f"{1e3 * one.seconds / len(bodies):.2f}"])
    how = (
        f"{len(bodies)} events, one door after the other, one caller; the Open Inference Protocol with {ROWS_AT_A_TIME} rows a request. "
        "Each door is asked at the same release, staged once more on a copy of the same online store: every event finds the same history."
    )
    bars = [
        Bar(f"{name}: no bit of a score differs from {first}", f"{count} bits differ", count == 0)
        for name, count in differing.items()
        if name != first
    ]
    return Topic(TITLE, how, ("door", "events", "bits that differ", "ms for each event, one caller"), rows, bars)


def differing_bits(one: Scores, other: Scores) -> int:
    """How many bits of the scores differ; all 64 of a score that is missing."""
    both = min(len(one), len(other))
    different = one[:both].view(np.uint64) ^ other[:both].view(np.uint64)
    counted = int(np.unpackbits(different.view(np.uint8)).sum())
    return counted + 64 * abs(len(one) - len(other))
