"""The compiled loops behind `aggregation/kernel.py`.

Belongs here: what numba compiles, and nothing else. Does not belong here: arrays' preparation (`aggregation/kernel.py`). Imports numba,
which takes half a second: import this module inside functions only.

Every aggregate of a window depends on the events in that window alone, never on where the history begins or on the order of
additions: that is why the online path, which sees a short history, gives the same bits. Sums are exact and rounded once:

- doubles are whole numbers times powers of two. Where the values of an entity fit a common grid of 127 bits, they are added up
  as whole numbers from the first event on, and a window's sum is the difference of two such prefixes: no rounding, and the same
  cost for any length of the window;
- where they do not fit (magnitudes more than some 19 decimal digits apart), a window is added up by Shewchuk's algorithm
  (Adaptive Precision Floating-Point Arithmetic, 1997), which also yields the correctly rounded sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from platform_assets.features.aggregation.numba_functions import INTEGERS, compiled, read_only, read_only_table
from platform_assets.features.aggregation.operations import COUNT, DISTINCT, LAST, MAX, MIN, SINCE, STD, SUM

MANTISSA = np.uint64((1 << 52) - 1)
IMPLICIT_ONE = np.uint64(1 << 52)
EXPONENT = np.uint64(0x7FF)
ZERO, ONE, FRACTION_BITS, WORD_BITS = np.uint64(0), np.uint64(1), np.uint64(52), np.uint64(64)
EXPONENT_BIAS = 1075  # a double with exponent bits e is its 53-bit whole number times 2^(e - 1075)
LEAST_EXPONENT, LARGEST_EXPONENT = 64, 1900  # between them neither grid nor sums can underflow or overflow
NO_GRID, POWERS = -1, np.array([2.0**power for power in range(64)])
MOST_PARTIALS, DAY = 64, 86_400_000_000
SPLITTER, LEAST_SQUARED, LARGEST_SQUARED = (
    134_217_729.0,
    2.0**-300,
    2.0**480,
)  # see `grown_by_product`, `fill_deviations`


@compiled()
def first_after(times: Any, begin: int, end: int, time: int) -> int:
    """The first index in [begin, end) whose time is later than `time`; `end` when there is none."""
    while begin < end:
        middle = (begin + end) // 2
        if times[middle] <= time:
            begin = middle + 1
        else:
            end = middle
    return begin


@compiled()
def newest_time(time: int, delay: int, by_day: int) -> int:
    """The newest time that a window of a row at `time` covers; `by_day` the last one of a UTC day."""
    return (time // DAY + 1) * DAY - 1 - delay if by_day else time - delay


@compiled()
def find_bounds(
    times: Any, begin: int, end: int, first: int, stop: int, length: int, delay: int, own: int, by_day: int, lows: Any,
    highs: Any,
) -> None:  # fmt: skip
    """The window [low, high) of each row in [first, stop); both bounds only move forward."""
    newest = newest_time(times[first], delay, by_day)
    low, high = first_after(times, begin, end, newest - length), first_after(times, begin, end, newest)
    for row in range(first, stop):
        newest = newest_time(times[row], delay, by_day)
        while low < end and times[low] <= newest - length:
            low += 1
        if delay == 0:
            high = row + own
        else:
            while high < end and times[high] <= newest:
                high += 1
        lows[row - first] = min(low, high)
        highs[row - first] = high


@compiled()
def find_present(values: Any, begin: int, end: int, seen: Any, latest: Any) -> None:
    """Prefix counts of values that are there, and for each event the newest one up to itself with a value; -1 where there is none."""
    count, newest = 0, -1
    seen[0] = 0
    for event in range(begin, end):
        if values[event] == values[event]:
            count, newest = count + 1, event
        seen[event - begin + 1], latest[event - begin] = count, newest


@compiled()
def add_up(bits: Any, values: Any, begin: int, end: int, sums_high: Any, sums_low: Any) -> Any:
    """Exact prefix sums as 128-bit whole numbers; returns the grid's exponent bits, or NO_GRID where they do not fit."""
    least: Any = 4096
    largest: Any = -1
    for event in range(begin, end):
        value = values[event]
        if value != value or value == 0.0:
            continue
        exponent = np.int64((bits[event] >> FRACTION_BITS) & EXPONENT)
        least, largest = min(least, exponent), max(largest, exponent)
    if largest < 0:  # no value but zeros
        least = largest = EXPONENT_BIAS
    room = 73
    count = end - begin
    while count > 0:
        count >>= 1
        room -= 1
    if least < LEAST_EXPONENT or largest > LARGEST_EXPONENT or largest - least > room:
        return NO_GRID
    high, low = ZERO, ZERO
    sums_high[0], sums_low[0] = high, low
    for event in range(begin, end):
        value = values[event]
        if value == value and value != 0.0:
            number = (bits[event] & MANTISSA) | IMPLICIT_ONE
            shift = ((bits[event] >> FRACTION_BITS) & EXPONENT) - np.uint64(least)
            if shift < WORD_BITS:  # in two steps: a shift by 64 bits would leave the number as it is
                added_high, added_low = number >> ONE >> (WORD_BITS - ONE - shift), number << shift
            else:
                added_high, added_low = number << (shift - WORD_BITS), ZERO
            if value < 0.0:
                added_low = ~added_low + ONE
                added_high = ~added_high + (ONE if added_low == ZERO else ZERO)
            low = low + added_low
            high = high + added_high + (ONE if low < added_low else ZERO)
        sums_high[event - begin + 1], sums_low[event - begin + 1] = high, low
    return least


