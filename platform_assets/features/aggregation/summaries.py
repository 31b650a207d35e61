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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

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


@dataclass(frozen=True, eq=False)
class Rows:
    """Some operations of a plan, and what they read of a summary.

    Attributes:
        numbers: which rows of the plan they are.
        columns: for each column the parts, and where they are.
        codes: which codes.
        exact: places of exact sums, NaN where a summary does not hold one.
    """

    numbers: tuple[int, ...]
    columns: Mapping[int, Sequence[tuple[slice, SummaryPart]]]
    codes: tuple[int, ...]
    exact: tuple[int, ...]


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
    def all_rows(self) -> Rows:
        """Every operation of the plan."""
        return self.rows(range(len(self.requirements)))

    def rows(self, rows: Iterable[int]) -> Rows:
        """Some operations of the plan, and what they read of a summary."""
        numbers = tuple(rows)
        needed = [self.requirements[row] for row in numbers]
        used = {(slot.start, slot.stop) for one in needed for slot in one.slices}
        coded = sorted({one.codes for one in needed if one.codes is not None})
        columns: dict[int, list[tuple[slice, SummaryPart]]] = {self._coded[position]: [] for position in coded}
        for (column, part), slot in self._slots.items():
            if (slot.start, slot.stop) in used:
                columns.setdefault(column, []).append((slot, part))
        return Rows(numbers, columns, tuple(coded), tuple(sorted({slot for one in needed for slot in one.exact})))

    def of_events(self, times: Int64Array, values: Float64Array, rows: Rows | None = None) -> Summary:
        """Of events in order.

        Args:
            times: int64 [n], microseconds.
            values: float64 [c, n], NaN where missing.
            rows: the operations that the summary is for, by default all; the numbers of others are anything.
        """
        rows = rows or self.all_rows
        numbers = np.empty(self.width)
        codes: list[frozenset[float] | None] = [frozenset()] * len(self._coded)
        all_times = times.tolist()
        for column, parts in rows.columns.items():
            there, present = all_times, [1.0] * len(all_times)
            if column != NO_COLUMN:
                present = values[column].tolist()
                if (total := sum(present)) != total:
                    there = [time for time, value in zip(all_times, present, strict=True) if value == value]
                    present = [value for value in present if value == value]
            for slot, part in parts:
                numbers[slot] = part.of_values(there, present)
            if column in self._coded and self._coded.index(column) in rows.codes:
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

    def lacking(self, rows: Rows, numbers: Float64Array, codes: Sequence[Codes], *, gaps: bool) -> list[int]:
        """Of which runs the summaries do not hold enough for some operations.

        Args:
            rows: the operations.
            numbers: float64 [n, w].
            codes: of each of the n runs.
            gaps: whether `has_gaps` is true of them, or of more than them.
        """
        found: set[int] = set()
        if rows.exact and gaps:
            found.update(np.flatnonzero(np.isnan(numbers[:, rows.exact]).any(axis=1)).tolist())
        for position in rows.codes:
            found.update(run for run, kept in enumerate(codes) if kept[position] is None)
        return sorted(found)

    def is_enough(self, rows: Rows, run: Summary) -> bool:
        """Whether the summary of a run holds enough for some operations."""
        sums = run.numbers.tolist()
        return all(sums[slot] == sums[slot] for slot in rows.exact) and all(
            run.codes[n] is not None for n in rows.codes
        )

    def has_gaps(self, numbers: Float64Array) -> bool:
        """Whether some exact sum is not there among the numbers, float64 [n, w], of runs."""
        return bool(np.isnan(numbers[:, self.all_rows.exact]).any())

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
