"""Pictures of a regression model, as PNG.

Belongs here: predicted against observed values, and residuals. Does not belong here: computing a metric (`metrics`).
"""

from __future__ import annotations

from platform_assets.tasks.drawing import ACCENT, INK, figure_of, labelled, note, png
from platform_assets.tasks.metric import Vector


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
