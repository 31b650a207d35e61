"""Window features of one event over a tree, from summaries and the events at the edges of windows.

Belongs here: where each window begins and ends among an entity's events, and its value. Does not belong here: the summaries
(`features/aggregation/summaries.py`), the tree (`tiles/tree.py`), the kernel, which gives the same values over all events.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platform_assets.declaration.time_zones import (
    MICROSECONDS_PER_DAY,
    UTC_ZONE,
    by_the_calendar,
    latest_by_the_calendar,
)
from platform_assets.features.aggregation.kernel import Float64Array, WindowPlan, features_of
from platform_assets.features.aggregation.summaries import SummaryLayout
from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.tiles.places import Bound
from platform_assets.features.online.tiles.tree import EventTree


@dataclass(frozen=True)
class Span:
    """The events of one or more operations of a plan: those between two bounds, and the row's own where it counts."""

    low: Bound
    high: Bound
    with_own: bool


class TreeWindows:
    """A plan's windows over trees."""

    def __init__(self, plan: WindowPlan, summaries: SummaryLayout) -> None:
        """Take a plan and what summaries of its events hold."""
        self._plan, self._summaries = plan, summaries

    @cached_property
    def _needs_codes(self) -> list[bool]:
        return [requirement.codes is not None for requirement in self._summaries.requirements]

    def values(self, tree: EventTree, own: StateEvent) -> Float64Array:
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
        groups: dict[tuple[Span, bool], list[int]] = {}
        for row, needs_codes in enumerate(self._needs_codes):
            groups.setdefault((self._span(row, own), needs_codes), []).append(row)
        tree.fetch([bound for span, _ in groups for bound in (span.low, span.high)])
        alone = self._summaries.of_events(np.array([own.time]), np.array(own.values).reshape(-1, 1))
        results = self._plan.empties.copy()
        for (span, _), rows in groups.items():
            numbers, codes = tree.runs(span.low, span.high, rows)
            if span.with_own:
                numbers, codes = np.concatenate([numbers, alone.numbers[None]]), [*codes, alone.codes]
            if not len(numbers):
                continue
            for row in rows:
                value = self._summaries.value(row, numbers, codes, lambda time: (own.time - time) / 1e6)
                results[row] = results[row] if value is None else value
        return features_of(self._plan, results[:, None], np.array([True]))[:, 0]

    def _span(self, row: int, own: StateEvent) -> Span:
        """The window of an operation, see `compiled_loops.find_bounds`; with a delay a declaration lets it end before the event."""
        length, delay, _, _, counts_own, by_day = (int(item) for item in self._plan.windows[row])
        zone = self._plan.zone if by_day else UTC_ZONE
        newest = own.time - delay
        if by_day:
            time = int(by_the_calendar(np.array([own.time], dtype=np.int64), zone)[0])
            newest = (time // MICROSECONDS_PER_DAY + 1) * MICROSECONDS_PER_DAY - 1 - delay
        low = Bound(latest_by_the_calendar(newest - length, zone))
        if not delay:
            return Span(low, Bound(own.time, own.key), bool(counts_own))
        return Span(low, Bound(latest_by_the_calendar(newest, zone)), with_own=False)
