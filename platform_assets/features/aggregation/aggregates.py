"""The aggregates, one object each.

Belongs here: what each asks of a declaration, and the operations that it is made of. Does not belong here: the Protocol and the list
(`declaration/aggregates.py`), how an operation is computed (`aggregation/compiled_loops.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from platform_assets.declaration.aggregates import Aggregate, Input
from platform_assets.features.aggregation import operations

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_SQUARED = 2.0**-300
"""Values nearer to 0 than this, 5e-91, count as 0 in a standard deviation: their squares have no exact double."""

Plainly = Callable[[Sequence[float], Sequence[float]], float | None]


@dataclass(frozen=True, kw_only=True)
class KernelAggregate:
    """An aggregate that is one operation of the kernel; see `declaration.aggregates.Aggregate` for what each field means."""

    operation: int
    definition: Plainly
    input: Input = "number"
    needs_column: bool = True
    needs_numbers: bool = True
    is_about_the_past: bool = False
    own_event_problem: str | None = None
    when_empty: float | None = None
    definition_version: int = 1

    @property
    def operations(self) -> tuple[int, ...]:
        """The one operation."""
        return (self.operation,)

    def combine(self, results: NDArray[np.float64]) -> NDArray[np.float64]:
        """The operation's results as they are."""
        alone: NDArray[np.float64] = results[0]
        return alone

    def plainly(self, values: Sequence[float], ages_seconds: Sequence[float]) -> float | None:
        """The value of one window in plain Python."""
        return self.definition(values, ages_seconds)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(values: Sequence[float], ages_seconds: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    exact = [Fraction(value) if abs(value) >= LEAST_SQUARED else Fraction(0) for value in values]
    numerator = len(exact) * sum(value * value for value in exact) - sum(exact) ** 2
    return math.sqrt(float(numerator) / (len(exact) * (len(exact) - 1)))


COUNT: Aggregate = KernelAggregate(
    operation=operations.COUNT,
    definition=lambda values, ages: float(len(values)),
    needs_column=False,
    needs_numbers=False,
    when_empty=0.0,
)
SUM: Aggregate = KernelAggregate(operation=operations.SUM, definition=lambda values, ages: math.fsum(values))
MEAN: Aggregate = KernelAggregate(operation=operations.MEAN, definition=lambda values, ages: _mean(values))
MIN: Aggregate = KernelAggregate(operation=operations.MIN, definition=lambda values, ages: min(values))
MAX: Aggregate = KernelAggregate(operation=operations.MAX, definition=lambda values, ages: max(values))
STD: Aggregate = KernelAggregate(operation=operations.STD, definition=_deviation, definition_version=2)
RATIO: Aggregate = KernelAggregate(
    operation=operations.MEAN,
    definition=lambda values, ages: _mean(values),
    input="condition",
    needs_column=False,
    needs_numbers=False,
)
DISTINCT: Aggregate = KernelAggregate(
    operation=operations.DISTINCT,
    definition=lambda values, ages: float(len(set(values))),
    input="code",
    needs_numbers=False,
    when_empty=0.0,
)
LAST: Aggregate = KernelAggregate(
    operation=operations.LAST, definition=lambda values, ages: values[-1], is_about_the_past=True
)
SECONDS_SINCE_LAST: Aggregate = KernelAggregate(
    operation=operations.SINCE,
    definition=lambda values, ages: ages[-1],
    needs_column=False,
    needs_numbers=False,
    is_about_the_past=True,
    own_event_problem="the time since the event itself is always 0",
)
