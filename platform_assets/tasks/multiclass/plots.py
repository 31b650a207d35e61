"""Pictures of a multi-class model, as PNG.

Belongs here: the confusion of classes and what each class is recognised by. Does not belong here: computing a metric (`metrics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from platform_assets.tasks.calibration import reliability_bins
from platform_assets.tasks.drawing import ACCENT, INK, MUTED, figure_of, labelled, note, png
from platform_assets.tasks.metric import Matrix, Vector
from platform_assets.tasks.multiclass.metrics import class_reports, confusion, correctness

MOST_CLASSES = 20
"""More classes than this get a picture of the most frequent ones."""
_NUMBERS_UP_TO = 12


def plot_classes(y: Vector, probabilities: Matrix, classes: Sequence[str]) -> bytes:
    """Confusion of classes, their recall and precision, and calibration of the predicted class.

    Args:
        y: float64 [n], class indices; may be empty.
        probabilities: float64 [n, K].
        classes: their names.
    """
    if len(y) == 0:
        return note("There are no rows to compare on.")
    counts = confusion(y, probabilities)
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_CLASSES])
    names = [classes[index] for index in shown]
    figure = figure_of(10.4, max(4.4, 0.28 * len(shown) + 2.0))
    matrix, bars, calibration = figure.subplots(1, 3, width_ratios=(1.25, 1.0, 1.0))
    _draw_confusion(matrix, counts[np.ix_(shown, shown)], counts[shown].sum(axis=1), names)
    reports = [class_reports(y, probabilities, classes)[index] for index in shown]
    _draw_bars(bars, [report.recall for report in reports], [report.precision for report in reports], names)
    bins = reliability_bins(*correctness(y, probabilities))
    calibration.plot([b.mean_prediction for b in bins], [b.observed_ratio for b in bins], "o-", color=ACCENT)
    calibration.plot([0, 1], [0, 1], ":", color=INK, linewidth=0.8)
    labelled(calibration, "Calibration of the predicted class", "mean probability", "share that is right")
    return png(figure)


def _draw_confusion(axes: Any, counts: Any, of_class: Any, names: list[str]) -> None:
    """Colour by the share of a class's rows, with the number of rows where there is room for it."""
    shares = counts / np.maximum(of_class, 1)[:, np.newaxis]
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if len(names) <= _NUMBERS_UP_TO:
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.6 else INK
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=8)
    positions = list(range(len(names)))
    axes.set_xticks(positions, names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(positions, names, fontsize=8)
    labelled(axes, "Confusion: rows by class and prediction", "predicted", "class")
    axes.grid(False)


def _draw_bars(axes: Any, recall: list[float], precision: list[float], names: list[str]) -> None:
    positions = np.arange(len(names))[::-1]
    axes.barh(positions + 0.19, np.nan_to_num(recall), 0.36, color=ACCENT, label="recall")
    axes.barh(positions - 0.19, np.nan_to_num(precision), 0.36, color=MUTED, label="precision")
    axes.set_yticks(positions, names, fontsize=8)
    axes.set_xlim(0.0, 1.0)
    axes.legend(frameon=False, fontsize=8)
    labelled(axes, "Recall and precision", "share of the rows", "")
