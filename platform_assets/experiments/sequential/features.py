"""Do both versions compute the same features, and if not, which differs?

Belongs here: the guards on features, of the same requests in a shadow and of different ones in a canary. Does not belong here: why one
differs, or drift between days (`monitoring/`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from platform_assets.experiments.sequential.comparing import NOTHING, Compared, Sides, one_sided
from platform_assets.experiments.sequential.evidence import (
    Counts,
    EValue,
    EvidenceError,
    Finding,
    Floats,
    Ints,
    Weighing,
    both,
    either,
    finding,
)

TOLERATED_RATIO = 0.01
"""Of requests whose pairs may differ: events of the same entity that reached one version and not yet the other."""
SUSPECTED: Floats = np.array([0.03, 0.1, 0.3, 0.9])
CLEARED: Floats = np.array([0.0, 0.001, 0.003])
ROUNDING = 1e-9
MARKS = (0.1, 0.5, 0.9)
"""Quantiles of the old version at which values of both are counted, besides those that are missing and its most frequent one."""
FIRST_VALUES = 100
"""Values of the old version that the marks are taken from, before anything is compared by them."""
MOST_BLOCKS = 1000


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

    Each unit bets on the share of its pairs that differ, linearly (Waudby-Smith, Ramdas 2024): the factor has mean 1 whatever the
    dependence of a unit's pairs. Where a unit is one pair it is the Bernoulli likelihood ratio against the tolerated share; what the share
    may be instead is mixed over.

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
                Weighing(weighing.worse, weighing.fine.eased(math.log(alpha / share))),
                (estimate, None, None),
                margin=tolerated_ratio,
                alpha=share,
                units=(len(numbers), len(numbers)),
                requests_per_unit=len(unit) / max(1, len(numbers)),
            )
        )
    return tuple(found)


def _sides(ratios: Floats, tolerated: float) -> Sides:
    def e_value(instead: Floats) -> EValue:
        bets = (instead - tolerated) / (tolerated * (1 - tolerated))
        with np.errstate(divide="ignore"):
            logs = np.log1p(bets * (ratios[:, None] - tolerated)).sum(axis=0)
            clean = np.log1p(-bets * tolerated)
        rates = np.where(np.isfinite(logs), logs, -math.inf) / max(1, len(ratios)) if len(ratios) else clean
        cost = math.log(len(instead))

        def left(needed: float) -> float:
            units = [(needed + cost - log) / rate for log, rate in zip(logs, rates, strict=True) if rate > 0]
            return max(0.0, min(units, default=math.inf))

        return EValue(float(np.logaddexp.reduce(logs)) - cost, left)

    return Sides(e_value(SUSPECTED), e_value(CLEARED * tolerated / TOLERATED_RATIO))


def shifted_features(
    names: Sequence[str],
    old: Floats,
    old_unit: Ints,
    new: Floats,
    new_unit: Ints,
    *,
    margin: float = 0.02,
    alpha: float,
) -> tuple[Finding, ...]:
    """One finding for each feature: whether its distribution differs between the arms of a canary, whose requests are not the same.

    Missing values, the most frequent value of the old version and values above some of its quantiles are counted like errors and bet on
    (`bets.py`), up and down; the mean of these e-values is the feature's. A feature that is exchanged between customers keeps its
    distribution and is not seen: that takes a shadow (`changed_features`).

    Args:
        names: of the features.
        old: float64[requests, features] of the old version; missing is NaN.
        old_unit: closed block of time of each, numbered in order.
        new: of the new version.
        new_unit: likewise, the same blocks.
        margin: tolerated difference of each counted share, absolute.
        alpha: of a wrong "worse", shared by the features (Bonferroni); a feature is cleared at alpha itself, for all must be.

    Raises:
        EvidenceError: shapes differ.
    """
    for side, values, unit in (("old", old, old_unit), ("new", new, new_unit)):
        if values.shape != (len(unit), len(names)):
            raise EvidenceError(
                f"{side}: features of shape {values.shape} for {len(unit)} units and {len(names)} names"
            )
    numbers, where = np.unique(np.concatenate([old_unit, new_unit]), return_inverse=True)
    # Many blocks say no more than fewer, longer ones, and cost their time for each mark of each feature.
    where = where // 2 ** max(0, math.ceil(math.log2(max(1, len(numbers)) / MOST_BLOCKS)))
    old_at, new_at = where[: len(old_unit)], where[len(old_unit) :]
    units = len(np.unique(old_at)), len(np.unique(new_at))
    share = alpha / max(1, len(names))
    found = []
    for column, name in enumerate(names):
        weighing, estimate = _shifted(old[:, column], old_at, new[:, column], new_at, margin)
        found.append(
            finding(
                f"feature {name}",
                Weighing(weighing.worse, weighing.fine.eased(math.log(alpha / share))),
                (estimate, None, None),
                margin=margin,
                alpha=share,
                units=units,
                requests_per_unit=len(new_unit) / max(1, units[1]),
            )
        )
    return tuple(found)


def _shifted(old: Floats, old_at: Ints, new: Floats, new_at: Ints, margin: float) -> tuple[Weighing, float | None]:
    """Evidence on one feature, and its largest difference of counted shares."""
    first = _first_block(old_at)
    if first is None:
        return one_sided(NOTHING), None
    known, kept_old, kept_new = old[old_at < first], old_at >= first, new_at >= first
    old, old_at, new, new_at = old[kept_old], old_at[kept_old] - first, new[kept_new], new_at[kept_new] - first
    blocks = int(max(old_at.max(initial=-1), new_at.max(initial=-1))) + 1
    upper, lower, estimates = [], [], []
    for old_marked, new_marked in zip(_marked(known, old), _marked(known, new), strict=True):
        compared = Compared.of(
            _counts(old_marked, old_at, blocks), _counts(new_marked, new_at, blocks), 0.5, sticky=False
        )
        upper.append(compared(margin))
        lower.append(compared(-margin))
        estimates.append(compared.estimate or 0.0)
    weighing = Weighing(
        either([side.more for side in upper] + [side.fewer for side in lower]),
        both([side.fewer for side in upper] + [side.more for side in lower]),
    )
    return weighing, max(estimates, key=abs)


def _first_block(old_at: Ints) -> int | None:
    """The block from which on the marks are known: enough of the old version's values lie before."""
    before = np.cumsum(np.bincount(old_at)) if len(old_at) else np.zeros(0)
    enough = int(np.searchsorted(before, FIRST_VALUES))
    return enough + 1 if enough < len(before) else None


def _marked(known: Floats, values: Floats) -> list[npt.NDArray[np.bool_]]:
    """What is counted of these values, by marks from the known ones."""
    there = known[~np.isnan(known)]
    marked = [np.isnan(values)]
    if len(there):
        different, often = np.unique(there, return_counts=True)
        marked.append(values == different[often.argmax()])
        marked += [values > mark for mark in np.unique(np.quantile(there, MARKS))]
    return marked


def _counts(marked: npt.NDArray[np.bool_], at: Ints, blocks: int) -> Counts:
    return Counts(
        np.bincount(at[marked], minlength=blocks).astype(np.int64), np.bincount(at, minlength=blocks).astype(np.int64)
    )
