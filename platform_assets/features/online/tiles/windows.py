"""Window features of one event over a tree, from summaries and the events at the edges of windows.

Belongs here: where each window begins and ends among an entity's events, and its value. Does not belong here: the summaries
(`features/aggregation/summaries.py`), the tree (`tiles/tree.py`), the kernel, which gives the same values over all events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from platform_assets.declaration.time_zones import (
    MICROSECONDS_PER_DAY,
    UTC_ZONE,
    by_the_calendar,
    latest_by_the_calendar,
)
from platform_assets.features.aggregation.kernel import Float64Array, WindowPlan, features_of
from platform_assets.features.aggregation.summaries import Codes, Rows, SummaryLayout
from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.tiles.places import Bound


class EventRuns(Protocol):
    """An entity's events, as windows read them: a tree of pages in a store, or arrays."""

    def fetch(self, bounds: Sequence[Bound]) -> None:
        """Read what bounds lie in, all at once."""

    def runs(self, low: Bound, high: Bound, rows: Rows) -> tuple[Float64Array, list[Codes]]:
        """Summaries of runs that follow one another between two bounds, enough for some operations of the plan."""


@dataclass(frozen=True, eq=False)
class WindowGroup:
    """Operations of a plan over the same events, and whether they need different values.

    Attributes:
        rows: the operations.
        length: of the windows, in microseconds.
        delay: likewise.
        with_own: whether the row's own event counts.
        by_day: whether they cover whole days.
    """

    rows: Rows
    length: int
    delay: int
    with_own: bool
    by_day: bool


class TreeWindows:
    """A plan's windows over trees."""

    def __init__(self, plan: WindowPlan, summaries: SummaryLayout) -> None:
        """Take a plan and what summaries of its events hold."""
        self._plan, self._summaries = plan, summaries
        groups: dict[tuple[int, ...], list[int]] = {}
        for row, (length, delay, _, _, own, by_day) in enumerate(plan.windows.tolist()):
            needs_codes = summaries.requirements[row].codes is not None
            groups.setdefault((length, delay, own, by_day, needs_codes), []).append(row)
        self._groups = [
            WindowGroup(summaries.rows(rows), length, delay, bool(own), bool(by_day))
            for (length, delay, own, by_day, _), rows in groups.items()
        ]

    def values(self, tree: EventRuns, own: StateEvent) -> Float64Array:
        """Window features of an event, which counts once whether the tree holds it or not.

        Args:
            tree: the entity's events.
            own: the event.

        Returns:
            float64 [k], in the order of the plan's names; NaN stands for null.

        Raises:
            TreeMoved: the tree was written meanwhile.
            StateError: a page is damaged or not there.
        """
        bounds = [self._bounds(group, own) for group in self._groups]
        tree.fetch([bound for pair in bounds for bound in pair])
        alone = self._summaries.of_events(np.array([own.time]), np.array(own.values).reshape(-1, 1))
        results = self._plan.empties.copy()
        for group, (low, high) in zip(self._groups, bounds, strict=True):
            numbers, codes = tree.runs(low, high, group.rows)
            if group.with_own:
                numbers, codes = np.concatenate([numbers, alone.numbers[None]]), [*codes, alone.codes]
            if not len(numbers):
                continue
            for row in group.rows.numbers:
                value = self._summaries.value(row, numbers, codes, lambda time: (own.time - time) / 1e6)
                results[row] = results[row] if value is None else value
        return features_of(self._plan, results[:, None], np.array([True]))[:, 0]

    def _bounds(self, group: WindowGroup, own: StateEvent) -> tuple[Bound, Bound]:
        """Where windows begin and end, see `compiled_loops.find_bounds`; with a delay a declaration lets them end before the event."""
        zone = self._plan.zone if group.by_day else UTC_ZONE
        newest = own.time - group.delay
        if group.by_day:
            time = int(by_the_calendar(np.array([own.time], dtype=np.int64), zone)[0])
            newest = (time // MICROSECONDS_PER_DAY + 1) * MICROSECONDS_PER_DAY - 1 - group.delay
        low = Bound(latest_by_the_calendar(newest - group.length, zone))
        if not group.delay:
            return low, Bound(own.time, own.key)
        return low, Bound(latest_by_the_calendar(newest, zone))
