"""Metrics of a multi-class task, from the class indices and the probability of each.

Belongs here: figures of one class and of all, with stated definitions. Does not belong here: pictures (`plots`), bounds
(`evaluation/gates`).

A class that none of the rows has takes no part in a mean over classes. The predicted class is the most probable one, of equally probable
ones the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.tasks.calibration import calibration_error
from platform_assets.tasks.metric import (
    Counts,
    LabelsDoNotVary,
    Matrix,
    Measure,
    MetricError,
    NamedMetric,
    Scored,
    Vector,
    known_metric,
)
from platform_assets.tasks.resampling import mean_loss, ranking

_LEAST_PROBABILITY = 1e-15


def predicted(probabilities: Matrix) -> NDArray[np.int64]:
    """The index of the predicted class, int64 [n] from float64 [n, K]."""
    return np.asarray(np.argmax(probabilities, axis=1), dtype=np.int64)


def confusion(y: Vector, probabilities: Matrix) -> NDArray[np.int64]:
    """How many rows of each class (row) were predicted as each class (column), int64 [K, K].

    As scikit-learn's `confusion_matrix` (a test compares the two), in a seventh of its time: 7 ms for 100,000 rows of 8 classes, where it
    takes 50. Intervals count it on hundreds of resamples.
    """
    classes = probabilities.shape[1]
    cell = y.astype(np.int64) * classes + predicted(probabilities)
    return np.bincount(cell, minlength=classes * classes).reshape(classes, classes)


def recalls(counts: NDArray[Any]) -> Vector:
    """Share of each class's rows that are predicted as it, float64 [K]; NaN for a class without rows.

    Args:
        counts: [K, K] as `confusion` gives them, or weighted.
    """
    of_class = counts.sum(axis=1)
    shares: Vector = np.divide(np.diagonal(counts), of_class, out=np.full(len(counts), np.nan), where=of_class > 0)
    return shares


def accuracy(counts: NDArray[Any]) -> float:
    """Share of the rows whose class is predicted; NaN without rows."""
    total = counts.sum()
    return float(np.trace(counts) / total) if total else float("nan")


def balanced_accuracy(counts: NDArray[Any]) -> float:
    """Mean recall of the classes."""
    recall = recalls(counts)
    return float(np.nanmean(recall)) if np.isfinite(recall).any() else float("nan")


def worst_class_recall(counts: NDArray[Any]) -> float:
    """The recall of the class that is found least."""
    recall = recalls(counts)
    return float(np.nanmin(recall)) if np.isfinite(recall).any() else float("nan")


def macro_f1(counts: NDArray[Any]) -> float:
    """Mean over the classes of the harmonic mean of precision and recall; a class that is predicted and has no rows counts with 0."""
    either = counts.sum(axis=0) + counts.sum(axis=1)
    present = either > 0
    return float(np.mean(2.0 * np.diagonal(counts)[present] / either[present])) if present.any() else float("nan")


OF_CONFUSION: Mapping[str, Callable[[NDArray[Any]], float]] = MappingProxyType(
    {
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy,
        "macro_f1": macro_f1,
        "worst_class_recall": worst_class_recall,
    }
)
"""Metrics that the confusion of classes decides."""


def auc_one_vs_rest(y: Vector, probabilities: Matrix) -> float:
    """Area under the ROC curve of each class against all others, the mean over the classes.

    Raises:
        MetricError: the rows are all of one class.
    """
    from sklearn.metrics import roc_auc_score

    return _mean_over_classes(roc_auc_score, y, probabilities)


def average_precision_one_vs_rest(y: Vector, probabilities: Matrix) -> float:
    """Average precision of each class against all others, the mean over the classes.

    Raises:
        MetricError: the rows are all of one class.
    """
    from sklearn.metrics import average_precision_score

    return _mean_over_classes(average_precision_score, y, probabilities)


def log_loss(y: Vector, probabilities: Matrix) -> float:
    """Mean negative log likelihood, in nats; probabilities are kept 1e-15 away from 0."""
    return float(losses(y, probabilities).mean())


def losses(y: Vector, probabilities: Matrix) -> Vector:
    """Negative log likelihood of each row, float64 [n]."""
    of_its_class = probabilities[np.arange(len(y)), y.astype(np.int64)]
    return np.asarray(-np.log(np.clip(of_its_class, _LEAST_PROBABILITY, 1.0)), dtype=np.float64)


def correctness(y: Vector, probabilities: Matrix) -> tuple[Vector, Vector]:
    """Whether the predicted class is right, 0 or 1, and its probability: what calibration is about (Guo et al. 2017, section 2)."""
    index = predicted(probabilities)
    return (index == y).astype(np.float64), np.minimum(probabilities[np.arange(len(y)), index], 1.0)


@dataclass(frozen=True, slots=True)
class ClassReport:
    """One class on judged rows.

    Attributes:
        name: the class.
        rows: how many are of it.
        predicted: how many are predicted as it.
        recall: share of its rows that are; NaN without rows.
        precision: share of what is predicted as it that is right; NaN where nothing is.
        auc_roc: of its probability against all others; NaN where only one of both occurs.
        mean_prediction: its mean probability.
    """

    name: str
    rows: int
    predicted: int
    recall: float
    precision: float
    auc_roc: float
    mean_prediction: float


def class_reports(y: Vector, probabilities: Matrix, classes: Sequence[str]) -> tuple[ClassReport, ...]:
    """Every class on its own, in the classes' order.

    Raises:
        MetricError: there are no rows.
    """
    from sklearn.metrics import roc_auc_score

    if len(y) == 0:
        raise MetricError("there are no rows")
    counts = confusion(y, probabilities)
    recall = recalls(counts)
    reports = []
    for index, name in enumerate(classes):
        rows, predicted_rows = int(counts[index].sum()), int(counts[:, index].sum())
        area = roc_auc_score(y == index, probabilities[:, index]) if 0 < rows < len(y) else float("nan")
        precision = float(counts[index, index] / predicted_rows) if predicted_rows else float("nan")
        mean = float(probabilities[:, index].mean())
        reports.append(ClassReport(name, rows, predicted_rows, float(recall[index]), precision, float(area), mean))
    return tuple(reports)


def _mean_over_classes(of_one: Callable[[Any, Any], float], y: Vector, probabilities: Matrix) -> float:
    occurring = [index for index in range(probabilities.shape[1]) if (y == index).any()]
    if len(occurring) < 2:
        raise LabelsDoNotVary(f"all {len(y)} labels are of one class: two are needed")
    return float(np.mean([of_one(y == index, probabilities[:, index]) for index in occurring]))


def metric(name: str) -> NamedMetric:
    """The metric a requirement calls `name`.

    Raises:
        MetricError: there is no such metric.
    """
    return known_metric(name, METRICS)


def _of_confusion(name: str) -> NamedMetric:
    """A metric that the confusion of classes decides; cells are counted once for each cluster."""
    function = OF_CONFUSION[name]

    def by_cluster(rows: Scored, cluster: Counts) -> Measure:
        classes = rows.prediction.shape[1]
        cell = rows.y.astype(np.int64) * classes + predicted(rows.prediction)
        count = int(cluster.max()) + 1
        cells = np.bincount(cluster * classes**2 + cell, minlength=count * classes**2).reshape(count, classes**2)
        return lambda weights: function((weights @ cells).reshape(classes, classes))

    return NamedMetric(name, True, lambda rows: function(confusion(rows.y, rows.prediction)), by_cluster)


def _one_vs_rest(name: str, function: Callable[[Vector, Matrix], float]) -> NamedMetric:
    """A ranking of each class against all others, the mean over the classes that occur."""

    def by_cluster(rows: Scored, cluster: Counts) -> Measure:
        y, probabilities = rows.y, rows.prediction
        occurring = [index for index in range(probabilities.shape[1]) if (y == index).any()]
        each = [ranking(name, (y == index).astype(np.float64), probabilities[:, index], cluster) for index in occurring]
        return lambda weights: _known_mean([measure(weights) for measure in each])

    return NamedMetric(name, True, lambda rows: function(rows.y, rows.prediction), by_cluster)


def _known_mean(values: list[float]) -> float:
    """Mean of what could be computed; a class that was not drawn takes no part."""
    known = [value for value in values if np.isfinite(value)]
    return sum(known) / len(known) if known else float("nan")


def _log_loss_by_cluster(rows: Scored, cluster: Counts) -> Measure:
    return mean_loss(losses(rows.y, rows.prediction), cluster, root=False)


METRICS: Mapping[str, NamedMetric] = MappingProxyType(
    {
        named.name: named
        for named in (
            *(_of_confusion(name) for name in OF_CONFUSION),
            _one_vs_rest("auc_roc", auc_one_vs_rest),
            _one_vs_rest("average_precision", average_precision_one_vs_rest),
            NamedMetric("log_loss", False, lambda rows: log_loss(rows.y, rows.prediction), _log_loss_by_cluster),
            NamedMetric(
                "calibration_error", False, lambda rows: calibration_error(*correctness(rows.y, rows.prediction))
            ),
        )
    }
)
