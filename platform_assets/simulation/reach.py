"""Which terminals a customer reaches, without a list of them.

Belongs here: how many there are, and the one at a place in order of x. Does not belong here: who they are and what is paid
(`card_payments.py`), the loops (`reach_loops.py`).

A list of all pairs grows with customers times terminals: 39 million pairs in a world ten times the default one, 3.9 billion in one of a
hundred times. Terminals lie in vertical strips instead, each by y; a customer has a count for each strip that its circle meets, 22 numbers,
and a terminal is found in the one strip that holds its place. The order of x, and so what is drawn, is that of the list.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

_STRIPS_PER_RADIUS = 10
_MOST_STRIPS = 4096
"""Over the whole plane: a reach of next to nothing needs no strip of next to nothing."""


class TerminalsInReach:
    """The terminals within reach of customers.

    Attributes:
        counts: int64 [customers], how many each reaches.
    """

    def __init__(
        self, customers: dict[str, FloatArray], terminals: dict[str, FloatArray], radius: float, side: float
    ) -> None:
        """Put terminals into strips, and count.

        Args:
            customers: x and y of each.
            terminals: x and y of each.
            radius: a terminal is within reach when it is nearer than this.
            side: of the plane that all lie on.
        """
        from platform_assets.simulation.reach_loops import count_within

        self._radius, self._squared = radius, radius**2
        self._width = max(radius / _STRIPS_PER_RADIUS, side / _MOST_STRIPS)
        strips = int(side / self._width) + 1
        self._by_x = np.argsort(terminals["x"], kind="stable").astype(np.int64)
        ranks = np.empty_like(self._by_x)
        ranks[self._by_x] = np.arange(len(ranks))
        strip = np.floor(terminals["x"] / self._width).astype(np.int64)
        order = np.lexsort((terminals["y"], strip))
        self._ranks = ranks[order]
        self._xs, self._ys = terminals["x"][order], terminals["y"][order]
        self._starts = np.searchsorted(strip[order], np.arange(strips + 1)).astype(np.int64)
        self._from_x, self._from_y = customers["x"], customers["y"]
        met = int(np.ceil(2 * radius / self._width)) + 2
        self._in_strips = np.empty((len(self._from_x), met), dtype=np.int32)
        count_within(
            self._xs,
            self._ys,
            self._starts,
            self._width,
            radius,
            self._squared,
            self._from_x,
            self._from_y,
            self._in_strips,
        )
        self.counts: IntArray = self._in_strips.sum(axis=1, dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept: they grow with customers and with terminals, not with their product."""
        kept = (self._by_x, self._ranks, self._xs, self._ys, self._starts, self._in_strips, self.counts)
        return sum(array.nbytes for array in kept)

    def at(self, customers: IntArray, places: IntArray) -> IntArray:
        """Ids of terminals: for each of these customers the one at that place, from 0, of those within its reach in order of x.

        Args:
            customers: int64 [n], each with a terminal in reach.
            places: int64 [n], below the customer's count.
        """
        from platform_assets.simulation.reach_loops import pick_within

        picked = np.empty(len(customers), dtype=np.int64)
        if len(customers):
            longest = int(self._in_strips.max())
            pick_within(
                self._xs,
                self._ys,
                self._ranks,
                self._starts,
                self._width,
                self._radius,
                self._squared,
                self._from_x,
                self._from_y,
                self._in_strips,
                customers,
                places,
                longest,
                picked,
            )
        return self._by_x[picked]