@compiled()
def rounded(high: Any, low: Any, scale: float) -> float:
    """A 128-bit whole number times `scale`, a power of two, rounded once to the nearest double, ties to even."""
    negative = (high >> np.uint64(63)) != ZERO
    if negative:
        low = ~low + ONE
        high = ~high + (ONE if low == ZERO else ZERO)
    if high == ZERO:
        result = np.float64(low) * scale
    else:
        width = 0
        rest = high
        while rest != ZERO:
            rest = rest >> ONE
            width += 1
        shift = np.uint64(width)
        top = (high << (WORD_BITS - shift)) | (low >> shift)
        if low & ((ONE << shift) - ONE) != ZERO:
            top = top | ONE  # what lies below still tells a tie from more than a tie
        result = np.float64(top) * POWERS[width] * scale
    return -result if negative else result


@compiled()
def grown(partials: Any, count: int, value: float) -> int:
    """One more summand in an exact sum, kept as `count` doubles that do not overlap; returns their new number (Shewchuk)."""
    kept = 0
    for position in range(count):
        other = partials[position]
        if abs(value) < abs(other):
            value, other = other, value
        total = value + other
        rest = other - (total - value)
        if rest != 0.0:
            partials[kept] = rest
            kept += 1
        value = total
    partials[kept] = value
    return kept + 1


@compiled()
def rounded_partials(partials: Any, count: int) -> Any:
    """An exact sum rounded once to the nearest double, ties to even."""
    if count == 0:
        return 0.0
    position = count - 1
    total, rest = partials[position], 0.0
    while position > 0:
        position -= 1
        value = total
        total = value + partials[position]
        rest = partials[position] - (total - value)
        if rest != 0.0:
            break
    if position > 0 and (rest < 0.0) == (partials[position - 1] < 0.0):
        doubled = rest * 2.0
        value = total + doubled
        if doubled == value - total:
            total = value
    return total


@compiled()
def sum_anew(values: Any, low: int, high: int, partials: Any) -> float:
    """The correctly rounded sum of a window by Shewchuk's algorithm; infinite values give what plain addition gives."""
    count, special, plain = 0, 0.0, 0.0
    for event in range(low, high):
        value = values[event]
        if value != value:
            continue
        if value - value != 0.0:
            special += value
            continue
        plain += value
        count = grown(partials, count, value)
    if special != 0.0:
        return special
    total = rounded_partials(partials, count)
    return total if total - total == 0.0 else plain  # finite values whose sum is too large for a double


