"""Curves as plain values, shortened.

Belongs here: which points stay. Does not belong here: drawing them.
"""

from __future__ import annotations

import numpy as np

from platform_assets.tasks.metric import Vector


def thinned(values: Vector, points: int) -> list[float]:
    """At most so many values of a curve, its ends included, to six decimals."""
    keep = np.unique(np.linspace(0, len(values) - 1, min(points, len(values))).astype(int))
    return [round(float(value), 6) for value in values[keep]]
