"""A clock with names: what was done, in which order, how long each step took, and how much CPU its commands did.

CPU is that of commands that ended within the step: what a service or a pod did that lives on is not in it.

Belongs here: measuring and printing steps. Does not belong here: any step (`chain.py`, `upgrade.py`).
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


def say(line: str) -> None:
    """A line that whoever started this sees at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass
class Timeline:
    """What was done, and how long it took.

    Attributes:
        began: the clock's reading at the beginning.
        steps: name, beginning, seconds, CPU-seconds of its commands and notes of each.
    """

    began: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, float, float, float, str]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """A step; what is put into the list stands beside it."""
        say(f"» {name}")
        started, cpu, notes = time.monotonic(), _cpu_of_commands(), list[str]()
        yield notes
        took, cpu = time.monotonic() - started, _cpu_of_commands() - cpu
        self.steps.append((name, started - self.began, took, cpu, "; ".join(notes)))
        say(f"  {took:.1f} s, {cpu:.1f} s of CPU {'; '.join(notes)}")

    def show(self) -> None:
        """The table."""
        say("\n     at        took         CPU  what")
        for name, at, took, cpu, notes in self.steps:
            say(f"{at:7.1f} s   {took:7.1f} s   {cpu:7.1f} s  {name}{f': {notes}' if notes else ''}")

    @property
    def seconds(self) -> float:
        """From the first step to now."""
        return time.monotonic() - self.began


def _cpu_of_commands() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
