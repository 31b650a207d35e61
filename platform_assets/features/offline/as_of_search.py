"""The search of the as-of join, as machine code.

Belongs here: putting each entity's rows in order, and finding the newest that was known. Does not belong here: frames, names and
types (`offline/as_of.py`). Imports numba: import this module inside functions only.

A row asks for the last row of its entity that is not later than it, and, where times of knowledge are given, the last of those
known by its own. Going back one by one would be slow where much came late. So each row of the table points to the nearest
earlier one that was known before it (all between are known even later), and to one further back along these pointers, such that
any search takes a number of steps that grows with the logarithm of the history only (Myers, "An applicative random-access
stack", 1983).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from platform_assets.features.aggregation.numba_functions import INTEGERS, compiled

NONE = -1


@compiled(types.void(INTEGERS, types.int64[::1], INTEGERS, INTEGERS))
def order_histories(starts: Any, order: Any, times: Any, known: Any) -> None:
    """Put each entity's rows in order of time, then knowledge where it is given, then as they come; `order` is changed.

    `starts` and `order` are those of `group_rows`; `known` is empty where everything is known from its own time on.
    """
    for entity in range(starts.shape[0] - 1):
        begin, end = starts[entity], starts[entity + 1]
        sorted_already = True
        for position in range(begin + 1, end):
            before, now = order[position - 1], order[position]
            if times[now] < times[before] or (
                times[now] == times[before] and known.shape[0] > 0 and known[now] < known[before]
            ):
                sorted_already = False
                break
        if sorted_already:
            continue
        rows = order[begin:end].copy()
        if known.shape[0] > 0:
            keys = np.empty(end - begin, np.int64)
            for position in range(end - begin):
                keys[position] = known[rows[position]]
            rows = rows[np.argsort(keys, kind="mergesort")]
        keys = np.empty(end - begin, np.int64)
        for position in range(end - begin):
            keys[position] = times[rows[position]]
        order[begin:end] = rows[np.argsort(keys, kind="mergesort")]


@compiled()
def link(begin: int, end: int, known: Any, nearest: Any, further: Any, depth: Any) -> None:
    """For each position the nearest earlier one that was known before it, and one further back along these."""
    for position in range(begin, end):
        before = position - 1 if position > begin else NONE
        while before != NONE and known[before] >= known[position]:
            before = nearest[before]
        nearest[position] = before
        if before == NONE:
            further[position], depth[position] = NONE, 0
            continue
        depth[position] = depth[before] + 1
        beyond = further[before]
        far = further[beyond] if beyond != NONE else NONE
        near_step = depth[before] - (depth[beyond] if beyond != NONE else -1)
        far_step = (depth[beyond] if beyond != NONE else -1) - (depth[far] if far != NONE else -1)
        further[position] = far if beyond != NONE and near_step == far_step else before


@compiled(types.int64[::1](INTEGERS, INTEGERS, INTEGERS, INTEGERS, INTEGERS, INTEGERS, INTEGERS, types.int64))
def find_rows(
    codes: Any, row_times: Any, knowledge: Any, starts: Any, order: Any, times: Any, known: Any, longest_age: int
) -> Any:
    """For each row the index of the table row that it sees, or -1.

    Args:
        codes: int64 [n], each row's entity, or -1.
        row_times: int64 [n], each row's time in microseconds.
        knowledge: int64 [n], what was known when; empty where everything is known from its own time on.
        starts: int64 [m + 1] of `group_rows`.
        order: int64 [t], the table's rows by entity, time and knowledge.
        times: int64 [t], of the table's rows as they lie in the table.
        known: int64 [t], or empty.
        longest_age: above which a row does not count.
    """
    count = order.shape[0]
    ordered = np.empty(count, np.int64)
    for position in range(count):
        ordered[position] = times[order[position]]
    late = known.shape[0] > 0
    size = count if late else 0
    learned, nearest = np.empty(size, np.int64), np.empty(size, np.int64)
    further, depth = np.empty(size, np.int64), np.empty(size, np.int64)
    if late:
        for position in range(count):
            learned[position] = known[order[position]]
        for entity in range(starts.shape[0] - 1):
            link(starts[entity], starts[entity + 1], learned, nearest, further, depth)
    matches = np.full(codes.shape[0], NONE, np.int64)
    for row in range(codes.shape[0]):
        code = codes[row]
        if code < 0:
            continue
        begin, high = starts[code], starts[code + 1]
        low = begin
        while low < high:
            middle = (low + high) // 2
            if ordered[middle] <= row_times[row]:
                low = middle + 1
            else:
                high = middle
        position = low - 1 if low > begin else NONE
        if late:
            while position != NONE and learned[position] > knowledge[row]:
                beyond = further[position]
                position = beyond if beyond != NONE and learned[beyond] > knowledge[row] else nearest[position]
        if position != NONE and row_times[row] - ordered[position] <= longest_age:
            matches[row] = order[position]
    return matches
