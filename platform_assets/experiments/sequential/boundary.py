"""E-values for a mean from unit-level estimates: the asymptotic confidence sequence.

Belongs here: the boundary and the unit-level variance. Does not belong here: what is averaged (`shifts.py`).

Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, Time-uniform central limit theory and asymptotic confidence sequences (2024), in the
one-sided form of Howard, Ramdas, McAuliffe, Sekhon (2021): a normal mixture over half of the line, evaluated at the estimate's distance in
standard errors, where the standard error comes from the sums of units (Liang, Zeger 1986), so that what happens within a unit may depend
on each other in any way. It holds for many units; with few, the largest deviation is counted twice, the error is not below that of
independent requests with the spread of both arms together (a small arm may not have met what is rare), and nothing is said before
`LEAST_UNITS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from platform_assets.experiments.sequential.comparing import NOTHING, Sides
from platform_assets.experiments.sequential.evidence import EValue, Floats

LEAST_UNITS = 10
TUNED_UNITS = 30.0
"""The boundary is tightest after so many units."""
SMALLEST_DEVIATION = 1e-3
"""Of a unit, for values in [0, 1]: units that are all alike to the last digit are no proof of infinite certainty."""


@dataclass(frozen=True)
class Estimate:
    """A difference with its standard error from units.

    Attributes:
        difference: new minus old.
        error: its standard error.
        units: how many independent ones it rests on.
    """

    difference: float
    error: float
    units: int

    @classmethod
    def of(cls, difference: float, influence: Floats, least_variance: float = 0.0) -> Estimate:
        """From each unit's influence on the difference, which sum to zero, float64[units]; its variance is no smaller than the least."""
        units = len(influence)
        squares = influence**2
        floor = (SMALLEST_DEVIATION / max(1, units)) ** 2 * units
        variance = max(float(squares.sum() + squares.max(initial=0.0)) + floor, least_variance)
        return cls(difference, math.sqrt(variance), units)

    def __call__(self, margin: float) -> Sides:
        """Evidence around a margin."""
        if self.units < LEAST_UNITS:
            return NOTHING
        z = (self.difference - margin) / self.error
        return Sides(self._e_value(z), self._e_value(-z))

    def _e_value(self, z: float) -> EValue:
        def left(needed: float) -> float:
            """The distance in standard errors grows with the root of the number of units."""
            for units in np.geomspace(self.units, 1e4 * self.units, 100) if z > 0 else ():
                if self._log_e(z * math.sqrt(units / self.units), units) >= needed:
                    return float(units) - self.units
            return math.inf

        return EValue(self._log_e(z, self.units), left)

    @staticmethod
    def _log_e(z: float, units: float) -> float:
        part = units / (units + TUNED_UNITS)
        return math.log(2) + 0.5 * math.log(1 - part) + z**2 * part / 2 + float(log_ndtr(z * math.sqrt(part)))


def between_arms(old: Floats, old_size: Floats, new: Floats, new_size: Floats, spread: float) -> Estimate | None:
    """Difference of two means over units, each of which may be in one arm or in both: ratios of sums, by the delta method.

    Args:
        old: sums by unit.
        old_size: numbers of requests by unit.
        new: of the new arm.
        new_size: likewise.
        spread: variance of a single value, of both arms together.
    """
    if not old_size.sum() or not new_size.sum():
        return None
    mean_old, mean_new = old.sum() / old_size.sum(), new.sum() / new_size.sum()
    influence = (new - mean_new * new_size) / new_size.sum() - (old - mean_old * old_size) / old_size.sum()
    least = spread * float(1 / old_size.sum() + 1 / new_size.sum())
    estimate = Estimate.of(float(mean_new - mean_old), influence, least)
    smaller = int(min((old_size > 0).sum(), (new_size > 0).sum()))
    return Estimate(estimate.difference, estimate.error, smaller)


def within_blocks(old: Floats, old_size: Floats, new: Floats, new_size: Floats, spread: float) -> Estimate | None:
    """Difference within each block that both arms saw, weighted by how much it says: a drift of both arms cancels.

    Args:
        old: sums by unit.
        old_size: numbers of requests by unit.
        new: of the new arm.
        new_size: likewise.
        spread: variance of a single value, of both arms together.
    """
    both = (old_size > 0) & (new_size > 0)
    if not both.any():
        return None
    old, old_size, new, new_size = old[both], old_size[both], new[both], new_size[both]
    weight = old_size * new_size / (old_size + new_size)
    weight = weight / weight.sum()
    differences = new / new_size - old / old_size
    mean = float((weight * differences).sum())
    least = spread * float((weight**2 * (1 / old_size + 1 / new_size)).sum())
    return Estimate.of(mean, weight * (differences - mean), least)
