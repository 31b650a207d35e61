"""How uncertain a figure from a limited window is.

Belongs here: intervals around metrics, shares and means. Does not belong here: bounds on them (`quality`) and intervals
for experiments (`experiments`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platform_assets.evaluation.metrics.scored_rows import card_precision_by_day, make_metric
from platform_assets.training.compare import MetricError, Scored

CONFIDENCE = 0.90
"""Each end is passed by chance in one window out of twenty."""

Z_SCORE = 1.6448536269514722
"""95 % quantile of the standard normal distribution: the two-sided 90 % interval."""

MAX_ROWS = 20_000
"""Rows in one resample. A larger window is resampled at this size and the spread scaled back by sqrt(MAX_ROWS / rows)
(the m-out-of-n bootstrap, Bickel, Goetze and van Zwet, 1997), so that time does not grow with traffic."""

RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Interval:
    """A 90 % interval, ends included."""

    low: float
    high: float


def metric_interval(name: str, rows: Scored, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of a metric (Efron, 1979).

    Rows are drawn with replacement, within each class where labels are classes, so that a resample never lacks a class.
    Card precision is a mean over days that remembers cards found earlier; repeating rows would change how many cards
    there are, so days are drawn instead.

    Args:
        name: the metric.
        rows: at least one row.
        seed: the same seed gives the same interval.

    Raises:
        MetricError: the metric cannot be computed on the rows.
    """
    random = np.random.default_rng(seed)
    card = re.fullmatch(r"card_precision_at_([1-9][0-9]*)", name)
    if card is not None:
        return _interval_over_days(rows, int(card.group(1)), random)
    metric = make_metric(name)
    value = metric(rows)
    strata = _strata(rows.y, rows.prediction.ndim == 2)
    drawn = min(len(rows.y), MAX_ROWS)
    sizes = [max(1, round(stratum.size * drawn / len(rows.y))) for stratum in strata]
    values = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        parts = [random.choice(stratum, size) for stratum, size in zip(strata, sizes, strict=True)]
        chosen = np.concatenate(parts)
        values[index] = metric(Scored(rows.y[chosen], rows.prediction[chosen], rows.event_day[chosen], None))
    spread = math.sqrt(drawn / len(rows.y))
    low, high = np.quantile(values - value, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(value + low * spread), float(value + high * spread))


def ratio_interval(successes: int, rows: int) -> Interval:
    """Wilson's score interval of a share (Wilson, 1927); also right when none or all succeed.

    Args:
        successes: how many rows count.
        rows: of how many, at least 1.
    """
    share, square = successes / rows, Z_SCORE**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = Z_SCORE * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2)) / (1 + square / rows)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Normal interval of a mean.

    Args:
        values: shape (n,), n at least 2.
    """
    half = Z_SCORE * float(values.std(ddof=1)) / math.sqrt(values.size)
    return Interval(float(values.mean()) - half, float(values.mean()) + half)


def _strata(y: NDArray[np.float64], has_classes: bool) -> list[NDArray[np.int64]]:
    """Row numbers by class where labels are places of classes or 0 and 1, else all rows together."""
    if has_classes:
        return [np.flatnonzero(y == place) for place in np.unique(y)]
    if not np.isin(y, (0.0, 1.0)).all():
        return [np.arange(y.size)]
    return [rows for rows in (np.flatnonzero(y == 0.0), np.flatnonzero(y == 1.0)) if rows.size]


def _interval_over_days(rows: Scored, k: int, random: np.random.Generator) -> Interval:
    if rows.group is None:
        raise MetricError("no group column is declared: the card or customer that a row belongs to")
    daily = np.array(list(card_precision_by_day(rows.y, rows.prediction, rows.event_day, rows.group, k).values()))
    means = random.choice(daily, (RESAMPLES * 5, daily.size)).mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
