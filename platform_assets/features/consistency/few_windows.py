"""Windows of a few events, without the compiled loops: loading these costs a process more than the events do.

Belongs here: which way is taken, and calling it. Does not belong here: either way (`aggregation/kernel.py`, `online/tiles/windows.py`):
both give the same values to the bit, and the service answers from both.
"""

from __future__ import annotations

import numpy as np

from platform_assets.features.aggregation.kernel import Float64Array, Int64Array, WindowPlan, compute_windows
from platform_assets.features.aggregation.summaries import SummaryLayout
from platform_assets.features.entity_state import StateEvent
from platform_assets.features.online.tiles.held import HeldEvents
from platform_assets.features.online.tiles.windows import TreeWindows

FEW_EVENTS = 10_000
"""Above so many events the compiled loops are worth their loading, about a second of computing: 10,000 take 0.2 s here."""


def windows_of_each(
    plan: WindowPlan, times: Int64Array, starts: Int64Array, values: Float64Array, asking: Int64Array
) -> Float64Array:
    """Window values of one event of each entity.

    Args:
        plan: k windows over c values.
        times: int64 [n], microseconds since 1970 UTC, ordered by entity, then time, then primary key.
        starts: int64 [m + 1], where each of the m entities begins in `times`; the last is n.
        values: float64 [c, n], NaN where a value is missing.
        asking: int64 [m], the place in `times` of the event of each entity that is asked about.

    Returns:
        float64 [k, m]; NaN stands for null.
    """
    if len(times) > FEW_EVENTS:
        return compute_windows(plan, times, starts, values, int(times.min()), int(times.max()))[:, asking]
    summaries = SummaryLayout(plan, most_codes=FEW_EVENTS)
    windows = TreeWindows(plan, summaries)
    out = np.empty((len(plan.names), len(asking)))
    for entity, place in enumerate(asking.tolist()):
        part = slice(int(starts[entity]), int(starts[entity + 1]))
        own = StateEvent(int(times[place]), (), tuple(values[:, place].tolist()))
        out[:, entity] = windows.values(HeldEvents(summaries, times[part], values[:, part], place - part.start), own)
    return out
