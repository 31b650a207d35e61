"""What a run of events is to a window that holds all of it: a few numbers that can be merged, from which an operation's value follows.

Belongs here: each operation's value from summaries, and the summary of a plan's events. Does not belong here: the parts that summaries
are made of (`aggregation/summary_parts.py`), the kernel, which computes the same values from events (`aggregation/compiled_loops.py`),
pages of summaries (`online/tiles/`).

A value made of summaries equals the kernel's to the bit. Counts, extremes and the newest value are what they are; sums are kept exactly,
as a few doubles that do not overlap, and rounded once. Where an exact sum does not fit into these doubles, or a run of events has more
different codes than a summary keeps, the summary says so (`SummaryLayout.lacking`), and whoever wants the value merges finer runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from platform_assets.features.aggregation import operations
from platform_assets.features.aggregation.kernel import NO_COLUMN, Float64Array, Int64Array, WindowPlan
from platform_assets.features.aggregation.summary_parts import (
    EXACT_SUM,
    LARGEST,
    NEWEST,
    PRESENT,
    SMALLEST,
    SPREAD,
    SUM_WIDTH,
    Extreme,
    SummaryPart,
    exact_parts,
    product,
)

MOST_CODES = 64
"""Different codes of a run of events that its summary keeps."""

Codes = tuple[frozenset[float] | None, ...]
"""For each column whose different values are counted these values; None where they are too many."""
Age = Callable[[int], float]
"""Seconds from a time in microseconds to the row."""


class OperationSummary(Protocol):
    """An operation of the kernel, from summaries."""

    @property
    def parts(self) -> tuple[SummaryPart, ...]:
        """What it needs of each run of events."""

    @property
    def needs_codes(self) -> bool:
        """Whether it needs the different values themselves."""

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        """The operation's value over runs that follow one another.

        Args:
            parts: for each part float64 [n, width].
            codes: the different values of each run, where it needs them.
            age: how long before the row a time in microseconds was.

        Returns:
            None where no run has a value.
        """


@dataclass(frozen=True)
class _Count:
    parts: tuple[SummaryPart, ...] = (PRESENT,)
    needs_codes: bool = False

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        return float(parts[0].sum()) or None


@dataclass(frozen=True)
class _Sum:
    is_mean: bool
    parts: tuple[SummaryPart, ...] = (PRESENT, EXACT_SUM)
    needs_codes: bool = False

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        count = float(parts[0].sum())
        if not count:
            return None
        total = _added_up(parts[1].ravel().tolist()) + 0.0
        return total / count if self.is_mean else total


@dataclass(frozen=True)
class _Deviation:
    parts: tuple[SummaryPart, ...] = (PRESENT, SPREAD)
    needs_codes: bool = False

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        count = float(parts[0].sum())
        if count < 2:
            return None
        size = parts[1][:, -1].max()
        if size:
            return math.inf if size == 1 else math.nan
        sums = exact_parts(parts[1][:, :SUM_WIDTH].ravel().tolist(), None)
        squares = exact_parts(parts[1][:, SUM_WIDTH:-1].ravel().tolist(), None)
        terms = [term for square in squares for term in product(count, square)]
        terms += [term for one in sums for other in sums for term in product(-one, other)]
        return math.sqrt(max(math.fsum(terms), 0.0) / (count * (count - 1)))


@dataclass(frozen=True)
class _Extreme:
    part: Extreme
    needs_codes: bool = False

    @property
    def parts(self) -> tuple[SummaryPart, ...]:
        return (self.part,)

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        value = self.part.merged(parts[0])[0]
        return value + 0.0 if value == value else None


@dataclass(frozen=True)
class _Newest:
    is_age: bool
    parts: tuple[SummaryPart, ...] = (NEWEST,)
    needs_codes: bool = False

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        value, newest = NEWEST.merged(parts[0])
        if newest != newest:
            return None
        return age(int(newest)) if self.is_age else value + 0.0


@dataclass(frozen=True)
class _Distinct:
    parts: tuple[SummaryPart, ...] = ()
    needs_codes: bool = True

    def value(self, parts: Sequence[Float64Array], codes: Sequence[frozenset[float]], age: Age) -> float | None:
        return float(len(frozenset().union(*codes))) or None


OPERATION_SUMMARIES: Mapping[int, OperationSummary] = {
    operations.COUNT: _Count(),
    operations.SUM: _Sum(is_mean=False),
    operations.MEAN: _Sum(is_mean=True),
    operations.MIN: _Extreme(SMALLEST),
    operations.MAX: _Extreme(LARGEST),
    operations.STD: _Deviation(),
    operations.DISTINCT: _Distinct(),
    operations.LAST: _Newest(is_age=False),
    operations.SINCE: _Newest(is_age=True),
}
"""Each operation of the kernel; an aggregate that is made of several has the summaries of each."""


@dataclass(frozen=True, eq=False)
class Summary:
    """A run of events.

    Attributes:
        numbers: float64 [w], the parts of all columns, see `SummaryLayout`.
        codes: for each column whose different values are counted these values; None where they are too many.
    """

    numbers: Float64Array
    codes: Codes


@dataclass(frozen=True, eq=False)
class Requirement:
    """What one operation of a plan reads of a summary: slices of its numbers, and which of its codes; `exact` are NaN without enough."""

    operation: OperationSummary
    slices: tuple[slice, ...]
    exact: tuple[int, ...]
    codes: int | None


class SummaryLayout:
    """What a summary of a plan's events holds: each part of each column once.

    A column of NO_COLUMN, the events themselves, is one whose value is always 1.
    """

    def __init__(self, plan: WindowPlan, most_codes: int = MOST_CODES) -> None:
        """Lay out the parts that the plan's operations need."""
        self._most_codes = most_codes
        self._slots: dict[tuple[int, SummaryPart], slice] = {}
        self._coded: list[int] = []
        self.requirements: list[Requirement] = []
        self.width = 0
        for row in plan.windows:
            operation, column = OPERATION_SUMMARIES[int(row[2])], int(row[3])
            slices = tuple(self._slot(column, part) for part in operation.parts)
            if operation.needs_codes and column not in self._coded:
                self._coded.append(column)
            codes = self._coded.index(column) if operation.needs_codes else None
            exact = [s.start for s, part in zip(slices, operation.parts, strict=True) if part in (EXACT_SUM, SPREAD)]
            self.requirements.append(Requirement(operation, slices, tuple(exact), codes))

    def _slot(self, column: int, part: SummaryPart) -> slice:
        key = (column, part)
        if key not in self._slots:
            self._slots[key] = slice(self.width, self.width + part.width)
            self.width += part.width
        return self._slots[key]

    @property
    def code_count(self) -> int:
        """How many columns' different values are kept."""
        return len(self._coded)

    @cached_property
    def _columns(self) -> dict[int, list[tuple[slice, SummaryPart]]]:
        columns: dict[int, list[tuple[slice, SummaryPart]]] = {column: [] for column in self._coded}
        for (column, part), slot in self._slots.items():
            columns.setdefault(column, []).append((slot, part))
        return columns

    def of_events(self, times: Int64Array, values: Float64Array) -> Summary:
        """Of events in order.

        Args:
            times: int64 [n], microseconds.
            values: float64 [c, n], NaN where missing.
        """
        numbers = np.empty(self.width)
        codes: list[frozenset[float] | None] = [None] * len(self._coded)
        all_times = times.tolist()
        for column, parts in self._columns.items():
            there, present = all_times, [1.0] * len(all_times)
            if column != NO_COLUMN:
                pairs = [(t, v) for t, v in zip(all_times, values[column].tolist(), strict=True) if v == v]
                there, present = [time for time, _ in pairs], [value for _, value in pairs]
            for slot, part in parts:
                numbers[slot] = part.of_values(there, present)
            if column in self._coded:
                codes[self._coded.index(column)] = self._bounded(frozenset(present))
        return Summary(numbers, tuple(codes))

    def merged(self, numbers: Float64Array, codes: Sequence[Codes]) -> Summary:
        """Of the summaries of runs that follow one another: float64 [n, w], and the codes of each."""
        merged = np.empty(self.width)
        for (_, part), slot in self._slots.items():
            merged[slot] = part.merged(numbers[:, slot])
        together: list[frozenset[float] | None] = []
        for position in range(len(self._coded)):
            sets = [run[position] for run in codes]
            whole = [one for one in sets if one is not None]
            together.append(self._bounded(frozenset().union(*whole)) if len(whole) == len(sets) else None)
        return Summary(merged, tuple(together))

    def lacking(self, rows: Sequence[int], numbers: Float64Array, codes: Sequence[Codes]) -> NDArray[np.bool_]:
        """Of which runs the summaries do not hold enough for operations of the plan.

        Args:
            rows: of the plan's operations.
            numbers: float64 [n, w].
            codes: of each of the n runs.
        """
        needed = [self.requirements[row] for row in rows]
        exact = sorted({slot for one in needed for slot in one.exact})
        lacking = np.asarray(np.isnan(numbers[:, exact]).any(axis=1))
        for position in {one.codes for one in needed if one.codes is not None}:
            lacking = lacking | np.array([run[position] is None for run in codes], dtype=np.bool_)
        return lacking

    def value(self, row: int, numbers: Float64Array, codes: Sequence[Codes], age: Age) -> float | None:
        """The value of a plan's operation over runs that follow one another, none of them lacking.

        Args:
            row: of the plan's operations.
            numbers: float64 [n, w].
            codes: of each of the n runs.
            age: how long before the row a time in microseconds was.
        """
        requirement = self.requirements[row]
        chosen = () if requirement.codes is None else [run[requirement.codes] or frozenset() for run in codes]
        return requirement.operation.value([numbers[:, slot] for slot in requirement.slices], chosen, age)

    def _bounded(self, codes: frozenset[float]) -> frozenset[float] | None:
        return codes if len(codes) <= self._most_codes else None


def _added_up(values: list[float]) -> float:
    """The correctly rounded sum; what plain addition gives where it is infinite or too large."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)
