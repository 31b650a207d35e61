"""From counts of two arms to evidence: more, fewer, and an interval.

Belongs here: the two one-sided tests around a margin and their inversion. Does not belong here: single bets (`bets.py`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from platform_assets.experiments.sequential.bets import (
    WEIGHTS,
    block_gains,
    block_products,
    closed_blocks,
    mixture,
    vote_gains,
)
from platform_assets.experiments.sequential.evidence import (
    NO_EVIDENCE,
    Counts,
    EValue,
    EvidenceError,
    Floats,
    Weighing,
    both,
    either,
)

PLANNED_BLOCKS = 200
"""Blocks that are drawn to foresee how evidence grows; as many seen ones count as much as these."""


@dataclass(frozen=True)
class Sides:
    """Evidence around one margin.

    Attributes:
        more: against "new minus old is at most the margin".
        fewer: against "at least the margin".
    """

    more: EValue
    fewer: EValue


SidesAt = Callable[[float], Sides]
NOTHING = Sides(NO_EVIDENCE, NO_EVIDENCE)


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
            alike = functools.cache(lambda: block_gains(*self._alike(), margin))
            return Sides(*(_betting(block_products(way * gains)[-1], way * gains, alike, way) for way in (1.0, -1.0)))
        votes = (vote_gains(self.old, self.new, margin, self.share_new, upwards=way) for way in (True, False))
        return Sides(*(_e_value(logs.sum(axis=0), logs.sum(axis=0), logs.mean(axis=0)) for logs in votes))

    def _alike(self) -> tuple[Counts, Counts]:
        """Blocks as they would come were the two versions alike: totals of those that were seen, events at their common ratio."""
        rng = np.random.default_rng(0)
        chosen = rng.integers(0, len(self.old.total), PLANNED_BLOCKS)
        totals = self.old.total[chosen], self.new.total[chosen]
        bad = int(self.old.bad.sum() + self.new.bad.sum())
        ratio = bad / max(1, int(self.old.total.sum() + self.new.total.sum()))
        old, new = (Counts(rng.binomial(total, ratio), total) for total in totals)
        return old, new

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


def _betting(products: Floats, gains: Floats, alike: Callable[[], Floats], way: float) -> EValue:
    """From the bets of blocks; their growth is between what was seen and what versions that are alike would give.

    Args:
        products: logarithms of the products after the last block, float64[steps].
        gains: of each block, float64[units, steps].
        alike: gains of drawn blocks, in the direction "more".
        way: 1 for this direction, -1 for the other.
    """
    plain = np.log1p(gains).sum(axis=0)
    value = _e_value(products, plain, plain / len(gains))

    def left(needed: float) -> float:
        seen = len(gains) / (len(gains) + PLANNED_BLOCKS)
        expected = np.log1p(way * alike()).mean(axis=0)
        return _e_value(products, plain, seen * plain / len(gains) + (1 - seen) * expected).left(needed)

    return EValue(value.log, left)


def _e_value(products: Floats, totals: Floats, rates: Floats) -> EValue:
    """The mixture over steps, which is there as soon as one step's product pays for its weight."""

    def left(needed: float) -> float:
        with np.errstate(divide="ignore"):
            units = np.where(rates > 0, (needed - np.log(WEIGHTS) - totals) / rates, math.inf)
        return max(0.0, float(units.min()))

    return EValue(float(mixture(products)), left)


def one_sided(sides: Sides) -> Weighing:
    """Worse is more than the margin."""
    return Weighing(sides.more, sides.fewer)


def two_sided(upper: Sides, lower: Sides) -> Weighing:
    """Worse is beyond the margin on either side; fine is within on both.

    Args:
        upper: evidence around the margin.
        lower: evidence around minus the margin.
    """
    return Weighing(either([upper.more, lower.fewer]), both([upper.fewer, lower.more]))


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
    low = _edge(lambda margin: sides(margin).more.log >= needed, estimate, least)
    high = _edge(lambda margin: sides(margin).fewer.log >= needed, estimate, most)
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
