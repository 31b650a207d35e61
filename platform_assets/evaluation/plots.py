"""Pictures of an evaluation, as PNG.

Belongs here: drawing figures that were computed elsewhere, with matplotlib's object interface (no global state). Does
not belong here: computing a metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.evaluation.metrics.scored_rows import Vector, confusion_at, reliability_bins
from platform_assets.training.compare import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, ACCENT, MUTED = "#1f2933", "#0b7285", "#adb5bd"


def plot_candidates(comparison: Comparison, metric: str) -> bytes:
    """Every candidate's metric, fold by fold, with its mean.

    Args:
        comparison: candidates on the same folds.
        metric: which of its metrics.
    """
    results = [result for result in comparison.results if result.failure is None]
    figure = figure_of(6.4, 0.5 * len(results) + 1.3)
    axes = figure.subplots()
    for place, result in enumerate(reversed(results)):
        values = result.values(metric)
        colour = MUTED if result.candidate.baseline else ACCENT
        axes.plot(values, np.full(len(values), place), "o", color=colour, alpha=0.6, markersize=5)
        axes.plot([result.mean(metric)] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=2)
    axes.set_yticks(range(len(results)), [result.candidate.name for result in reversed(results)])
    axes.set_xlabel(f"{metric}: folds and their mean (baselines in grey)")
    axes.grid(axis="x", alpha=0.3)
    return png(figure)


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


def plot_regression(y: Vector, prediction: Vector) -> bytes:
    """Predicted against observed values, and the residuals' distribution.

    Args:
        y: float64 [n]; may be empty.
        prediction: float64 [n].
    """
    if len(y) == 0:
        return note("There are no rows to compare on.")
    figure = figure_of(9.6, 4.2)
    against, residuals = figure.subplots(1, 2)
    step = max(1, len(y) // 3000)
    against.plot(y[::step], prediction[::step], ".", color=ACCENT, alpha=0.3, markersize=3)
    low, high = float(min(y.min(), prediction.min())), float(max(y.max(), prediction.max()))
    against.plot([low, high], [low, high], ":", color=INK, linewidth=0.8)
    labelled(against, "Predicted against observed", "observed", "predicted")
    residuals.hist(prediction - y, bins=60, color=ACCENT)
    labelled(residuals, "Residuals", "predicted - observed", "rows")
    return png(figure)


def _draw_curves(roc: Any, curve: Any, y: Vector, prediction: Vector, colour: str, name: str) -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    false, true, _ = roc_curve(y, prediction)
    roc.plot(*_thin(false, true), color=colour, label=name)
    precision, recall, _ = precision_recall_curve(y, prediction)
    curve.plot(*_thin(recall, precision), color=colour, label=name)


def _draw_confusion(axes: Any, y: Vector, prediction: Vector, threshold: float) -> None:
    found = confusion_at(y, prediction, threshold)
    counts = [[found.true_negatives, found.false_positives], [found.false_negatives, found.true_positives]]
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


def labelled(axes: Any, title: str, x: str, y: str) -> None:
    """Title, names of the axes, and a grid."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)


def figure_of(width_inches: float, height_inches: float) -> Figure:
    """An empty figure of that size."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def note(text: str) -> bytes:
    """A picture that says why there is none."""
    figure = figure_of(6.4, 1.6)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=INK)
    return png(figure)


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()
