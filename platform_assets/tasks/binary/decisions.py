"""Metrics of decisions: how often a threshold decides rightly.

Belongs here: numbers from the four cells of labels and decisions. Does not belong here: metrics of the probabilities themselves
(`metrics`), and the threshold, which is declared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from platform_assets.tasks.metric import Counts, LabelsDoNotVary, Measure, MetricError, NamedMetric, Scored

Cells: TypeAlias = NDArray[np.float64]
"""How many rows there are of each kind, float64 [4]: negative and positive below the threshold, negative and positive at or above it."""


def accuracy(cells: Cells) -> float:
    """Share of rows that are decided rightly."""
    return float((cells[0] + cells[3]) / cells.sum())


def balanced_accuracy(cells: Cells) -> float:
    """Mean of the shares of positives and of negatives that are decided rightly; NaN where one of them has no rows."""
    negatives, positives = cells[0] + cells[2], cells[1] + cells[3]
    return float((cells[0] / negatives + cells[3] / positives) / 2) if negatives and positives else math.nan


def precision(cells: Cells) -> float:
    """Share of flagged rows that are positive; 0 when none is flagged."""
    flagged = cells[2] + cells[3]
    return float(cells[3] / flagged) if flagged else 0.0


def recall(cells: Cells) -> float:
    """Share of positive rows that are flagged; NaN without positives."""
    positives = cells[1] + cells[3]
    return float(cells[3] / positives) if positives else math.nan


def f1(cells: Cells) -> float:
    """Harmonic mean of precision and recall; NaN where no row is positive and none is flagged."""
    involved = 2 * cells[3] + cells[1] + cells[2]
    return float(2 * cells[3] / involved) if involved else math.nan


def mcc(cells: Cells) -> float:
    """Correlation of labels and decisions (Matthews, 1975), from -1 to 1; 0 where either is always the same."""
    true_negatives, false_negatives, false_positives, true_positives = (float(cell) for cell in cells)
    flagged, positives = true_positives + false_positives, true_positives + false_negatives
    spread = flagged * positives * (true_negatives + false_positives) * (true_negatives + false_negatives)
    covariance = true_positives * true_negatives - false_positives * false_negatives
    return covariance / math.sqrt(spread) if spread else 0.0


OF_CELLS: Mapping[str, Callable[[Cells], float]] = MappingProxyType(
    {
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "mcc": mcc,
    }
)


def of_decisions(name: str) -> NamedMetric:
    """A metric of decisions, which `at` gives for a threshold."""

    def without(rows: Scored) -> float:
        raise MetricError(f"{name} is one of decisions, and no threshold is declared")

    return NamedMetric(name, True, without, at=lambda threshold: _at(name, threshold))


def _at(name: str, threshold: float) -> NamedMetric:
    function = OF_CELLS[name]

    def by_cluster(rows: Scored, cluster: Counts) -> Measure:
        count = int(cluster.max()) + 1
        cells = np.bincount(cluster * 4 + _cell(rows, threshold), minlength=count * 4).reshape(count, 4)
        return lambda weights: function((weights @ cells).astype(np.float64))

    def measured(rows: Scored) -> float:
        value = function(np.bincount(_cell(rows, threshold), minlength=4).astype(np.float64))
        if math.isnan(value):
            raise LabelsDoNotVary(f"all {len(rows.y)} labels are {rows.y[0]:g}: {name} needs the other class")
        return value

    return NamedMetric(name, True, measured, by_cluster)


def _cell(rows: Scored, threshold: float) -> Counts:
    """The cell of each row, from 0 to 3."""
    cell: Counts = (rows.prediction >= threshold).astype(np.int64) * 2 + (rows.y == 1.0)
    return cell
