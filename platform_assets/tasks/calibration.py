"""Calibration: whether what was promised as a probability came true as often.

Belongs here: bins of equal size and the error over them, for any 0-or-1 outcome. Does not belong here: which outcome (each kind of task),
bounds (`evaluation/gates`).

scikit-learn's `calibration_curve(strategy="quantile")` bins by the quantiles of the probabilities: where many are equal it splits them, or
drops a bin without saying so. Here equal probabilities always share a bin, and stored verdicts rest on these bins.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from platform_assets.tasks.metric import MetricError, Vector


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows with similar probabilities: what was promised and what happened."""

    rows: int
    mean_prediction: float
    observed_ratio: float


def reliability_bins(y: Vector, prediction: Vector, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Rows in bins of about equal size by probability, lowest first; equal probabilities are never split.

    Raises:
        MetricError: there are no rows, or a prediction is no probability.
    """
    if len(y) == 0:
        raise MetricError("there are no rows")
    if prediction.min() < 0.0 or prediction.max() > 1.0:
        raise MetricError(f"predictions from {prediction.min():g} to {prediction.max():g} are no probabilities")
    order = np.argsort(prediction, kind="stable")
    p, outcome = prediction[order], y[order]
    cuts = np.unique(np.searchsorted(p, p[(np.arange(1, bins) * len(p)) // bins], side="left"))
    edges = [0, *[int(cut) for cut in cuts if cut > 0], len(p)]
    return tuple(
        ReliabilityBin(stop - start, float(p[start:stop].mean()), float(outcome[start:stop].mean()))
        for start, stop in itertools.pairwise(edges)
    )


def calibration_error(y: Vector, prediction: Vector, bins: int = 10) -> float:
    """Expected calibration error: mean distance of promised and observed share over `reliability_bins`, weighted by rows.

    Raises:
        MetricError: as `reliability_bins`.
    """
    binned = reliability_bins(y, prediction, bins)
    return sum(item.rows * abs(item.mean_prediction - item.observed_ratio) for item in binned) / len(y)
