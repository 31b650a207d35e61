"""Metrics of a probability: how well rows are ranked, how true the probabilities are, and what is found in groups.

Belongs here: numbers from 0-or-1 labels and probabilities, each with a stated definition. Does not belong here: bounds on them
(`evaluation/gates`) and pictures (`plots`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.tasks.binary.decisions import OF_CELLS, of_decisions
from platform_assets.tasks.calibration import calibration_error
from platform_assets.tasks.metric import (
    Counts,
    LabelsDoNotVary,
    Measure,
    MetricError,
    NamedMetric,
    Scored,
    Vector,
    known_metric,
)
from platform_assets.tasks.resampling import mean_loss, ranking, ranking_of_labels

_LEAST_PROBABILITY = 1e-15
_GROUP_PRECISION = re.compile(r"group_precision_at_([1-9][0-9]*)")


def auc_roc(y: Vector, prediction: Vector) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties half.

    Raises:
        MetricError: only one class occurs.
    """
    from sklearn.metrics import roc_auc_score

    _both_classes(y)
    return float(roc_auc_score(y, prediction))


def average_precision(y: Vector, prediction: Vector) -> float:
    """Mean precision weighted by the gain in recall, without interpolation; tied scores enter together.

    Raises:
        MetricError: only one class occurs.
    """
    from sklearn.metrics import average_precision_score

    _both_classes(y)
    return float(average_precision_score(y, prediction))


def group_precision_at_k(
    y: Vector,
    prediction: Vector,
    event_day: NDArray[np.datetime64],
    group: NDArray[Any],
    k: int,
    remove_found: bool = True,
) -> float:
    """Mean over the days of `group_precision_by_day`.

    Raises:
        MetricError: there are no rows, or k is less than 1.
    """
    daily = group_precision_by_day(y, prediction, event_day, group, k, remove_found)
    return float(np.mean(list(daily.values())))


def group_precision_by_day(
    y: Vector,
    prediction: Vector,
    event_day: NDArray[np.datetime64],
    group: NDArray[Any],
    k: int,
    remove_found: bool = True,
) -> dict[str, float]:
    """Of the k groups one would look at each day, the share that are bad: cards in payments, customers in credit.

    Each day the groups are ranked by their highest score; groups with the same score by their identifier, lowest first. A group counts
    as bad when any of its rows that day is positive. Bad groups found among a day's top k are dealt with: with `remove_found` they take
    no part on later days. The share is of k even on a day with fewer groups. This is the card precision of Le Borgne et al.,
    Reproducible Machine Learning for Credit Card Fraud Detection, chapter 4, with the order of ties fixed.

    Args:
        y: float64 [n], 0.0 or 1.0.
        prediction: float64 [n], higher is more suspicious.
        event_day: datetime64[D] [n], in any order.
        group: [n] identifiers of the groups.
        k: how many groups are looked at each day.
        remove_found: leave found groups out on later days.

    Returns:
        Share by ISO day, days in order.

    Raises:
        MetricError: there are no rows, or k is less than 1.
    """
    if k < 1 or len(y) == 0:
        raise MetricError(f"group precision needs k of at least 1 and rows; k is {k} and there are {len(y)} rows")
    groups, group_index = np.unique(group, return_inverse=True)
    caught = np.zeros(len(groups), dtype=np.bool_)
    result: dict[str, float] = {}
    for day in np.unique(event_day):
        rows = np.flatnonzero((event_day == day) & ~caught[group_index])
        score = np.full(len(groups), -np.inf)
        np.maximum.at(score, group_index[rows], prediction[rows])
        bad = np.zeros(len(groups), dtype=np.bool_)
        bad[group_index[rows[y[rows] == 1.0]]] = True
        seen = np.unique(group_index[rows])
        top = seen[np.lexsort((seen, -score[seen]))][:k]
        hits = top[bad[top]]
        result[str(day)] = len(hits) / k
        if remove_found:
            caught[hits] = True
    return result


def brier(y: Vector, prediction: Vector) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((prediction - y) ** 2))


def log_loss(y: Vector, prediction: Vector) -> float:
    """Mean negative log likelihood, in nats; probabilities are kept 1e-15 away from 0 and 1."""
    p = np.clip(prediction, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log(1.0 - p)))


