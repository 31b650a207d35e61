"""Paired bootstrap: how sure it is that one prediction is better than another on the same rows.

Belongs here: drawing clusters of rows and what the difference of a metric becomes. Does not belong here: a bound on the difference
(`verdict`), metrics on rows as they are (`metrics`).

Rows of one card holder resemble each other, so whole groups are drawn, with replacement (the cluster bootstrap of Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8); without groups, whole days. Both predictions are measured on
the same draws, so what makes a draw easy or hard for both cancels. The interval is the percentile interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from platform_assets.evaluation.metrics.classes import OF_CONFUSION, losses, predicted
from platform_assets.evaluation.metrics.scored_rows import Vector, make_metric
from platform_assets.training.compare import MetricError, Scored

Unit: TypeAlias = Literal["group", "day", "row"]
Counts: TypeAlias = NDArray[np.int64]
Measure: TypeAlias = Callable[[Counts], float]
"""A metric of the rows, each cluster taken so many times."""

REPLICATES = 400
SLOW_REPLICATES = 200
FEWEST_CLUSTERS = 5
"""With fewer days than this, rows are drawn one by one: so few days say nothing about how days differ."""
_LEAST_SHARE = 0.9
"""A metric that exists in fewer draws than this share has no interval."""
_LEAST_PROBABILITY = 1e-15


@dataclass(frozen=True, slots=True)
class PairedDifference:
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


def paired_difference(metric: str, first: Scored, second: Scored, confidence: float, seed: int = 0) -> PairedDifference:
    """The difference between two predictions of the same rows, with one-sided bounds.

    Args:
        metric: a name that `metrics.make_metric` knows.
        first: rows with the first prediction.
        second: the same rows, in the same order, with the second.
        confidence: of each bound, for example 0.95.
        seed: decides the draws; the same rows and seed give the same bounds.

    Raises:
        MetricError: the metric cannot be computed on the rows, or on too few of the draws.
    """
    if len(first.y) != len(second.y) or not np.array_equal(first.y, second.y):
        raise MetricError("the two predictions are not of the same rows")
    measured = make_metric(metric)
    sign = 1.0 if measured.higher_is_better else -1.0
    values = measured(first), measured(second)
    cluster, unit = clusters_of(first)
    count = int(cluster.max()) + 1
    if np.array_equal(first.prediction, second.prediction):
        return PairedDifference(metric, *values, 0.0, 0.0, 0.0, confidence, len(first.y), count, unit, 0)
    measures = [_measure(metric, rows, cluster) for rows in (first, second)]
    fast = all(measure is not None for measure in measures)
    replicates = REPLICATES if fast else SLOW_REPLICATES
    rng = np.random.default_rng([seed, len(first.y), count])
    drawn = np.empty(replicates)
    for number in range(replicates):
        taken = np.bincount(rng.integers(0, count, count), minlength=count)
        one, other = (
            measure(taken) if measure is not None else _on_draw(metric, rows, cluster, taken)
            for measure, rows in zip(measures, (first, second), strict=True)
        )
        drawn[number] = sign * (one - other)
    known = drawn[np.isfinite(drawn)]
    if len(known) < _LEAST_SHARE * replicates:
        raise MetricError(
            f"{metric} could be computed on {len(known)} of {replicates} draws of {count:,} {unit}s: there is too little to compare"
        )
    lower, upper = np.quantile(known, [1.0 - confidence, confidence])
    return PairedDifference(
        metric=metric,
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


def _measure(metric: str, rows: Scored, cluster: Counts) -> Measure | None:
    """The metric as a function of how often each cluster is taken; None when it needs the rows themselves."""
    if rows.prediction.ndim == 2:
        return _measure_of_classes(metric, rows, cluster)
    if metric in ("average_precision", "auc_roc"):
        return _ranking(metric, rows.y, rows.prediction, cluster)
    loss = _losses(metric, rows.y, rows.prediction)
    if loss is not None:
        return _mean_loss(loss, cluster, root=metric == "rmse")
    return _explained(rows.y, rows.prediction, cluster) if metric == "r2" else None


def _measure_of_classes(metric: str, rows: Scored, cluster: Counts) -> Measure | None:
    """As `_measure`, for a probability of each class."""
    y, probabilities, classes = rows.y, rows.prediction, rows.prediction.shape[1]
    if metric in OF_CONFUSION:
        cell = y.astype(np.int64) * classes + predicted(probabilities)
        count = int(cluster.max()) + 1
        cells = np.bincount(cluster * classes**2 + cell, minlength=count * classes**2).reshape(count, classes**2)
        return lambda taken: OF_CONFUSION[metric]((taken @ cells).reshape(classes, classes))
    if metric in ("average_precision", "auc_roc"):
        found = [place for place in range(classes) if (y == place).any()]
        each = [_ranking(metric, (y == place).astype(np.float64), probabilities[:, place], cluster) for place in found]
        return lambda taken: _known_mean([measure(taken) for measure in each])
    return _mean_loss(losses(y, probabilities), cluster, root=False) if metric == "log_loss" else None


def _known_mean(values: list[float]) -> float:
    """Mean of what could be computed; a class that was not drawn takes no part."""
    known = [value for value in values if np.isfinite(value)]
    return sum(known) / len(known) if known else float("nan")


def _losses(metric: str, y: Vector, prediction: Vector) -> Vector | None:
    """Loss of each row, for metrics that are their mean."""
    if metric in ("brier", "rmse"):
        return (prediction - y) ** 2
    if metric == "mae":
        return np.abs(prediction - y)
    if metric == "log_loss":
        p = np.clip(prediction, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
        return -(y * np.log(p) + (1.0 - y) * np.log(1.0 - p))
    return None


def _mean_loss(loss: Vector, cluster: Counts, *, root: bool) -> Measure:
    """Mean of a loss, or its root, from the sums of the clusters."""
    sums, sizes = np.bincount(cluster, loss), np.bincount(cluster)

    def measure(taken: Counts) -> float:
        mean = float(taken @ sums) / float(taken @ sizes)
        return float(np.sqrt(mean)) if root else mean

    return measure


def _explained(y: Vector, prediction: Vector, cluster: Counts) -> Measure:
    """Share of the variance that is explained, from the sums of the clusters."""
    centred = y - y.mean()
    errors, sizes = np.bincount(cluster, (y - prediction) ** 2), np.bincount(cluster)
    firsts, squares = np.bincount(cluster, centred), np.bincount(cluster, centred**2)

    def measure(taken: Counts) -> float:
        spread = float(taken @ squares) - float(taken @ firsts) ** 2 / float(taken @ sizes)
        return 1.0 - float(taken @ errors) / spread if spread > 0.0 else float("nan")

    return measure


def _ranking(metric: str, y: Vector, prediction: Vector, cluster: Counts) -> Measure:
    """Average precision or area under the ROC curve, ties entering together.

    Rows are ordered once for all draws. Both metrics change only at scores that a positive row has, so the rows between two such scores
    are added up in one go: with rare positives a draw costs little more than looking up how often each row is taken.
    """
    order = np.argsort(-prediction, kind="stable")
    positive, ordered, cluster_of = y[order] == 1.0, prediction[order], cluster[order]
    first_of_tie = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    tie = np.cumsum(np.isin(np.arange(len(ordered)), first_of_tie)) - 1
    ties_with_positives = np.unique(tie[positive])
    starts = first_of_tie[ties_with_positives]
    ends = np.append(first_of_tie, len(ordered))[ties_with_positives + 1]
    cuts = np.unique(np.concatenate([[0], starts, ends[ends < len(ordered)]]))
    segment = np.searchsorted(cuts, np.flatnonzero(positive), side="right") - 1
    clusters_with_positives = cluster_of[positive]

    def measure(taken: Counts) -> float:
        rows = np.add.reduceat(taken[cluster_of], cuts)
        gained = np.bincount(segment, taken[clusters_with_positives], minlength=len(cuts))
        positives, total = float(gained.sum()), float(rows.sum())
        if positives in (0.0, total):
            return float("nan")
        found = np.cumsum(gained)
        if metric == "average_precision":
            return float(gained @ (found / np.maximum(np.cumsum(rows), 1)) / positives)
        rejected = rows - gained
        return float(rejected @ (found - gained / 2.0) / (positives * (total - positives)))

    return measure


def _on_draw(metric: str, rows: Scored, cluster: Counts, taken: Counts) -> float:
    """Any metric on a draw: a group that is drawn twice is two groups."""
    parts = [np.flatnonzero(taken[cluster] > copy) for copy in range(int(taken.max()))]
    index = np.concatenate(parts)
    copies = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    group = None if rows.group is None else copies * (int(cluster.max()) + 1) + cluster[index]
    try:
        return make_metric(metric)(Scored(rows.y[index], rows.prediction[index], rows.event_day[index], group))
    except MetricError:
        return float("nan")
