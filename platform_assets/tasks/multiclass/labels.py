"""Labels of a multi-class task: indices of classes, logged probabilities, and the share of every class against training.

Belongs here: reading classes and probabilities as arrays, and comparing shares. Does not belong here: metrics (`metrics`), verdicts
(`monitoring/quality`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.declaration.tasks.multiclass import PROBABILITIES
from platform_assets.declaration.use_case import UseCase
from platform_assets.tasks.intervals import ratio_interval
from platform_assets.tasks.labels import LabelError


class OtherClasses(LabelError):
    """Logged probabilities are those of other classes than the declared ones."""


def class_indices(labels: pl.Series, classes: Sequence[str]) -> NDArray[np.float64]:
    """The index of each label among the classes, float64 [n]; NaN for a null.

    Raises:
        LabelError: a label is none of the classes.
    """
    texts = labels.cast(pl.String)
    indices = texts.replace_strict(list(classes), list(range(len(classes))), default=None, return_dtype=pl.Float64)
    unknown = texts.filter(indices.is_null() & texts.is_not_null())
    if len(unknown):
        shown = ", ".join(sorted(unknown.unique().to_list())[:5])
        raise LabelError(
            f"label {labels.name!r}: {len(unknown)} of {len(labels)} rows are of no declared class ({shown}); the classes are "
            f"{', '.join(classes)}: add what is missing to the `allowed` values of the label's column"
        )
    return indices.fill_null(float("nan")).to_numpy().astype(np.float64, copy=False)


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
        y: float64 [n], class indices; at least one row.
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
