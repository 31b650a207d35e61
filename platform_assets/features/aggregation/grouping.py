"""Rows of one entity put together, as machine code.

Belongs here: the counting sort. Does not belong here: making codes of entities (`offline/feature_table.py`), windows
(`aggregation/compiled_loops.py`). Imports numba: import this module inside functions only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from platform_assets.features.aggregation.numba_functions import INTEGERS, compiled


@compiled(types.Tuple((types.int64[::1], types.int64[::1]))(INTEGERS, types.int64, types.int64))
def group_rows(codes: Any, smallest: int, count: int) -> Any:
    """Rows put together by code, in order within each: where each code begins, and the rows; a counting sort."""
    starts = np.zeros(count + 1, np.int64)
    for row in range(codes.shape[0]):
        starts[codes[row] - smallest + 1] += 1
    for code in range(count):
        starts[code + 1] += starts[code]
    free = starts[:-1].copy()
    order = np.empty(codes.shape[0], np.int64)
    for row in range(codes.shape[0]):
        code = codes[row] - smallest
        order[free[code]] = row
        free[code] += 1
    return starts, order
