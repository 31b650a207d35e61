"""What quality in production asks of a multi-class model beyond its metrics.

Belongs here: logged probabilities as an array, and the share of every class against training. Does not belong here: bounds on metrics and
the verdict (`quality`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.prediction_log import PROBABILITIES
from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.intervals import ratio_interval


class OtherClasses(ValueError):
    """Logged probabilities are those of other classes than the declared ones."""


def probabilities_of(rows: pl.DataFrame, use_case: UseCase) -> NDArray[np.float64]:
    """The logged probability of each class, float64 [n, K].

    Raises:
        OtherClasses: a row has probabilities of another number of classes, or none.
    """
    logged, classes = rows[PROBABILITIES], len(use_case.classes)
    other = logged.filter((logged.list.len() != classes) | logged.is_null())
    if len(other):
        raise OtherClasses(
            f"{len(other)} of {len(rows)} logged predictions have not {classes} probabilities, one for each class that "
            f"{use_case.name!r} declares: they are a model's that told other classes apart; judge it by its own declaration, or wait "
            "until the window holds predictions of the new model alone"
        )
    return logged.explode().to_numpy().reshape(len(rows), classes)


def moved_classes(y: NDArray[np.float64], use_case: UseCase, class_rows: Mapping[str, int]) -> list[tuple[str, str]]:
    """Classes whose share lies outside the declared ratio around their share in training.

    A class is named when its whole 90 % interval lies outside, and one without training rows when it occurs at all.

    Args:
        y: float64 [n], places of the classes; at least one row.
        use_case: classes and `max_label_rate_ratio`.
        class_rows: training rows of each class; none names no class.

    Returns:
        What moved, as `label=class`, and one sentence about it.
    """
    total, ratio = sum(class_rows.values()), use_case.monitoring.max_label_rate_ratio
    if not total:
        return []
    counts = np.bincount(y.astype(np.int64), minlength=len(use_case.classes))
    moved = []
    for name, count in zip(use_case.classes, counts.tolist(), strict=True):
        reference, interval = class_rows.get(name, 0) / total, ratio_interval(count, len(y))
        low, high = reference / ratio, reference * ratio
        if interval.high >= low and interval.low <= high:
            continue
        text = (
            f"Class {name} has a share of {count / len(y):.4g} (90 % interval {interval.low:.4g} to {interval.high:.4g}), outside "
            f"{low:.4g} to {high:.4g}, {ratio:g} times around its {reference:.4g} in training."
        )
        moved.append((f"{use_case.label.column}={name}", text))
    return moved
