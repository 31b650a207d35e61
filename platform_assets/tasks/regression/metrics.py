"""Metrics of a value: how far predictions are from it.

Belongs here: numbers from observed and predicted values. Does not belong here: bounds on them (`evaluation/gates`) and pictures (`plots`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from platform_assets.tasks.metric import (
    Counts,
    LabelsDoNotVary,
    Measure,
    NamedMetric,
    Scored,
    Vector,
    known_metric,
)
from platform_assets.tasks.resampling import explained_variance, mean_loss


def rmse(y: Vector, prediction: Vector) -> float:
    """Root of the mean squared error, in the label's unit."""
    return float(np.sqrt(np.mean((prediction - y) ** 2)))


def mae(y: Vector, prediction: Vector) -> float:
    """Mean absolute error, in the label's unit."""
    return float(np.mean(np.abs(prediction - y)))


def mean_error(y: Vector, prediction: Vector) -> float:
    """How far predictions lie off on the whole, too high or too low, in the label's unit: the size of the mean of their errors."""
    return float(abs(np.mean(prediction - y)))


def r2(y: Vector, prediction: Vector) -> float:
    """Share of the label's variance that is explained; below 0 is worse than the mean of these rows.

    Raises:
        MetricError: the label does not vary.
    """
    spread = float(((y - y.mean()) ** 2).sum())
    if spread == 0.0:
        raise LabelsDoNotVary(f"all {len(y)} labels are {y[0]:g}: there is no variance to explain")
    return 1.0 - float(((y - prediction) ** 2).sum()) / spread


def metric(name: str) -> NamedMetric:
    """The metric a requirement calls `name`.

    Raises:
        MetricError: there is no such metric.
    """
    return known_metric(name, METRICS)


def _rmse_by_cluster(rows: Scored, cluster: Counts) -> Measure:
    return mean_loss((rows.prediction - rows.y) ** 2, cluster, root=True)


def _mae_by_cluster(rows: Scored, cluster: Counts) -> Measure:
    return mean_loss(np.abs(rows.prediction - rows.y), cluster, root=False)


def _mean_error_by_cluster(rows: Scored, cluster: Counts) -> Measure:
    mean = mean_loss(rows.prediction - rows.y, cluster, root=False)
    return lambda weights: abs(mean(weights))


def _r2_by_cluster(rows: Scored, cluster: Counts) -> Measure:
    return explained_variance(rows.y, rows.prediction, cluster)


METRICS: Mapping[str, NamedMetric] = MappingProxyType(
    {
        named.name: named
        for named in (
            NamedMetric("rmse", False, lambda rows: rmse(rows.y, rows.prediction), _rmse_by_cluster),
            NamedMetric("mae", False, lambda rows: mae(rows.y, rows.prediction), _mae_by_cluster),
            NamedMetric("mean_error", False, lambda rows: mean_error(rows.y, rows.prediction), _mean_error_by_cluster),
            NamedMetric("r2", True, lambda rows: r2(rows.y, rows.prediction), _r2_by_cluster),
        )
    }
)