@compiled()
def fill_extremes(values: Any, first: int, stop: int, lows: Any, highs: Any, sign: float, empty: float, queue: Any, out: Any, to: Any,
) -> None:  # fmt: skip
    """Minimum (sign 1) or maximum (sign -1): a queue of the candidates, best first, each later one worse."""
    head, tail, event = 0, 0, lows[0]
    for row in range(first, stop):
        while event < highs[row - first]:
            value = values[event]
            if value == value:
                while tail > head and sign * values[queue[tail - 1]] >= sign * value:
                    tail -= 1
                queue[tail] = event
                tail += 1
            event += 1
        while head < tail and queue[head] < lows[row - first]:
            head += 1
        out[to[row]] = values[queue[head]] + 0.0 if head < tail else empty


@compiled()
def grown_by_product(partials: Any, count: int, one: float, other: float) -> Any:
    """An exact sum with the exact product of two doubles added, as two summands (Dekker 1971); returns its new number of doubles."""
    product, carried = one * other, SPLITTER * one
    high = carried - (carried - one)
    carried = SPLITTER * other
    other_high = carried - (carried - other)
    low, other_low = one - high, other - other_high
    rest = low * other_low - (((product - high * other_high) - low * other_high) - high * other_low)
    return grown(partials, grown(partials, count, product), rest)


@compiled()
def fill_deviations(values: Any, first: int, stop: int, lows: Any, highs: Any, empty: float, sums: Any, out: Any, to: Any,
) -> None:  # fmt: skip
    """Standard deviation of a sample, sqrt((n Σx² - (Σx)²) / (n (n - 1))): the numerator exact. Below LEAST_SQUARED values count as 0."""
    squares, terms = np.empty(2 * MOST_PARTIALS), np.empty(2 * MOST_PARTIALS)
    sum_count = square_count = count = huge = infinite = 0
    low = high = lows[0]
    for row in range(first, stop):
        while high < highs[row - first] or low < lows[row - first]:
            step = 1 if high < highs[row - first] else -1
            value = values[high] if step == 1 else values[low]
            high, low = (high + 1, low) if step == 1 else (high, low + 1)
            if value != value:
                continue
            count += step
            if abs(value) >= LARGEST_SQUARED:
                huge += step
                infinite += step if value - value != 0.0 else 0
            elif abs(value) >= LEAST_SQUARED:
                sum_count = grown(sums, sum_count, step * value)
                square_count = grown_by_product(squares, square_count, step * value, value)
        if count < 2 or huge > 0:
            out[to[row]] = empty if count < 2 else np.nan if infinite > 0 else np.inf
            continue
        term_count = 0
        for position in range(square_count):
            term_count = grown_by_product(terms, term_count, float(count), squares[position])
        for one in range(sum_count):
            for other in range(one + 1):
                subtracted = -sums[one] if other == one else -2.0 * sums[one]
                term_count = grown_by_product(terms, term_count, subtracted, sums[other])
        out[to[row]] = np.sqrt(max(rounded_partials(terms, term_count), 0.0) / (float(count) * float(count - 1)))


@compiled()
def fill_distinct(
    values: Any, begin: int, end: int, first: int, stop: int, lows: Any, highs: Any, previous: Any, following: Any,
    empty: float, out: Any, to: Any,
) -> None:  # fmt: skip
    """Count of different values: an event counts while it is the first in the window with its value."""
    order = np.argsort(values[begin:end], kind="mergesort")  # NaN last, equal values in event order
    for position in range(end - begin):
        previous[position] = -1
        following[position] = end
    for rank in range(1, end - begin):
        earlier, later = order[rank - 1], order[rank]
        if values[begin + earlier] == values[begin + later]:
            previous[later] = begin + earlier
            following[earlier] = begin + later
    low, high, count = lows[0], lows[0], 0
    for row in range(first, stop):
        while high < highs[row - first]:
            if values[high] == values[high] and previous[high - begin] < low:
                count += 1
            high += 1
        while low < lows[row - first]:
            if low < high and values[low] == values[low] and following[low - begin] >= high:
                count -= 1
            low += 1
        high = max(high, low)
        out[to[row]] = count if count > 0 else empty


