"""How uncertain a figure from a limited window is.

Belongs here: intervals around metrics. Does not belong here: intervals of shares and means (`tasks/intervals`), bounds on them
(`quality`) and intervals for experiments (`experiments`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from platform_assets.tasks.intervals import Interval
from platform_assets.tasks.metric import NamedMetric, Scored

CONFIDENCE = 0.90
"""Each end is passed by chance in one window out of twenty."""

MAX_ROWS = 20_000
"""Rows in one resample. A larger window is resampled at this size and the spread scaled back by sqrt(MAX_ROWS / rows)
(the m-out-of-n bootstrap, Bickel, Goetze and van Zwet, 1997), so that time does not grow with traffic."""

RESAMPLES = 200


def metric_interval(metric: NamedMetric, rows: Scored, seed: int = 0) -> Interval:
    """Percentile bootstrap interval of a metric (Efron, 1979).

    Rows are drawn with replacement, within each class where labels are classes, so that a resample never lacks a class.
    A metric that is a mean over days, such as precision at k of a group, remembers groups from earlier days; repeating rows would change
    how many groups there are, so days are drawn instead.

    Args:
        metric: what is measured.
        rows: at least one row.
        seed: the same seed gives the same interval.

    Raises:
        MetricError: the metric cannot be computed on the rows.
    """
    random = np.random.default_rng(seed)
    if metric.by_day is not None:
        return _interval_over_days(metric.by_day(rows), random)
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


def _strata(y: NDArray[np.float64], has_classes: bool) -> list[NDArray[np.int64]]:
    """Row numbers by class where labels are class indices or 0 and 1, else all rows together."""
    if has_classes:
        return [np.flatnonzero(y == index) for index in np.unique(y)]
    if not np.isin(y, (0.0, 1.0)).all():
        return [np.arange(y.size)]
    return [rows for rows in (np.flatnonzero(y == 0.0), np.flatnonzero(y == 1.0)) if rows.size]


def _interval_over_days(by_day: Mapping[str, float], random: np.random.Generator) -> Interval:
    daily = np.array(list(by_day.values()))
    means = random.choice(daily, (RESAMPLES * 5, daily.size)).mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))
