"""From counts of two arms to evidence: more, fewer, and an interval.

Belongs here: the two one-sided tests around a margin and their inversion. Does not belong here: single bets (`bets.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from platform_assets.experiments.sequential.bets import block_gains, block_products, closed_blocks, mixture, vote_gains
from platform_assets.experiments.sequential.evidence import Counts, EvidenceError, Floats, Weighing


@dataclass(frozen=True)
class Sides:
    """Evidence around one margin.

    Attributes:
        more: logarithm of the e-value against "new minus old is at most the margin".
        fewer: against "at least the margin".
        more_per_unit: growth of the first with a further unit.
        fewer_per_unit: of the second.
    """

    more: float
    fewer: float
    more_per_unit: float
    fewer_per_unit: float


SidesAt = Callable[[float], Sides]
NOTHING = Sides(0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Compared:
    """Counts of two arms, ready to be compared.

    Attributes:
        old: of the old arm.
        new: of the new one; both by the same units.
        share_new: probability that an entity's lot is 'new'; None for blocks of time, which carry their totals.
    """

    old: Counts
    new: Counts
    share_new: float | None

    @classmethod
    def of(cls, old: Counts, new: Counts, share_new: float, *, sticky: bool) -> Compared:
        """Raises: EvidenceError where the arms do not number the same units, or the share is no probability."""
        if len(old.bad) != len(new.bad):
            raise EvidenceError(f"{len(old.bad)} units of the old arm and {len(new.bad)} of the new: number them alike")
        if not 0 < share_new < 1:
            raise EvidenceError(f"share_new {share_new} is not between 0 and 1")
        return cls(old, new, share_new) if sticky else cls(*closed_blocks(old, new), None)

    def __call__(self, margin: float) -> Sides:
        """Evidence around a margin."""
        if not len(self.old.bad):
            return NOTHING
        if self.share_new is None:
            gains = block_gains(self.old, self.new, margin)
            return _sides(block_products(gains)[-1], block_products(-gains)[-1], len(gains))
        up, down = (vote_gains(self.old, self.new, margin, self.share_new, upwards=way) for way in (True, False))
        return _sides(up.sum(axis=0), down.sum(axis=0), len(up))

    @property
    def estimate(self) -> float | None:
        """Difference of the two shares of bad events; in blocks, weighted so that a drift of both arms cancels."""
        old_total, new_total = self.old.total, self.new.total
        if not old_total.sum() or not new_total.sum():
            return None
        if self.share_new is not None:
            return float(self.new.bad.sum() / new_total.sum() - self.old.bad.sum() / old_total.sum())
        weight = old_total * new_total / (old_total + new_total)
        difference = self.new.bad / new_total - self.old.bad / old_total
        return float((weight * difference).sum() / weight.sum())

    @property
    def units(self) -> tuple[int, int]:
        """Units that each arm was seen in."""
        return int((self.old.total > 0).sum()), int((self.new.total > 0).sum())

    @property
    def requests_per_unit(self) -> float:
        """Of the new arm, for each unit that counts for the growth of evidence."""
        return float(self.new.total.sum()) / max(1, len(self.new.total))


def _sides(more: Floats, fewer: Floats, units: int) -> Sides:
    """From the logarithms of the products of both bets, float64[steps] each."""
    return Sides(float(mixture(more)), float(mixture(fewer)), float(more.max()) / units, float(fewer.max()) / units)


def one_sided(sides: Sides) -> Weighing:
    """Worse is more than the margin."""
    return Weighing(sides.more, sides.fewer, sides.more_per_unit, sides.fewer_per_unit)


def two_sided(upper: Sides, lower: Sides) -> Weighing:
    """Worse is beyond the margin on either side; fine is within on both.

    Args:
        upper: evidence around the margin.
        lower: evidence around minus the margin.
    """
    worse = float(np.logaddexp(upper.more, lower.fewer)) - math.log(2)
    return Weighing(
        worse,
        min(upper.fewer, lower.more),
        max(upper.more_per_unit, lower.fewer_per_unit),
        min(upper.fewer_per_unit, lower.more_per_unit),
    )


def interval(sides: SidesAt, estimate: float, alpha: float, least: float, most: float) -> tuple[float, float]:
    """Bounds that hold at all times together, each with probability 1 - alpha: margins that the evidence does not contradict.

    Args:
        sides: evidence around a margin.
        estimate: of the difference.
        alpha: for each side.
        least: smallest possible difference.
        most: largest possible difference.
    """
    needed = math.log(1 / alpha)
    low = _edge(lambda margin: sides(margin).more >= needed, estimate, least)
    high = _edge(lambda margin: sides(margin).fewer >= needed, estimate, most)
    return low, high


def _edge(excluded: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where exclusion begins on the way from the estimate to the last possible value, to a hundredth of the way found."""
    reach = max(1e-3, abs(inside) / 2)
    near, far, way = inside, outside, math.copysign(1.0, outside - inside)
    while (outside - (inside + way * reach)) * way > 0:
        if excluded(inside + way * reach):
            far = inside + way * reach
            break
        near, reach = inside + way * reach, reach * 4
    else:
        if not excluded(outside):
            return outside
    for _ in range(6):
        middle = (near + far) / 2
        near, far = (near, middle) if excluded(middle) else (middle, far)
    return far
