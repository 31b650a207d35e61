"""A clock with names: what was done, in which order, and how long each step took.

Belongs here: measuring and printing steps. Does not belong here: any step (`chain.py`, `upgrade.py`).
"""

from __future__ import annotations

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
        steps: name, beginning, seconds and notes of each.
    """

    began: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, float, float, str]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """A step; what is put into the list stands beside it."""
        say(f"» {name}")
        started, notes = time.monotonic(), list[str]()
        yield notes
        ended = time.monotonic()
        self.steps.append((name, started - self.began, ended - started, "; ".join(notes)))
        say(f"  {ended - started:.1f} s {'; '.join(notes)}")

    def show(self) -> None:
        """The table."""
        say("\n   at       took   what")
        for name, at, took, notes in self.steps:
            say(f"{at:7.1f} s {took:7.1f} s  {name}{f': {notes}' if notes else ''}")

    @property
    def seconds(self) -> float:
        """From the first step to now."""
        return time.monotonic() - self.began
