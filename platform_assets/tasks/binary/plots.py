"""Pictures of a binary model: curves, calibration where the scores are, and the confusion at a threshold.

Belongs here: drawing. Does not belong here: computing a metric (`metrics`), colours and axes (`pictures/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.pictures.confusion import draw_confusion
from platform_assets.pictures.figures import corner_labels, end_labels, labelled, new_figure, note, png, read_as
from platform_assets.pictures.numbers import percent, readable
from platform_assets.pictures.palette import BLUE, GREY, INK, ORANGE, SOFT
from platform_assets.tasks.binary.metrics import confusion_at
from platform_assets.tasks.metric import Vector
from platform_assets.tasks.reliability_plot import draw_reliability, draw_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE)
MOST_COMPARED = 2
NO_ROWS = "There are no rows to compare on."
CURVE_POINTS = 400


def plot_binary(y: Vector, predictions: Mapping[str, Vector], threshold: float) -> bytes:
    """ROC, precision-recall, calibration, and the confusion at the threshold.

    Where only one class occurs there are no curves, and without rows nothing at all: the picture says so.

    Args:
        y: float64 [n], 0 or 1; may be empty.
        predictions: float64 [n] by name; the first is the model, others (the champion) are drawn for comparison.
        threshold: of the decision.

    Returns:
        A PNG image.
    """
    return png(binary_figure(y, predictions, threshold))


def binary_figure(y: Vector, predictions: Mapping[str, Vector], threshold: float) -> Figure:
    """All of it in one figure."""
    if len(y) == 0:
        return note(NO_ROWS)
    figure = new_figure(10.4, 8.4)
    grid = figure.add_gridspec(3, 2, height_ratios=(4, 3, 1))
    _roc(figure.add_subplot(grid[0, 0]), y, predictions)
    _precision_recall(figure.add_subplot(grid[0, 1]), y, predictions)
    _calibration(figure, (grid[1, 0], grid[2, 0]), y, predictions)
    _confusion(figure.add_subplot(grid[1:, 1]), y, predictions, threshold)
    return figure


def binary_figures(y: Vector, predictions: Mapping[str, Vector], threshold: float) -> dict[str, Figure]:
    """Each by itself, small enough for a telephone, by what it shows in words."""
    if len(y) == 0:
        return {NO_ROWS: note(NO_ROWS, 4.6)}
    roc, curve, calibration, confusion = (new_figure(4.6, 3.5) for _ in range(4))
    _roc(roc.subplots(), y, predictions)
    _precision_recall(curve.subplots(), y, predictions)
    _calibration(calibration, calibration.add_gridspec(2, 1, height_ratios=(3, 1)), y, predictions)
    _confusion(confusion.subplots(), y, predictions, threshold)
    return {
        f"Confusion at threshold {threshold:g}: counts and shares of each label": confusion,
        "Calibration: share of positives by score, with 95 % intervals, above the number of rows by score": calibration,
        "Precision against recall": curve,
        "Share of positives found against share of negatives flagged (ROC)": roc,
    }


def _compared(predictions: Mapping[str, Vector]) -> list[tuple[str, Vector, str]]:
    return [(name, values, colour) for (name, values), colour in zip(predictions.items(), COLOURS, strict=False)]


def _has_both(axes: Any, y: Vector) -> bool:
    if (y == 1.0).any() and (y == 0.0).any():
        return True
    text = f"no curve: {'the only label' if len(y) == 1 else f'all {len(y):,} labels'} {'is' if len(y) == 1 else 'are'} {y[0]:g}"
    axes.text(0.5, 0.55, text, ha="center", color=INK, fontsize=9, transform=axes.transAxes)
    return False


def _roc(axes: Any, y: Vector, predictions: Mapping[str, Vector]) -> None:
    from sklearn.metrics import auc, roc_curve

    labelled(
        axes, "Found against wrongly flagged (ROC)", "share of the negatives flagged", "share of the positives found"
    )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    read_as(axes.xaxis, "%")
    read_as(axes.yaxis, "%")
    axes.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1)
    axes.text(0.62, 0.56, "by chance", color=SOFT, fontsize=8, rotation=33, rotation_mode="anchor")
    if not _has_both(axes, y):
        return
    labels = []
    for place, (name, prediction, colour) in enumerate(_compared(predictions)):
        false, true, _ = roc_curve(y, prediction)
        axes.plot(*_thin(false, true), color=colour, linestyle="-" if place == 0 else (0, (5, 2)), linewidth=1.6)
        labels.append((f"{name}: area {readable(float(auc(false, true)))}", colour))
    corner_labels(axes, labels)


def _precision_recall(axes: Any, y: Vector, predictions: Mapping[str, Vector]) -> None:
    from sklearn.metrics import precision_recall_curve

    labelled(
        axes,
        "Precision and recall",
        "recall: share of the positives found",
        "precision: share of the flagged that are positive",
    )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03))
    read_as(axes.xaxis, "%")
    read_as(axes.yaxis, "%")
    if not _has_both(axes, y):
        return
    labels = []
    rate = float(y.mean())
    axes.axhline(rate, color=GREY, linestyle=":", linewidth=1)
    for place, (name, prediction, colour) in enumerate(_compared(predictions)):
        precision, recall, _ = precision_recall_curve(y, prediction)
        axes.plot(*_thin(recall, precision), color=colour, linestyle="-" if place == 0 else (0, (5, 2)), linewidth=1.6)
        labels.append((f"{name}: average {readable(float(-np.sum(np.diff(recall) * precision[:-1])))}", colour))
    corner_labels(axes, labels, at_top=True)
    end_labels(axes, [(rate, f"chance\n{percent(rate)}", SOFT)])


def _calibration(figure: Figure, places: Any, y: Vector, predictions: Mapping[str, Vector]) -> None:
    upper = figure.add_subplot(places[0])
    lower = figure.add_subplot(places[1], sharex=upper)
    upper.tick_params(labelbottom=False)
    series = [(name, y, values, colour) for name, values, colour in _compared(predictions)]
    draw_reliability(upper, series, "share of positives")
    draw_scores(lower, [(values, colour) for _, _, values, colour in series], "score")


def _confusion(axes: Any, y: Vector, predictions: Mapping[str, Vector], threshold: float) -> None:
    cells = confusion_at(y, next(iter(predictions.values())), threshold)
    counts = np.array([[cells.true_negatives, cells.false_positives], [cells.false_negatives, cells.true_positives]])
    draw_confusion(
        axes,
        counts,
        rows=("negative", "positive"),
        of_row=("of the negatives", "of the positives"),
        columns=(f"below {threshold:g}", f"{threshold:g} or above"),
        title=f"Confusion at threshold {threshold:g}",
        row_name="label",
        column_name="score",
    )


def _thin(x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """At most so many points of a curve, its ends included, spread along its length and not along its rows: a rare class has few
    points and all of the bend."""
    if len(x) <= CURVE_POINTS:
        return x, y
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    keep = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], CURVE_POINTS)))
    keep = np.unique(np.concatenate([[0], np.minimum(keep, len(x) - 1), [len(x) - 1]]))
    return x[keep], y[keep]
