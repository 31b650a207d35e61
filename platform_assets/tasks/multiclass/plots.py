"""Pictures of a multi-class model: the confusion of classes, what each class is recognised by, calibration of the answer.

Belongs here: drawing. Does not belong here: computing a metric (`metrics`), colours and axes (`pictures/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.pictures.confusion import draw_confusion
from platform_assets.pictures.figures import labelled, new_figure, note, png, read_as
from platform_assets.pictures.palette import BLUE, LINE, ORANGE
from platform_assets.tasks.metric import Matrix, Vector
from platform_assets.tasks.multiclass.metrics import class_reports, confusion, correctness
from platform_assets.tasks.reliability_plot import draw_reliability, draw_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 20
"""More classes than this get a picture of the most frequent ones."""
LONGEST_NAME = 18
NOTHING_TO_DRAW = "There are no rows to compare on."


def plot_classes(y: Vector, probabilities: Matrix, classes: Sequence[str]) -> bytes:
    """Confusion of classes, their recall and precision, and calibration of the predicted class.

    Args:
        y: float64 [n], class indices; may be empty.
        probabilities: float64 [n, K].
        classes: their names.

    Returns:
        A PNG image.
    """
    if len(y) == 0:
        return png(note(NOTHING_TO_DRAW))
    shown = _shown(y, probabilities)
    figure = new_figure(13.0, max(4.6, 0.28 * len(shown) + 2.2))
    grid = figure.add_gridspec(2, 3, width_ratios=(1.25, 1.0, 1.0), height_ratios=(3, 1))
    _confusion(figure.add_subplot(grid[:, 0]), y, probabilities, classes, shown)
    _found(figure.add_subplot(grid[:, 1]), y, probabilities, classes, shown)
    _calibration(figure, (grid[0, 2], grid[1, 2]), y, probabilities)
    return png(figure)


def class_figures(y: Vector, probabilities: Matrix, classes: Sequence[str]) -> dict[str, Figure]:
    """Each by itself, small enough for a telephone, by what it shows in words."""
    if len(y) == 0:
        return {NOTHING_TO_DRAW: note(NOTHING_TO_DRAW, 4.6)}
    shown = _shown(y, probabilities)
    height = max(3.5, 0.26 * len(shown) + 1.6)
    matrix, bars, calibration = new_figure(4.6, height), new_figure(4.6, height), new_figure(4.6, 3.5)
    _confusion(matrix.subplots(), y, probabilities, classes, shown)
    _found(bars.subplots(), y, probabilities, classes, shown)
    _calibration(calibration, calibration.add_gridspec(2, 1, height_ratios=(3, 1)), y, probabilities)
    return {
        "Confusion: rows of each class by what was predicted, shaded by their share of the class": matrix,
        "Recall and precision of each class": bars,
        "Calibration of the predicted class with 95 % intervals, above the number of rows": calibration,
    }


def _shown(y: Vector, probabilities: Matrix) -> Any:
    counts = confusion(y, probabilities)
    return np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_CLASSES])


def _names(classes: Sequence[str], shown: Any) -> list[str]:
    names = [classes[index] for index in shown]
    return [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]


def _confusion(axes: Any, y: Vector, probabilities: Matrix, classes: Sequence[str], shown: Any) -> None:
    counts = confusion(y, probabilities)
    names = _names(classes, shown)
    title = "Confusion, shaded by share of the class"
    if len(shown) < len(classes):
        title = f"Confusion, {len(shown)} most frequent of {len(classes)} classes"
    draw_confusion(
        axes,
        counts[np.ix_(shown, shown)],
        rows=names,
        columns=names,
        title=title,
        row_name="class",
        column_name="predicted",
        of_rows=counts[shown].sum(axis=1),
    )


def _found(axes: Any, y: Vector, probabilities: Matrix, classes: Sequence[str], shown: Any) -> None:
    reports = class_reports(y, probabilities, classes)
    places = np.arange(len(shown))[::-1]
    recall, precision = (
        np.nan_to_num(np.array([getattr(reports[index], name) for index in shown], dtype=float))
        for name in ("recall", "precision")
    )
    axes.hlines(places, np.minimum(recall, precision), np.maximum(recall, precision), color=LINE, linewidth=2)
    axes.plot(recall, places + 0.06, "o", color=BLUE, markersize=6)
    axes.plot(precision, places - 0.06, "s", color=ORANGE, markersize=5)
    axes.set_yticks(places, _names(classes, shown))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    labelled(axes, "Recall (dot) and precision (square)", "share of the rows", grid="x")
    read_as(axes.xaxis, "%")


def _calibration(figure: Figure, places: Any, y: Vector, probabilities: Matrix) -> None:
    upper = figure.add_subplot(places[0])
    lower = figure.add_subplot(places[1], sharex=upper)
    upper.tick_params(labelbottom=False)
    is_right, score = correctness(y, probabilities)
    draw_reliability(upper, [("predicted class", is_right, score, BLUE)], "share that is right")
    draw_scores(lower, [(score, BLUE)], "probability of the predicted class")
