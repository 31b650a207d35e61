"""Does the new version answer differently: scores, decisions, and two answers to one request?

Belongs here: the guards on means, each on both sides of zero. Does not belong here: the tests (`bets.py`, `boundary.py`), or features
(`features.py`).
"""

from __future__ import annotations

import numpy as np

from platform_assets.experiments.sequential.boundary import Estimate, between_arms, within_blocks
from platform_assets.experiments.sequential.comparing import NOTHING, Compared, interval, two_sided
from platform_assets.experiments.sequential.evidence import Counts, EvidenceError, Finding, Floats, Ints, finding


def mean_shift(
    name: str,
    old: Floats,
    old_unit: Ints,
    new: Floats,
    new_unit: Ints,
    *,
    margin: float,
    alpha: float,
    share_new: float = 0.5,
    sticky: bool = False,
) -> Finding:
    """Whether the mean of the new version's answers differs from the old one's by more than the margin, up or down.

    Zeros and ones (one decision against all others) are bet on exactly, like errors (`bets.py`); other values by the asymptotic
    confidence sequence with the variance of units (`boundary.py`).

    Args:
        name: of the guard, such as "score" or "decision refuse".
        old: values in [0, 1] of the old version.
        old_unit: unit of each, numbered in order of time.
        new: of the new version.
        new_unit: likewise, the same units.
        margin: tolerated difference, absolute; 0 can be found worse but never fine.
        alpha: of a wrong "worse", over all looks.
        share_new: probability of the lot; used for zeros and ones with `sticky` only.
        sticky: whether units are entities that stay in their arm; blocks of time otherwise.

    Raises:
        EvidenceError: lengths differ, or a value is not a number in [0, 1].
    """
    for side, values, units in (("old", old, old_unit), ("new", new, new_unit)):
        if len(values) != len(units):
            raise EvidenceError(f"{name}: {len(values)} values and {len(units)} units of the {side} version")
        if len(values) and not ((values >= 0) & (values <= 1)).all():
            raise EvidenceError(f"{name}: values of the {side} version are not all numbers in [0, 1]")
    numbers, where = np.unique(np.concatenate([old_unit, new_unit]), return_inverse=True)
    sums = [
        np.bincount(at, weights=weights, minlength=len(numbers)).astype(np.float64)
        for at, weights in (
            (where[: len(old)], old),
            (where[: len(old)], np.ones(len(old))),
            (where[len(old) :], new),
            (where[len(old) :], np.ones(len(new))),
        )
    ]
    binary = all(((values == 0) | (values == 1)).all() for values in (old, new))
    sides: Compared | Estimate | None
    if binary:
        whole = [values.astype(np.int64) for values in sums]
        sides = Compared.of(Counts(*whole[:2]), Counts(*whole[2:]), share_new, sticky=sticky)
        estimate = sides.estimate
    else:
        spread = float(np.concatenate([old, new]).var())
        compare = between_arms if sticky else within_blocks
        sides = compare(sums[0], sums[1], sums[2], sums[3], spread)
        estimate = None if sides is None else sides.difference
    seen = int((sums[1] > 0).sum()), int((sums[3] > 0).sum())
    return _found(name, sides, estimate, margin, alpha, seen, len(new) / max(1, seen[1]))


def paired_shift(name: str, old: Floats, new: Floats, unit: Ints, *, margin: float, alpha: float) -> Finding:
    """Whether two answers to one request differ by more than the margin on average: what a shadow is for.

    Pairs that cannot differ say so by being equal; only the others give evidence of a shift.

    Args:
        name: of the guard.
        old: answers of the old version, in [0, 1].
        new: of the new version to the same requests.
        unit: unit of each pair: blocks of time, or entities.
        margin: tolerated mean difference, absolute.
        alpha: of a wrong "worse", over all looks.

    Raises:
        EvidenceError: lengths differ, or a value is not a number in [0, 1].
    """
    if not len(old) == len(new) == len(unit):
        raise EvidenceError(f"{name}: {len(old)} old answers, {len(new)} new ones, {len(unit)} units: give pairs")
    if len(old) and not ((old >= 0) & (old <= 1) & (new >= 0) & (new <= 1)).all():
        raise EvidenceError(f"{name}: answers are not all numbers in [0, 1]")
    numbers, where = np.unique(unit, return_inverse=True)
    sides = None
    if len(numbers):
        mean = float((new - old).mean())
        influence = np.bincount(where, weights=(new - old - mean) / len(old), minlength=len(numbers))
        sides = Estimate.of(mean, influence.astype(np.float64))
    estimate = None if sides is None else sides.difference
    return _found(name, sides, estimate, margin, alpha, (len(numbers), len(numbers)), len(new) / max(1, len(numbers)))


def _found(
    name: str,
    sides: Compared | Estimate | None,
    estimate: float | None,
    margin: float,
    alpha: float,
    units: tuple[int, int],
    requests_per_unit: float,
) -> Finding:
    weighing = two_sided(NOTHING, NOTHING) if sides is None else two_sided(sides(margin), sides(-margin))
    bounds = (None, None) if sides is None or estimate is None else interval(sides, estimate, alpha / 2, -1.0, 1.0)
    return finding(
        name,
        weighing,
        (estimate, *bounds),
        margin=margin,
        alpha=alpha,
        units=units,
        requests_per_unit=requests_per_unit,
    )
