"""What one guard finds, in numbers and in a sentence.

Belongs here: outcomes, counts, e-values and how they combine, findings. Does not belong here: computing e-values
(`bets.py`, `boundary.py`), or putting guards together (`verdict.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class EvidenceError(ValueError):
    """The arrays cannot be compared; the message says which and why."""


class Outcome(StrEnum):
    """What is known now."""

    BETTER_OR_EQUAL = "better or equal"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Counts:
    """Bad events and all events of one arm, by unit; both arms number the units alike, and one that an arm did not see has a total of 0.

    Attributes:
        bad: int64[units].
        total: int64[units].
    """

    bad: Ints
    total: Ints

    def __post_init__(self) -> None:
        if self.bad.shape != self.total.shape or self.bad.ndim != 1:
            raise EvidenceError(f"counts of shapes {self.bad.shape} and {self.total.shape}: one number for each unit")
        if len(self.bad) and (self.bad.min() < 0 or (self.bad > self.total).any()):
            raise EvidenceError("counts: bad events are between 0 and all events of their unit")


@dataclass(frozen=True)
class Finding:
    """What one guard says.

    Attributes:
        guard: its name.
        outcome: what is known now.
        estimate: of the difference between new and old, in the guard's own terms; None without data.
        low: the difference lies above with confidence 1 - alpha, at all times together; None where no bound is known.
        high: the difference lies below, likewise.
        margin: what is tolerated.
        alpha: probability of a wrong "worse", and of a wrong "better or equal", over all looks together.
        units_old: units that the old arm was seen in.
        units_new: units that the new arm was seen in.
        more_units: about so many more of the new arm until it can be told; None when nothing can be said yet, or it never could.
        sentence: all of it in words.
        more_requests: the same in requests of the new arm.
    """

    guard: str
    outcome: Outcome
    estimate: float | None
    low: float | None
    high: float | None
    margin: float
    alpha: float
    units_old: int
    units_new: int
    more_units: int | None
    sentence: str
    more_requests: int | None = None


@dataclass(frozen=True)
class EValue:
    """Evidence against one hypothesis, and how it is going to grow.

    Attributes:
        log: logarithm of the e-value; by Ville's inequality a true hypothesis lets it reach log(1/alpha), at any time, with probability
            alpha at most.
        left: further units of the new arm until the logarithm is as asked, were the rest as expected now; infinite where it never is.
    """

    log: float
    left: Callable[[float], float]

    def eased(self, by: float) -> EValue:
        """The same with so much added to its logarithm."""
        return EValue(self.log + by, lambda needed: self.left(needed - by))


def either(values: Sequence[EValue]) -> EValue:
    """Against all of these hypotheses being true: the mean of their e-values."""
    cost = math.log(len(values))
    log = float(np.logaddexp.reduce([value.log for value in values])) - cost
    return EValue(log, lambda needed: min(value.left(needed + cost) for value in values))


def both(values: Sequence[EValue]) -> EValue:
    """Against any one of these hypotheses being true: each must be contradicted."""
    return EValue(min(value.log for value in values), lambda needed: max(value.left(needed) for value in values))


NO_EVIDENCE = EValue(0.0, lambda needed: math.inf)


@dataclass(frozen=True)
class Weighing:
    """The evidence of one guard before it is a finding.

    Attributes:
        worse: against "no worse than the margin".
        fine: against "worse than the margin, or at it".
    """

    worse: EValue
    fine: EValue

    def outcome(self, alpha: float) -> Outcome:
        """What is known at this alpha."""
        needed = math.log(1 / alpha)
        if self.worse.log >= needed:
            return Outcome.WORSE
        return Outcome.BETTER_OR_EQUAL if self.fine.log >= needed else Outcome.CANNOT_TELL

    def more_units(self, alpha: float) -> int | None:
        """Units of the new arm until one of the two can be said; None where neither is in sight."""
        needed = math.log(1 / alpha)
        units = min(self.worse.left(needed), self.fine.left(needed))
        return max(1, math.ceil(units)) if math.isfinite(units) else None


def finding(
    guard: str,
    weighing: Weighing,
    interval: tuple[float | None, float | None, float | None],
    *,
    margin: float,
    alpha: float,
    units: tuple[int, int],
    requests_per_unit: float,
    unit_of_measure: str = "",
) -> Finding:
    """A finding from its evidence.

    Args:
        guard: its name.
        weighing: the evidence.
        interval: estimate, low and high.
        margin: what is tolerated.
        alpha: this guard's share.
        units: of the old and of the new arm.
        requests_per_unit: of the new arm, on average.
        unit_of_measure: what the numbers are, for the sentence: "" for absolute differences, "ratio" for relative ones.
    """
    outcome = weighing.outcome(alpha)
    more = weighing.more_units(alpha) if outcome is Outcome.CANNOT_TELL else None
    estimate, low, high = interval
    words = f"{guard}: {outcome}"
    if estimate is not None:
        words += f"; new minus old {_number(estimate, unit_of_measure)}"
        if low is not None or high is not None:
            words += f" ({_number(low, unit_of_measure)} .. {_number(high, unit_of_measure)})"
    words += f", tolerated {_number(margin, unit_of_measure)}"
    if more is not None:
        words += f"; about {max(1, round(more * requests_per_unit)):,} more requests of the new version"
    return Finding(
        guard=guard,
        outcome=outcome,
        estimate=estimate,
        low=low,
        high=high,
        margin=margin,
        alpha=alpha,
        units_old=units[0],
        units_new=units[1],
        more_units=more,
        sentence=words + ".",
        more_requests=None if more is None else max(1, round(more * requests_per_unit)),
    )


def _number(value: float | None, unit_of_measure: str) -> str:
    if value is None:
        return "?"
    return f"{value:+.1%}" if unit_of_measure == "ratio" else f"{value:+.4g}"
