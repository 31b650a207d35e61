"""What a piece of work costs: seconds, CPU seconds and memory.

Belongs here: measuring a call in this process, and reading back what a child process measured of itself. Does not belong
here: what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import psutil

Result = TypeVar("Result")

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.01
CHILD_TIMEOUT_SECONDS = 900.0


class ChildFailed(RuntimeError):
    """A process that was to measure something ended with an error; the message carries the end of what it said."""


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


def run_child(
    module: str,
    *arguments: str,
    environment: dict[str, str] | None = None,
    timeout_seconds: float = CHILD_TIMEOUT_SECONDS,
) -> dict[str, Any]:
    """Run `python -m module arguments` in a fresh process; the JSON object it prints as its last line.

    Raises:
        ChildFailed: it ended with an error or printed no object.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildFailed(f"{module} {' '.join(arguments)} took longer than {timeout_seconds:.0f} s") from error
    return child_result(module, done.returncode, done.stdout, done.stderr)


def child_result(module: str, returncode: int, output: str, errors: str) -> dict[str, Any]:
    """The JSON object in the last line of a child's output.

    Raises:
        ChildFailed: it ended with an error or printed no object.
    """
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if returncode == 0 and lines else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        told = "\n".join((output + errors).strip().splitlines()[-15:])
        raise ChildFailed(f"{module} ended with {returncode} and without a result:\n{told}")
    return found


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