@compiled(
    types.void(INTEGERS, INTEGERS, read_only_table(types.float64), read_only_table(types.uint64), read_only_table(types.int64),
    read_only(types.float64), types.int64, types.int64, INTEGERS, types.Array(types.float64, 2, "C"))
)  # fmt: skip
def fill_windows(
    times: Any, starts: Any, values: Any, bits: Any, windows: Any, empties: Any, first_time: int, last_time: int, positions: Any,
    out: Any,
) -> None:  # fmt: skip
    """Fill `out`; see `kernel.compute_windows`. What an entity's windows of one column share is computed once; `bits` are the values."""
    longest = 1
    for entity in range(starts.shape[0] - 1):
        longest = max(longest, starts[entity + 1] - starts[entity])
    lows, highs = np.empty(longest, np.int64), np.empty(longest, np.int64)
    seen, latest = np.zeros(longest + 1, np.int64), np.empty(longest, np.int64)
    sums_high, sums_low = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    queue, following = np.empty(longest, np.int64), np.empty(longest, np.int64)
    partials = np.empty(2 * MOST_PARTIALS)
    for entity in range(starts.shape[0] - 1):
        begin, end = starts[entity], starts[entity + 1]
        first, stop = first_after(times, begin, end, first_time - 1), first_after(times, begin, end, last_time)
        if first >= stop:
            continue
        for column in range(-1, values.shape[0]):
            reach = -1
            for window in range(windows.shape[0]):
                if windows[window, 3] == column:
                    reach = max(reach, windows[window, 0] + windows[window, 1])
            if reach < 0:
                continue
            start = first_after(times, begin, first, times[first] - reach)  # nothing looks further back
            is_counted = is_added_up = False
            grid, scale = NO_GRID, 1.0
            for window in range(windows.shape[0]):
                length, delay, aggregate, of, own, by_day = windows[window]
                if of != column:
                    continue
                answers, empty = out[window], empties[window]
                find_bounds(times, start, stop, first, stop, length, delay, own, by_day, lows, highs)
                if column < 0:
                    for row in range(first, stop):
                        low, high = lows[row - first], highs[row - first]
                        if high <= low:
                            answers[positions[row]] = empty
                        elif aggregate == COUNT:
                            answers[positions[row]] = high - low
                        else:
                            answers[positions[row]] = (times[row] - times[high - 1]) / 1e6
                    continue
                numbers = values[column]
                if not is_counted:
                    find_present(numbers, start, stop, seen, latest)
                    is_counted = True
                if aggregate == COUNT:
                    for row in range(first, stop):
                        count = seen[highs[row - first] - start] - seen[lows[row - first] - start]
                        answers[positions[row]] = count if count > 0 else empty
                elif aggregate in (MIN, MAX):
                    sign = 1.0 if aggregate == MIN else -1.0
                    fill_extremes(numbers, first, stop, lows, highs, sign, empty, queue, answers, positions)
                elif aggregate == DISTINCT:
                    more = queue, following, empty, answers, positions
                    fill_distinct(numbers, start, stop, first, stop, lows, highs, *more)
                elif aggregate == STD:
                    fill_deviations(numbers, first, stop, lows, highs, empty, partials, answers, positions)
                elif aggregate in (LAST, SINCE):
                    for row in range(first, stop):
                        low, high = lows[row - first], highs[row - first]
                        event = latest[high - 1 - start] if high > low else -1
                        if event < low:
                            answers[positions[row]] = empty
                        elif aggregate == LAST:
                            answers[positions[row]] = numbers[event] + 0.0
                        else:
                            answers[positions[row]] = (times[row] - times[event]) / 1e6
                else:
                    if not is_added_up:
                        grid = add_up(bits[column], numbers, start, stop, sums_high, sums_low)
                        scale = 2.0 ** np.float64(grid - EXPONENT_BIAS)
                        is_added_up = True
                    for row in range(first, stop):
                        low, high = lows[row - first], highs[row - first]
                        count = seen[high - start] - seen[low - start]
                        result = empty
                        if count > 0:
                            if grid == NO_GRID:
                                result = sum_anew(numbers, low, high, partials) + 0.0
                            else:
                                upper, lower = sums_low[high - start], sums_low[low - start]
                                borrow = ONE if upper < lower else ZERO
                                whole = sums_high[high - start] - sums_high[low - start] - borrow
                                result = rounded(whole, upper - lower, scale)
                            if aggregate != SUM:
                                result /= count
                        answers[positions[row]] = result
