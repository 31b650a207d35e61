"""Pictures of a binary model, as PNG.

Belongs here: curves, calibration and the confusion at a threshold. Does not belong here: computing a metric (`metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from platform_assets.tasks.binary.metrics import confusion_at
from platform_assets.tasks.calibration import reliability_bins
from platform_assets.tasks.drawing import ACCENT, INK, MUTED, figure_of, labelled, note, png
from platform_assets.tasks.metric import Vector


def plot_binary(y: Vector, predictions: Mapping[str, Vector], threshold: float) -> bytes:
    """ROC, precision-recall, calibration, and the confusion at the threshold.

    Where only one class occurs there are no curves, and without rows nothing at all: the picture says so.

    Args:
        y: float64 [n], 0 or 1; may be empty.
        predictions: float64 [n] by name; the first is the model, others (the champion) are drawn for comparison.
        threshold: of the decision.
    """
    if len(y) == 0:
        return note("There are no rows to compare on.")
    figure = figure_of(9.6, 7.2)
    roc, curve, calibration, confusion = figure.subplots(2, 2).ravel()
    both_classes = bool((y == 1.0).any() and (y == 0.0).any())
    for (name, prediction), colour in zip(predictions.items(), (ACCENT, MUTED), strict=False):
        if both_classes:
            _draw_curves(roc, curve, y, prediction, colour, name)
        bins = reliability_bins(y, prediction)
        calibration.plot(
            [b.mean_prediction for b in bins], [b.observed_ratio for b in bins], "o-", color=colour, label=name
        )
    roc.plot([0, 1], [0, 1], ":", color=INK, linewidth=0.8)
    calibration.plot([0, 1], [0, 1], ":", color=INK, linewidth=0.8)
    labelled(roc, "ROC", "false positive rate", "true positive rate")
    labelled(curve, "Precision and recall", "recall", "precision")
    labelled(calibration, "Calibration", "mean prediction", "share of positives")
    if both_classes:
        roc.legend(loc="lower right", frameon=False)
    else:
        for axes in (roc, curve):
            axes.text(0.5, 0.5, f"all {len(y):,} labels are {y[0]:g}", ha="center", color=INK)
    _draw_confusion(confusion, y, next(iter(predictions.values())), threshold)
    return png(figure)


def _draw_curves(roc: Any, curve: Any, y: Vector, prediction: Vector, colour: str, name: str) -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    false, true, _ = roc_curve(y, prediction)
    roc.plot(*_thin(false, true), color=colour, label=name)
    precision, recall, _ = precision_recall_curve(y, prediction)
    curve.plot(*_thin(recall, precision), color=colour, label=name)


def _draw_confusion(axes: Any, y: Vector, prediction: Vector, threshold: float) -> None:
    at_threshold = confusion_at(y, prediction, threshold)
    counts = [
        [at_threshold.true_negatives, at_threshold.false_positives],
        [at_threshold.false_negatives, at_threshold.true_positives],
    ]
    axes.imshow(np.log1p(np.array(counts, dtype=np.float64)), cmap="Blues")
    for row in range(2):
        for column in range(2):
            axes.text(column, row, f"{counts[row][column]:,}", ha="center", va="center", color=INK, fontsize=12)
    axes.set_xticks([0, 1], ["below", "at or above"])
    axes.set_yticks([0, 1], ["negative", "positive"])
    labelled(axes, f"Confusion at threshold {threshold:g}", "decision", "label")
    axes.grid(False)


def _thin(x: Vector, y: Vector, points: int = 600) -> tuple[Vector, Vector]:
    """At most so many points of a curve, its ends included."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(points, len(x))).astype(int))
    return x[keep], y[keep]
