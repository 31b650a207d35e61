"""Pictures on the model card, as data addresses that need no network.

Belongs here: what only the card draws. Does not belong here: the curves of a fold (`evaluation/plots.py`).
"""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, ACCENT, MUTED = "#1f2933", "#0b7285", "#adb5bd"
MOST_IMPORTANCES = 15


def data_address(png: bytes) -> str:
    """A PNG as the address of an image."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def draw_folds(comparison: Mapping[str, Any], metric: str, chosen: str) -> bytes:
    """Each candidate's metric fold by fold, with its mean.

    Args:
        comparison: as a run's artifact folder has it.
        metric: which metric.
        chosen: the candidate that was chosen.
    """
    named = [(name, result) for name, result in comparison["candidates"].items() if not result["failure"]]
    figure = _figure(9.6, 0.36 * len(named) + 1.0)
    axes = figure.subplots()
    for position, (name, result) in enumerate(reversed(named)):
        values = [fold["metrics"][metric] for fold in result["by_fold"]]
        colour = ACCENT if name == chosen else MUTED
        axes.plot(values, [position] * len(values), "o", color=colour, alpha=0.75, markersize=6)
        axes.plot([result["mean"][metric]] * 2, [position - 0.32, position + 0.32], color=INK, linewidth=2)
    axes.set_yticks(range(len(named)), [name for name, _ in reversed(named)])
    axes.set_xlabel(f"{metric}: folds, and their mean as a line")
    axes.grid(axis="x", alpha=0.3)
    return _png(figure)


def draw_importances(importances: Mapping[str, float], metric: str) -> bytes:
    """The most important features, as bars."""
    shown = list(importances.items())[:MOST_IMPORTANCES]
    figure = _figure(9.6, 0.24 * len(shown) + 0.9)
    axes = figure.subplots()
    axes.barh([name for name, _ in reversed(shown)], [value for _, value in reversed(shown)], color=ACCENT)
    axes.set_xlabel(f"{metric} lost when the feature's values are shuffled")
    axes.grid(axis="x", alpha=0.3)
    return _png(figure)


def _figure(width_inches: float, height_inches: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def _png(figure: "Figure") -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=80, metadata={"Software": None})
    return buffer.getvalue()