def log_losses(y: Vector, prediction: Vector) -> Vector:
    """Negative log likelihood of each row, float64 [n]."""
    p = np.clip(prediction, _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    losses: Vector = -(y * np.log(p) + (1.0 - y) * np.log(1.0 - p))
    return losses


@dataclass(frozen=True, slots=True)
class Confusion:
    """What happens when rows at or above a threshold are flagged."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float:
        """Share of flagged rows that are positive; 0 when none is flagged."""
        flagged = self.true_positives + self.false_positives
        return self.true_positives / flagged if flagged else 0.0

    @property
    def recall(self) -> float:
        """Share of positive rows that are flagged; 0 when there is none."""
        positive = self.true_positives + self.false_negatives
        return self.true_positives / positive if positive else 0.0

    @property
    def flagged_ratio(self) -> float:
        """Share of all rows that are flagged."""
        rows = self.true_positives + self.false_positives + self.false_negatives + self.true_negatives
        return (self.true_positives + self.false_positives) / rows if rows else 0.0


def confusion_at(y: Vector, prediction: Vector, threshold: float) -> Confusion:
    """Count rows by label and by whether the prediction reaches `threshold`."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(y == 1.0, prediction >= threshold, labels=[False, True])
    [[true_negatives, false_positives], [false_negatives, true_positives]] = counts.tolist()
    return Confusion(threshold, true_positives, false_positives, false_negatives, true_negatives)


def metric(name: str) -> NamedMetric:
    """The metric a requirement calls `name`; `group_precision_at_K` exists for every K from 1 on.

    Raises:
        MetricError: there is no such metric.
    """
    of_groups = _GROUP_PRECISION.fullmatch(name)
    if of_groups is None:
        return known_metric(name, METRICS, ["group_precision_at_100"])
    k = int(of_groups.group(1))
    return NamedMetric(
        name, True, lambda rows: float(np.mean(list(_by_day(rows, k).values()))), None, lambda rows: _by_day(rows, k)
    )


def _by_day(rows: Scored, k: int) -> Mapping[str, float]:
    if rows.group is None:
        raise MetricError("no group column is declared: the card or customer that a row belongs to")
    return group_precision_by_day(rows.y, rows.prediction, rows.event_day, rows.group, k)


def _both_classes(y: Vector) -> None:
    if len(y) == 0:
        raise MetricError("there are no rows")
    if (y == y[0]).all():
        raise LabelsDoNotVary(f"all {len(y)} labels are {y[0]:g}: both classes are needed")


def _ranked(name: str) -> Callable[[Scored, Counts], Measure]:
    return lambda rows, cluster: ranking(name, rows.y, rows.prediction, cluster)


def _of_losses(losses: Callable[[Vector, Vector], Vector]) -> Callable[[Scored, Counts], Measure]:
    return lambda rows, cluster: mean_loss(losses(rows.y, rows.prediction), cluster, root=False)


def _squares(y: Vector, prediction: Vector) -> Vector:
    return np.asarray((prediction - y) ** 2, dtype=np.float64)


METRICS: Mapping[str, NamedMetric] = MappingProxyType(
    {
        named.name: named
        for named in (
            NamedMetric(
                "auc_roc",
                True,
                lambda rows: auc_roc(rows.y, rows.prediction),
                _ranked("auc_roc"),
                of_labels=lambda rows: ranking_of_labels("auc_roc", rows.prediction),
            ),
            NamedMetric(
                "average_precision",
                True,
                lambda rows: average_precision(rows.y, rows.prediction),
                _ranked("average_precision"),
                of_labels=lambda rows: ranking_of_labels("average_precision", rows.prediction),
            ),
            *(of_decisions(name) for name in OF_CELLS),
            NamedMetric("brier", False, lambda rows: brier(rows.y, rows.prediction), _of_losses(_squares)),
            NamedMetric("log_loss", False, lambda rows: log_loss(rows.y, rows.prediction), _of_losses(log_losses)),
            NamedMetric("calibration_error", False, lambda rows: calibration_error(rows.y, rows.prediction)),
        )
    }
)
