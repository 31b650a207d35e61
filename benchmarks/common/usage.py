"""What a piece of work costs: seconds, CPU seconds and memory.

Belongs here: measuring a call in this process. Does not belong here: what is measured, or running another process
(`platform_assets/testing/child_process.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import psutil

Result = TypeVar("Result")

SAMPLE_SECONDS = 0.01


@dataclass(frozen=True)
class Usage:
    """What something cost.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of all threads of the process.
        added_megabytes: peak of resident memory above what was resident before, in MB (10^6 bytes).
    """

    seconds: float
    cpu_seconds: float
    added_megabytes: float


def measured(work: Callable[[], Result]) -> tuple[Result, Usage]:
    """Do something once; what it returned and what it cost. Memory is looked at every 10 ms."""
    with _PeakMemory() as memory:
        started, cpu = time.perf_counter(), time.process_time()
        result = work()
        usage = Usage(time.perf_counter() - started, time.process_time() - cpu, 0.0)
    return result, Usage(usage.seconds, usage.cpu_seconds, memory.added_bytes / 1e6)


def median_usage(usages: Sequence[Usage]) -> Usage:
    """Each quantity's median."""
    return Usage(
        median(usage.seconds for usage in usages),
        median(usage.cpu_seconds for usage in usages),
        median(usage.added_megabytes for usage in usages),
    )


class _PeakMemory:
    """Resident memory of this process while the block runs, sampled by a thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak memory", daemon=True)
        self._before_bytes = self._peak_bytes = 0

    def __enter__(self) -> _PeakMemory:
        self._before_bytes = self._peak_bytes = self._resident_bytes()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    @property
    def added_bytes(self) -> int:
        """Peak above the memory before."""
        return self._peak_bytes - self._before_bytes

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        self._peak_bytes = max(self._peak_bytes, self._resident_bytes())

    def _resident_bytes(self) -> int:
        return int(self._process.memory_info().rss)
