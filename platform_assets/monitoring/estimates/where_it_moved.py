"""Where requests moved: in which segment, by which feature, with a bound on naming what did not.

Each feature is compared in each segment, and each segment's share of the rows. The hypothesis of each comparison is "has moved by no more
than its limit": the p-value bounds how likely the distance is then, by the inequality of Dvoretzky, Kiefer and Wolfowitz for two samples
(Wei and Dudley, 2012) on what lies above the limit. Over all comparisons Holm's procedure (1979) keeps the chance that anything is named
falsely below `ERROR_RATE`, however the comparisons depend on each other. Named ones are ordered by what they have moved at least, so that a
segment is named before the whole only when it moved by more.

Belongs here: comparing and naming. Does not belong here: which segments there are (`segments`), whether drift calls for anything (`drift`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platform_assets.monitoring.drift_statistics import ks_statistic
from platform_assets.tasks.metric import Matrix

ERROR_RATE = 0.05
LEAST_ROWS = 100
"""Of a part on either side: a smaller one is not compared."""
MOST_NAMED = 10
EVERYWHERE = "all rows"
SHARE = "(share of the rows)"


@dataclass(frozen=True, eq=False)
class Side:
    """One side of the comparison.

    Attributes:
        values: float64 [n, f]; NaN is missing.
        parts: by segment [n], the part that each row belongs to.
        member: [n] identifiers of what rows belong to and are no further observations of; None takes each row as one.
    """

    values: Matrix
    parts: Mapping[str, NDArray[np.str_]]
    member: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """A feature that moved in a segment, or a segment whose share moved.

    Attributes:
        segment: its name and part, `activity = rare`; `all rows`.
        feature: its name; of a share `(share of the rows)`.
        distance: Kolmogorov-Smirnov distance, or difference of the shares.
        at_least: what it has moved at least, with 95 % confidence for each by itself.
        limit: what it may move.
        p_value: adjusted over all comparisons.
        rows: of the window in the segment.
        explanation: one sentence.
    """

    segment: str
    feature: str
    distance: float
    at_least: float
    limit: float
    p_value: float
    rows: int
    explanation: str


@dataclass(frozen=True, slots=True)
class _Comparison:
    segment: str
    feature: str
    distance: float
    limit: float
    scale: float
    rows: int
    explanation: str

    @property
    def p_value(self) -> float:
        return bounded_p_value(self.distance - self.limit, self.scale)


def bounded_p_value(excess: float, scale: float) -> float:
    """At most how likely a distance is so far above the true one.

    Args:
        excess: distance less what is allowed.
        scale: 1 / n + 1 / m of both samples.
    """
    return min(1.0, 2.0 * math.exp(-2.0 * excess**2 / scale)) if excess > 0.0 else 1.0


def where_it_moved(
    reference: Side, window: Side, features: Sequence[str], limits: Mapping[str, float], max_share: float
) -> tuple[Movement, ...]:
    """Segments and features that moved by more than they may, the most first.

    Args:
        reference: rows that the model knows.
        window: rows of now.
        features: names of the columns.
        limits: largest distance of each.
        max_share: how far a segment's share of the rows may move.
    """
    comparisons = list(_comparisons(reference, window, features, limits, max_share))
    ordered = sorted(comparisons, key=lambda one: one.p_value)
    named: list[Movement] = []
    adjusted = 0.0
    for place, one in enumerate(ordered):
        adjusted = max(adjusted, min(1.0, one.p_value * (len(ordered) - place)))
        if adjusted > ERROR_RATE:
            break
        noise = math.sqrt(math.log(2.0 / ERROR_RATE) / 2.0 * one.scale)
        least = max(0.0, one.distance - noise)
        named.append(
            Movement(one.segment, one.feature, one.distance, least, one.limit, adjusted, one.rows, one.explanation)
        )
    return tuple(sorted(named, key=lambda one: -one.at_least)[:MOST_NAMED])


def _comparisons(
    reference: Side, window: Side, features: Sequence[str], limits: Mapping[str, float], max_share: float
) -> list[_Comparison]:
    everything = np.arange(len(reference.values)), np.arange(len(window.values))
    found = _features_of(EVERYWHERE, reference, window, everything, features, limits)
    for segment, before in reference.parts.items():
        now = window.parts[segment]
        for part in np.unique(np.concatenate([before, now])):
            rows = np.flatnonzero(before == part), np.flatnonzero(now == part)
            name = f"{segment} = {part}"
            found.append(_share_of(name, reference, window, rows, max_share))
            found += _features_of(name, reference, window, rows, features, limits)
    return found


def _share_of(
    name: str, reference: Side, window: Side, rows: tuple[NDArray[np.int64], NDArray[np.int64]], limit: float
) -> _Comparison:
    shares = [len(part) / max(1, len(side.values)) for part, side in zip(rows, (reference, window), strict=True)]
    scale = sum(1.0 / _independent(side, np.arange(len(side.values))) for side in (reference, window))
    text = f"{name} is {shares[1]:.1%} of the rows; it was {shares[0]:.1%}."
    return _Comparison(name, SHARE, abs(shares[1] - shares[0]), limit, scale, len(rows[1]), text)


def _features_of(
    name: str,
    reference: Side,
    window: Side,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    features: Sequence[str],
    limits: Mapping[str, float],
) -> list[_Comparison]:
    if min(len(rows[0]), len(rows[1])) < LEAST_ROWS:
        return []
    scale = 1.0 / _independent(reference, rows[0]) + 1.0 / _independent(window, rows[1])
    compared = []
    for column, feature in enumerate(features):
        before, now = reference.values[rows[0], column], window.values[rows[1], column]
        distance = ks_statistic(before, now)
        text = (
            f"{feature} in {name}: median {_median(before):.6g} before, {_median(now):.6g} now, "
            f"distance {distance:.3f} (at most {limits[feature]:.3f})."
        )
        compared.append(_Comparison(name, feature, distance, limits[feature], scale, len(rows[1]), text))
    return compared


def _independent(side: Side, rows: NDArray[np.int64]) -> int:
    if side.member is None:
        return max(1, len(rows))
    return max(1, len(np.unique(side.member[rows])))


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
