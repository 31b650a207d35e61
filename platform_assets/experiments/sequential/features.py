"""Do both versions compute the same features for the same request, and if not, which differs?

Belongs here: the guard on pairs of features in a shadow. Does not belong here: features of different requests, or why one differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from platform_assets.experiments.sequential.comparing import Sides, one_sided
from platform_assets.experiments.sequential.evidence import EvidenceError, Finding, Floats, Ints, finding

TOLERATED_RATIO = 0.01
"""Of requests whose pairs may differ: events of the same entity that reached one version and not yet the other."""
SUSPECTED: Floats = np.array([0.03, 0.1, 0.3, 0.9])
CLEARED: Floats = np.array([0.0, 0.001, 0.003])
ROUNDING = 1e-9


def changed_features(
    names: Sequence[str],
    old: Floats,
    new: Floats,
    unit: Ints,
    *,
    alpha: float,
    tolerated_ratio: float = TOLERATED_RATIO,
) -> tuple[Finding, ...]:
    """One finding for each feature: whether the two versions give different values to more than the tolerated share of requests.

    Each unit bets with the share of its pairs that differ: a Bernoulli likelihood ratio against the tolerated share, mixed over what it may
    be instead. It is convex in that share, so a unit's pairs may depend on each other in any way (Hoeffding 1963).

    Args:
        names: of the features.
        old: float64[pairs, features] as the old version computed them; missing is NaN, and two of them are equal.
        new: as the new version did.
        unit: unit of each pair: blocks of time, or entities.
        alpha: of a wrong "worse", shared by the features (Bonferroni); a feature is cleared at alpha itself, for all must be.
        tolerated_ratio: share of requests that may differ.

    Raises:
        EvidenceError: shapes differ.
    """
    if old.shape != new.shape or old.shape != (len(unit), len(names)):
        raise EvidenceError(
            f"features of shapes {old.shape} and {new.shape} for {len(unit)} units and {len(names)} names: give pairs"
        )
    differs = ~(
        (np.abs(old - new) <= ROUNDING * np.maximum(np.abs(old), np.abs(new))) | (np.isnan(old) & np.isnan(new))
    )
    numbers, where = np.unique(unit, return_inverse=True)
    sizes = np.bincount(where, minlength=len(numbers))
    share = alpha / max(1, len(names))
    found = []
    for column, name in enumerate(names):
        ratios = np.bincount(where, weights=differs[:, column], minlength=len(numbers)) / np.maximum(1, sizes)
        weighing = one_sided(_sides(ratios, tolerated_ratio))
        estimate = float(differs[:, column].mean()) if len(unit) else None
        found.append(
            finding(
                f"feature {name}",
                replace(weighing, log_fine=weighing.log_fine + math.log(alpha / share)),
                (estimate, None, None),
                margin=tolerated_ratio,
                alpha=share,
                units=(len(numbers), len(numbers)),
                requests_per_unit=len(unit) / max(1, len(numbers)),
            )
        )
    return tuple(found)


def _sides(ratios: Floats, tolerated: float) -> Sides:
    def growth(suspected: Floats) -> tuple[float, float]:
        units, bad = len(ratios), float(ratios.sum())
        with np.errstate(divide="ignore"):
            differing = np.log(suspected / tolerated) if bad else np.zeros(len(suspected))
        logs = bad * differing + (units - bad) * np.log((1 - suspected) / (1 - tolerated))
        return float(np.logaddexp.reduce(logs) - np.log(len(suspected))), float(logs.max()) / max(1, units)

    (more, more_rate), (fewer, fewer_rate) = growth(SUSPECTED), growth(CLEARED * tolerated / TOLERATED_RATIO)
    return Sides(more, fewer, more_rate, fewer_rate)
