"""Labels as numbers.

Belongs here: what kinds of task share about reading labels. Does not belong here: classes (`multiclass/labels`).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from platform_assets.declaration import UseCase
from platform_assets.tasks.intervals import Interval
from platform_assets.tasks.metric import Vector


class LabelError(ValueError):
    """Labels or logged predictions that are not those of the declaration; the message says which rows and why."""


def numbers(label: pl.Series) -> Vector:
    """Labels that are numbers, float64 [n]; NaN for a null."""
    values: Vector = label.cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64, copy=False)
    return values


def mean_of(label: pl.Series) -> dict[str, float]:
    """The mean of labels that are numbers; 0 without any."""
    return {"label_mean": float(str(label.cast(pl.Float64).mean() or 0.0))}


def moved_mean(y: Vector, interval: Interval, reference: float, use_case: UseCase) -> list[tuple[str, str]]:
    """The mean label, when its whole interval lies outside the declared ratio around the reference.

    Args:
        y: float64 [n].
        interval: 90 % interval of their mean.
        reference: the mean in training.
        use_case: label and `max_label_rate_ratio`.
    """
    ratio = use_case.monitoring.max_label_rate_ratio
    low, high = reference / ratio, reference * ratio
    if interval.high >= low and interval.low <= high:
        return []
    text = (
        f"The label rate is {y.mean():.4g} (90 % interval {interval.low:.4g} to {interval.high:.4g}), "
        f"outside {low:.4g} to {high:.4g}, {ratio:g} times around the reference of {reference:.4g}."
    )
    return [(use_case.label.column, text)]
