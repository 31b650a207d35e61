"""What this process takes while it works: CPU of all threads and of ended children, memory and GPUs over time, bytes read and written.

Belongs here: reading the operating system. Does not belong here: whose work it is (`orchestration/measured_steps.py`).

Work is measured as the difference of two readings, so that several pieces that one process does after another add up to the process, and
none is counted twice. Memory is looked at by a thread, every two seconds for the process and every four for its children; what lives
shorter is seen at the ends of each piece.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from platform_assets.monitoring.cost.gpus import GpuLook, gpus_here
from platform_assets.monitoring.cost.usage import Quantities

SAMPLE_SECONDS, CHILDREN_EVERY = 2.0, 2
"""Between two looks at the process's memory; and at its children's, each so many looks. A look takes the interpreter from the step for a
moment: on a machine with far more work than cores, two a second cost 4 % of the steps and more."""


class Meter:
    """Measures while it is entered; `lap` says what was taken since the last one."""

    def __init__(self, gpus: GpuLook | None = None) -> None:
        """Measure nothing yet; `gpus` are those of this machine where they are not given."""
        self._process, self.gpus = psutil.Process(), gpus or gpus_here()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._sample, name="memory of the run", daemon=True)
        self._gigabyte_seconds = self._children_gigabytes = self._gpu_seconds = 0.0
        self._looked_at = time.perf_counter()
        self._before = Quantities()

    def __enter__(self) -> Self:
        self._looked_at = time.perf_counter()
        self._before = self._now()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def lap(self) -> Quantities:
        """What was taken since the last lap, or since the meter was entered."""
        now = self._now()
        before, self._before = self._before, now
        return Quantities(
            seconds=now.seconds - before.seconds,
            cpu_seconds=now.cpu_seconds - before.cpu_seconds,
            gigabyte_seconds=now.gigabyte_seconds - before.gigabyte_seconds,
            gpu_seconds=now.gpu_seconds - before.gpu_seconds,
            read_bytes=now.read_bytes - before.read_bytes,
            written_bytes=now.written_bytes - before.written_bytes,
        )

    def _now(self) -> Quantities:
        self._look()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        moved = self._process.io_counters() if hasattr(self._process, "io_counters") else None
        return Quantities(
            seconds=time.perf_counter(),
            cpu_seconds=time.process_time() + children.ru_utime + children.ru_stime,
            gigabyte_seconds=self._gigabyte_seconds,
            gpu_seconds=self._gpu_seconds,
            read_bytes=getattr(moved, "read_chars", 0),
            written_bytes=getattr(moved, "write_chars", 0),
        )

    def _sample(self) -> None:
        looks = 0
        while not self._ended.wait(SAMPLE_SECONDS):
            looks += 1
            if looks % CHILDREN_EVERY == 0:
                self._children_gigabytes = _resident_of_children(self._process) / 1e9
            self._look()

    def _look(self) -> None:
        resident = self._process.memory_info().rss / 1e9 + self._children_gigabytes
        held = self.gpus.held(_family_of(self._process)) if self.gpus.count else 0
        with self._lock:
            now = time.perf_counter()
            self._gigabyte_seconds += resident * (now - self._looked_at)
            self._gpu_seconds += held * (now - self._looked_at)
            self._looked_at = now


def cpu_seconds_of_family() -> float:
    """CPU-seconds of this process and of its children: those that were waited for, and those that were not yet."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + waited.ru_utime + waited.ru_stime
    for child in _descendants(psutil.Process()):
        try:
            total += sum(child.cpu_times()[:4])
        except psutil.Error:
            continue  # ended, and was waited for, meanwhile
    return total


def _family_of(process: psutil.Process) -> set[int]:
    return {process.pid, *(child.pid for child in _descendants(process))}


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    """Children and theirs. The kernel lists those of a process, where psutil looks through all of the machine, which takes milliseconds."""
    try:
        numbers = _children_of(process.pid)
    except OSError:  # a kernel without these lists
        return process.children(recursive=True)
    found = []
    while numbers:
        number = numbers.pop()
        try:
            found.append(psutil.Process(number))
            numbers += _children_of(number)
        except (OSError, psutil.Error):
            continue  # ended meanwhile
    return found


def _children_of(number: int) -> list[int]:
    """Children of a process, by the thread that started each.

    Raises:
        OSError: there is no such process, or the kernel does not list them.
    """
    tasks = Path(f"/proc/{number}/task")
    lists = []
    for task in os.listdir(tasks):
        try:
            lists.append((tasks / task / "children").read_text())
        except ProcessLookupError:
            continue  # the thread ended meanwhile
    return [int(child) for text in lists for child in text.split()]


def _resident_of_children(process: psutil.Process) -> int:
    total = 0
    for child in _descendants(process):
        try:
            total += child.memory_info().rss
        except psutil.Error:
            continue  # ended meanwhile
    return total
