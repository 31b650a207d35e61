"""How traffic moves from the version that serves to a new one.

Belongs here: the one Protocol that every strategy has, and the plain replacement, which is the default. Does not belong here: other
strategies (a file each, named in `registry.py`), or taking the steps (`machine.py`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

FULL_WEIGHT = 100


class Strategy(Protocol):
    """How traffic moves to a new version that started and passed its probe."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The new version's traffic in percent after each step; strictly rising within 1..100, the last one 100."""


@dataclass(frozen=True)
class Replace:
    """All traffic at once."""

    @property
    def steps(self) -> tuple[int, ...]:
        """One step to everything."""
        return (FULL_WEIGHT,)


REPLACE = Replace()


def check_steps(steps: tuple[int, ...]) -> None:
    """Refuse steps that no rollout can take.

    Raises:
        ValueError: they are empty, do not rise, leave the range or do not end at 100.
    """
    rising = all(earlier < later for earlier, later in itertools.pairwise(steps))
    if not steps or not rising or steps[0] < 1 or steps[-1] != FULL_WEIGHT:
        raise ValueError(f"steps must rise within 1..100 and end at 100, got {steps}")
