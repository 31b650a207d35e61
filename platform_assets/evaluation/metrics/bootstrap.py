"""Paired bootstrap: how sure it is that one prediction is better than another on the same rows.

Belongs here: drawing clusters of rows and what the difference of a metric becomes. Does not belong here: a bound on the difference
(`verdict`), metrics on rows as they are (`metrics`).

Rows of one card holder resemble each other, so whole groups are drawn, with replacement (the cluster bootstrap of Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8); without groups, whole days. Both predictions are measured on
the same draws, so what makes a draw easy or hard for both cancels. The interval is the percentile interval.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from platform_assets.tasks.metric import Counts, MetricError, NamedMetric, Scored

Unit: TypeAlias = Literal["group", "day", "row"]

REPLICATES = 400
SLOW_REPLICATES = 200
FEWEST_CLUSTERS = 5
"""With fewer days than this, rows are drawn one by one: so few days say nothing about how days differ."""
_LEAST_SHARE = 0.9
"""A metric that exists in fewer draws than this share has no interval."""


@dataclass(frozen=True, slots=True)
class BootstrapDifference:
    """How much better the first prediction is than the second, in a metric; for an error metric, how much smaller its error.

    Attributes:
        metric: which.
        first: the first prediction's value on the rows as they are.
        second: the second's.
        difference: first better than second by so much; negative when it is worse.
        lower: one-sided lower bound of the difference.
        upper: one-sided upper bound.
        confidence: of each bound.
        rows: how many both were measured on.
        clusters: how many groups, days or rows were drawn from.
        unit: what was drawn.
        replicates: how often; 0 when the predictions are the same, and so every difference.
    """

    metric: str
    first: float
    second: float
    difference: float
    lower: float
    upper: float
    confidence: float
    rows: int
    clusters: int
    unit: Unit
    replicates: int

    def to_dict(self) -> dict[str, Any]:
        """The difference as plain values."""
        return asdict(self)


def paired_difference(
    metric: NamedMetric, first: Scored, second: Scored, confidence: float, seed: int = 0
) -> BootstrapDifference:
    """The difference between two predictions of the same rows, with one-sided bounds.

    Args:
        metric: what is measured.
        first: rows with the first prediction.
        second: the same rows, in the same order, with the second.
        confidence: of each bound, for example 0.95.
        seed: decides the draws; the same rows and seed give the same bounds.

    Raises:
        MetricError: the metric cannot be computed on the rows, or on too few of the draws.
    """
    if len(first.y) != len(second.y) or not np.array_equal(first.y, second.y):
        raise MetricError("the two predictions are not of the same rows")
    sign = 1.0 if metric.higher_is_better else -1.0
    values = metric(first), metric(second)
    cluster, unit = clusters_of(first)
    count = int(cluster.max()) + 1
    if np.array_equal(first.prediction, second.prediction):
        return BootstrapDifference(metric.name, *values, 0.0, 0.0, 0.0, confidence, len(first.y), count, unit, 0)
    by_cluster = metric.by_cluster
    measures = [by_cluster(rows, cluster) if by_cluster is not None else None for rows in (first, second)]
    replicates = REPLICATES if by_cluster is not None else SLOW_REPLICATES
    rng = np.random.default_rng([seed, len(first.y), count])
    drawn = np.empty(replicates)
    for number in range(replicates):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)
        one, other = (
            measure(weights) if measure is not None else _on_draw(metric, rows, cluster, weights)
            for measure, rows in zip(measures, (first, second), strict=True)
        )
        drawn[number] = sign * (one - other)
    known = drawn[np.isfinite(drawn)]
    if len(known) < _LEAST_SHARE * replicates:
        raise MetricError(
            f"{metric.name} could be computed on {len(known)} of {replicates} draws of {count:,} {unit}s: there is too little to compare"
        )
    lower, upper = np.quantile(known, [1.0 - confidence, confidence])
    return BootstrapDifference(
        metric=metric.name,
        first=values[0],
        second=values[1],
        difference=sign * (values[0] - values[1]),
        lower=float(lower),
        upper=float(upper),
        confidence=confidence,
        rows=len(first.y),
        clusters=count,
        unit=unit,
        replicates=replicates,
    )


def clusters_of(rows: Scored) -> tuple[Counts, Unit]:
    """Which cluster each row belongs to, numbered from 0, and what the clusters are.

    Raises:
        MetricError: there are no rows.
    """
    if len(rows.y) == 0:
        raise MetricError("there are no rows")
    unit: Unit = "day" if rows.group is None else "group"
    cluster = np.unique(rows.event_day if rows.group is None else rows.group, return_inverse=True)[1].astype(np.int64)
    if int(cluster.max()) + 1 < FEWEST_CLUSTERS:
        return np.arange(len(rows.y), dtype=np.int64), "row"
    return cluster, unit


def _on_draw(metric: NamedMetric, rows: Scored, cluster: Counts, weights: Counts) -> float:
    """Any metric on a draw: a group that is drawn twice is two groups."""
    parts = [np.flatnonzero(weights[cluster] > copy) for copy in range(int(weights.max()))]
    index = np.concatenate(parts)
    copies = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    group = None if rows.group is None else copies * (int(cluster.max()) + 1) + cluster[index]
    try:
        return metric(Scored(rows.y[index], rows.prediction[index], rows.event_day[index], group))
    except MetricError:
        return float("nan")
