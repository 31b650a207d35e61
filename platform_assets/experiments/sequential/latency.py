"""Is the new version slower where it is slow?

Belongs here: the guard on a quantile of latency. Does not belong here: single bets (`bets.py`).

A quantile is compared by counting what exceeds it, the duality that confidence sequences for quantiles are made of (Howard, Ramdas,
Sequential estimation of quantiles with applications to A/B testing and best-arm identification, 2022): the new version's quantile is
higher than the old one's times 1 + margin when more of its answers take longer than that threshold than one in a hundred. The threshold
comes from the old version's earlier units only, so that it is known before what is compared by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from platform_assets.experiments.sequential.comparing import NOTHING, Compared, Sides, interval, one_sided
from platform_assets.experiments.sequential.evidence import (
    Counts,
    EvidenceError,
    Finding,
    Floats,
    Ints,
    finding,
)

FIRST_EXCEEDING = 3
"""The first threshold is taken once so many of the old version's answers are expected above it."""


def latency_quantile(
    old_ms: Floats,
    old_unit: Ints,
    new_ms: Floats,
    new_unit: Ints,
    *,
    quantile: float = 0.99,
    margin_ratio: float,
    alpha: float,
    share_new: float = 0.5,
    sticky: bool = False,
) -> Finding:
    """Whether a quantile of the new version's latency exceeds the old one's by more than the margin.

    Args:
        old_ms: latency of each answer of the old version.
        old_unit: unit of each, numbered in order of time.
        new_ms: of the new version.
        new_unit: likewise, the same units.
        quantile: which.
        margin_ratio: tolerated increase, relative: 0.2 is a fifth.
        alpha: of a wrong "worse", over all looks.
        share_new: probability of the lot; used with `sticky` only.
        sticky: whether units are entities that stay in their arm; blocks of time otherwise.

    Raises:
        EvidenceError: lengths differ, or a latency is not finite.
    """
    for name, values, units in (("old", old_ms, old_unit), ("new", new_ms, new_unit)):
        if len(values) != len(units):
            raise EvidenceError(f"{name}: {len(values)} latencies and {len(units)} units")
        if len(values) and not np.isfinite(values).all():
            raise EvidenceError(f"{name}: {int((~np.isfinite(values)).sum())} latencies are not finite numbers")
    seen = _Latencies.of(old_ms, old_unit, new_ms, new_unit, quantile)
    sides_at = seen.sides(share_new, sticky=sticky)
    estimate = seen.estimate(quantile)
    low, high = (None, None) if estimate is None else interval(sides_at, estimate, alpha, -0.9, 9.0)
    return finding(
        f"latency_p{100 * quantile:g}",
        one_sided(sides_at(margin_ratio)),
        (estimate, low, high),
        margin=margin_ratio,
        alpha=alpha,
        units=seen.units,
        requests_per_unit=len(seen.new_ms) / max(1, seen.count),
        unit_of_measure="ratio",
    )


@dataclass(frozen=True)
class _Latencies:
    """What is compared: answers after the first threshold was known, with their units and the threshold of each unit."""

    old_ms: Floats
    old_unit: Ints
    new_ms: Floats
    new_unit: Ints
    threshold: Floats
    count: int

    @classmethod
    def of(cls, old_ms: Floats, old_unit: Ints, new_ms: Floats, new_unit: Ints, quantile: float) -> _Latencies:
        numbers, where = np.unique(np.concatenate([old_unit, new_unit]), return_inverse=True)
        old_at, new_at = where[: len(old_unit)], where[len(old_unit) :]
        order = np.argsort(old_at, kind="stable")
        values = old_ms[order]
        before = np.concatenate([[0], np.cumsum(np.bincount(old_at, minlength=len(numbers)))])[:-1]
        threshold = np.full(len(numbers), np.nan)
        needed = int(np.ceil(FIRST_EXCEEDING / (1 - quantile)))
        while len(before) and needed <= before[-1]:
            start = int(np.searchsorted(before, needed))
            threshold[start:] = np.quantile(values[: before[start]], quantile)
            needed *= 2
        kept_old, kept_new = ~np.isnan(threshold[old_at]), ~np.isnan(threshold[new_at])
        return cls(
            old_ms[kept_old],
            old_at[kept_old],
            new_ms[kept_new],
            new_at[kept_new],
            threshold,
            int((~np.isnan(threshold)).sum()),
        )

    def sides(self, share_new: float, *, sticky: bool) -> Callable[[float], Sides]:
        if not self.count:
            return lambda margin: NOTHING
        first = len(self.threshold) - self.count

        def counts(values: Floats, unit: Ints, scale: float) -> Counts:
            exceeding = values > self.threshold[unit] * scale
            number = np.bincount(unit - first, minlength=self.count)
            bad = np.bincount(unit[exceeding] - first, minlength=self.count)
            return Counts(bad.astype(np.int64), number.astype(np.int64))

        old = counts(self.old_ms, self.old_unit, 1.0)

        def sides_at(margin: float) -> Sides:
            new = counts(self.new_ms, self.new_unit, 1.0 + margin)
            return Compared.of(old, new, share_new, sticky=sticky)(0.0)

        return sides_at

    def estimate(self, quantile: float) -> float | None:
        if not len(self.old_ms) or not len(self.new_ms):
            return None
        old, new = np.quantile(self.old_ms, quantile), np.quantile(self.new_ms, quantile)
        return float(new / old - 1) if old > 0 else None

    @property
    def units(self) -> tuple[int, int]:
        return len(np.unique(self.old_unit)), len(np.unique(self.new_unit))
