"""Window features of one request over its entity's history.

Belongs here: the request's own event put in its place, and the kernel called for it. Does not belong here: where the history comes from
(`online/request_features.py`), row features (`online/single_request.py`).
"""

from __future__ import annotations

import numpy as np

from platform_assets.features.aggregation.kernel import MICROSECONDS_PER_DAY, Float64Array, compute_windows
from platform_assets.features.entity_state import LATE_REQUEST_DAYS, EntityEvents, StateEvent, StateLayout


def reaches_back(history: EntityEvents, own: StateEvent, late_days: int = LATE_REQUEST_DAYS) -> bool:
    """Whether a history holds every event that a window of this event can reach; see `entity_state.py` on how far it goes back."""
    return not len(history) or own.time >= int(history.times[-1]) - late_days * MICROSECONDS_PER_DAY


def window_values(layout: StateLayout, history: EntityEvents, own: StateEvent) -> Float64Array:
    """Window features of an event over its entity's history, the event itself added in its place, once.

    Returns:
        float64 [k], in the order of the plan's names; NaN stands for null.
    """
    recorded = history.find(own)
    if recorded is not None:
        history = history.without(recorded)
    events, position = history.add(own)
    starts = np.array([0, len(events)], dtype=np.int64)
    values: Float64Array = compute_windows(layout.plan, events.times, starts, events.values, own.time, own.time)[
        :, position
    ]
    return values
