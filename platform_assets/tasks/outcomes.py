"""What labels a model's outputs will get: fitted where labels are known, drawn where they are not yet.

Belongs here: the Protocol, and the plain values that it speaks in. Does not belong here: the models of outcomes (`calibrated_classes`,
`regression/outcomes`), or what is made of drawn labels (`monitoring/estimates`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from platform_assets.tasks.metric import Counts, Matrix, Vector

Redraw: TypeAlias = "Callable[[np.random.Generator], OutcomeModel]"
"""Gives the model of outcomes as another sample of the same clusters would have given it."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Labels beside what was expected of them, in one or more columns (one for each class).

    Attributes:
        observed_less_expected: float64 [n, k].
        variance: float64 [n, k], that of a single row if the model of outcomes holds.
        order: float64 [n, k], by which rows with like expectations are put together.
    """

    observed_less_expected: Matrix
    variance: Matrix
    order: Matrix

    def dispersion(self, cluster: Counts) -> float:
        """How many times the variance of sums over clusters is that of independent rows (Pearson's statistic by cluster).

        McCullagh and Nelder, Generalized Linear Models (1989), section 4.5. 1 where rows of a cluster have nothing in common.
        """
        ratios = []
        for column in range(self.variance.shape[1]):
            sums = np.bincount(cluster, self.observed_less_expected[:, column])
            total = float(self.variance[:, column].sum())
            if total > 0.0:
                ratios.append(float((sums**2).sum()) / total)
        return float(np.mean(ratios)) if ratios else 1.0


class OutcomeModel(Protocol):
    """Labels given a model's outputs, as they were where labels are known."""

    def draw(self, prediction: Vector, X: Matrix, random: np.random.Generator) -> Vector:
        """Labels that these rows may get, float64 [n]."""
        ...

    def residuals(self, y: Vector, prediction: Vector, X: Matrix) -> Residuals:
        """Known labels beside what was expected of them."""
        ...

    def uncertainty(self, cluster: Counts) -> Redraw:
        """How the model itself varies with the clusters that it was fitted on, int64 [n] of its own rows."""
        ...
