"""CPU that parts of a training take: each fold of each candidate and of each trial.

Belongs here: measuring parts of what this process does. Does not belong here: what a step takes, memory and money (`monitoring/cost`).

The parts of one process that are under way at the same time, such as trials in threads, share its CPU equally as long as they are: what all
parts took is never more than the process did.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """What a part took.

    Attributes:
        seconds: by the clock.
        cpu_seconds: its share of this process's CPU, of all threads and of children that ended.
    """

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class PartOfTraining:
    """A part of a training, and what it took.

    Attributes:
        part: candidate, trial where it is of a search, and fold: `boosted/trial 3/fold 0`, `boosted/fold 2`, `boosted/fitted again`.
        effort: that it took.
    """

    part: str
    effort: Effort

    def plain(self) -> dict[str, str | float]:
        """Numbers by their names."""
        return {
            "part": self.part,
            "seconds": round(self.effort.seconds, 4),
            "cpu_seconds": round(self.effort.cpu_seconds, 4),
        }


class EffortMeter:
    """Measures parts of what this process does; may be asked by several threads."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._lock = threading.Lock()
        self._under_way: dict[object, float] = {}
        self._read = _cpu_seconds()

    @contextmanager
    def part(self) -> Iterator[Laps]:
        """Something that begins now; what is entered measures it until it is left."""
        key = object()
        with self._lock:
            self._share_out()
            self._under_way[key] = 0.0
        try:
            yield Laps(self, key)
        finally:
            with self._lock:
                self._share_out()
                del self._under_way[key]

    def taken(self, key: object) -> float:
        """CPU-seconds of a part since it began."""
        with self._lock:
            self._share_out()
            return self._under_way[key]

    def _share_out(self) -> None:
        now = _cpu_seconds()
        for key in self._under_way:
            self._under_way[key] += (now - self._read) / len(self._under_way)
        self._read = now


class Laps:
    """A part under way, measured piece by piece."""

    def __init__(self, meter: EffortMeter, key: object) -> None:
        """Begin the first piece."""
        self._meter, self._key = meter, key
        self._began, self._cpu_before = time.perf_counter(), 0.0

    def lap(self) -> Effort:
        """What was taken since the last lap, or since the part began."""
        now, cpu = time.perf_counter(), self._meter.taken(self._key)
        effort = Effort(now - self._began, cpu - self._cpu_before)
        self._began, self._cpu_before = now, cpu
        return effort


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
