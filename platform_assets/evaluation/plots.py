"""Pictures of a comparison, as PNG.

Belongs here: drawing what was compared. Does not belong here: pictures of one model, which depend on its kind of task
(`tasks/*/plots.py`), or computing a metric.
"""

from __future__ import annotations

import numpy as np

from platform_assets.tasks.drawing import ACCENT, INK, MUTED, figure_of, png
from platform_assets.training.compare import Comparison


def plot_candidates(comparison: Comparison, metric: str) -> bytes:
    """Every candidate's metric, fold by fold, with its mean.

    Args:
        comparison: candidates on the same folds.
        metric: which of its metrics.
    """
    results = [result for result in comparison.results if result.failure is None]
    figure = figure_of(6.4, 0.5 * len(results) + 1.3)
    axes = figure.subplots()
    for position, result in enumerate(reversed(results)):
        values = result.values(metric)
        colour = MUTED if result.candidate.baseline else ACCENT
        axes.plot(values, np.full(len(values), position), "o", color=colour, alpha=0.6, markersize=5)
        axes.plot([result.mean(metric)] * 2, [position - 0.3, position + 0.3], color=INK, linewidth=2)
    axes.set_yticks(range(len(results)), [result.candidate.name for result in reversed(results)])
    axes.set_xlabel(f"{metric}: folds and their mean (baselines in grey)")
    axes.grid(axis="x", alpha=0.3)
    return png(figure)
