"""An entity's events in memory, read as its tree of pages is.

Belongs here: answering `TreeWindows` from arrays. Does not belong here: trees in a store (`tiles/tree.py`), windows (`tiles/windows.py`),
when few events are computed like this (`features/consistency/few_windows.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from platform_assets.features.aggregation.kernel import Float64Array, Int64Array
from platform_assets.features.aggregation.summaries import Codes, Rows, SummaryLayout
from platform_assets.features.online.tiles.places import Bound


class HeldEvents:
    """Events of one entity in order, one of which asks."""

    def __init__(self, summaries: SummaryLayout, times: Int64Array, values: Float64Array, own: int) -> None:
        """Take the events.

        Args:
            summaries: what summaries of the plan's events hold.
            times: int64 [n], microseconds, in order.
            values: float64 [c, n], NaN where missing.
            own: position of the event that asks: windows without delay end before it.
        """
        self._summaries, self._times, self._values, self._own = summaries, times, values, own

    def fetch(self, bounds: Sequence[Bound]) -> None:
        """Nothing: everything is here."""

    def runs(self, low: Bound, high: Bound, rows: Rows) -> tuple[Float64Array, list[Codes]]:
        """Summaries of the events between two bounds: one of all, or of each where that one does not hold enough."""
        begin, end = self._place(low), self._place(high)
        if end <= begin:
            return np.empty((0, self._summaries.width)), []
        whole = self._summaries.of_events(self._times[begin:end], self._values[:, begin:end], rows)
        if self._summaries.is_enough(rows, whole):
            return whole.numbers[None], [whole.codes]
        alone = [
            self._summaries.of_events(self._times[place : place + 1], self._values[:, place : place + 1], rows)
            for place in range(begin, end)
        ]
        return np.stack([one.numbers for one in alone]), [one.codes for one in alone]

    def _place(self, bound: Bound) -> int:
        if bound.key is not None:
            return self._own
        return int(np.searchsorted(self._times, bound.time, side="right"))
