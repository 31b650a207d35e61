"""What every picture of a model shares: colours, axes, and a figure as PNG.

Belongs here: drawing with matplotlib's object interface (no global state). Does not belong here: what is drawn (each kind of task,
`evaluation/plots`).
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from platform_assets.tasks.metric import Vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, ACCENT, MUTED = "#1f2933", "#0b7285", "#adb5bd"


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


def thinned(values: Vector, points: int) -> list[float]:
    """At most so many values of a curve, its ends included, to six decimals."""
    keep = np.unique(np.linspace(0, len(values) - 1, min(points, len(values))).astype(int))
    return [round(float(value), 6) for value in values[keep]]
