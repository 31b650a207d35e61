"""Numbers of pages: which are free, and since when.

Belongs here: giving numbers out and taking them back. Does not belong here: what lies under a number (`tiles/pages.py`).

A changed page is written under another number, and its old one is used again only after `REUSE_AFTER` further versions of the tree: a
reader that holds an older root still finds what that root names.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from platform_assets.features.online.tiles.pages import FREE

REUSE_AFTER = 16


class PageNumbers:
    """The numbers of a tree while a new version of it is written."""

    def __init__(self, next_number: int, free: Iterable[tuple[int, int, int]], version: int) -> None:
        """Take over what the version before left.

        Args:
            next_number: the least one that was never used.
            free: runs of numbers: first, count, and the version that gave them up; oldest first.
            version: the one that is written.
        """
        self.next_number = next_number
        self._free = deque(tuple(int(item) for item in run) for run in free)
        self._version = version

    def take(self) -> int:
        """A number that no reader looks under."""
        if self._free and self._free[0][2] + REUSE_AFTER <= self._version:
            first, count, version = self._free.popleft()
            if count > 1:
                self._free.appendleft((first + 1, count - 1, version))
            return first
        self.next_number += 1
        return self.next_number - 1

    def give(self, numbers: Iterable[int]) -> None:
        """These are not part of the tree any more."""
        for number in sorted(numbers):
            if self._free and self._free[-1][2] == self._version and sum(self._free[-1][:2]) == number:
                first, count, version = self._free.pop()
                self._free.append((first, count + 1, version))
            else:
                self._free.append((number, 1, self._version))

    def give_all_others(self, used: Iterable[int], until: int) -> None:
        """Every number below `until` that is neither free nor among these is not part of the tree any more."""
        taken = sorted([*((first, first + count) for first, count, _ in self._free), *((n, n + 1) for n in used)])
        at = 0
        for begin, end in [*taken, (until, until)]:
            if min(begin, until) > at:
                self._free.append((at, min(begin, until) - at, self._version))
            at = max(at, end)

    def free(self) -> np.ndarray[Any, np.dtype[np.void]]:
        """What is free, as a root keeps it."""
        return np.array(list(self._free), dtype=FREE)
