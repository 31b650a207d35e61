"""Two models on the same rows: the interval of their difference, by resampling customers.

Belongs here: the paired cluster bootstrap of the three metrics of the book's table. Does not belong here: a gate's decision
(`platform_assets/evaluation`).

Customers are drawn with replacement, the same draw for both models and all folds; a customer drawn twice counts twice, as two cards.
Rows of one customer belong together, so that resampling rows would take the intervals for narrower than they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldScores:
    """One fold's rows and what a model said of them."""

    y: Vector
    score: Vector
    day: NDArray[Any]
    group: NDArray[Any]


class Resampled:
    """One model's fold, prepared for many draws: everything that needs sorting is sorted once."""

    def __init__(self, rows: FoldScores, groups: NDArray[Any], k: int) -> None:
        self._member = np.searchsorted(groups, rows.group)
        order = np.argsort(-rows.score, kind="stable")
        self._order_member, self._positive = self._member[order], rows.y[order] == 1.0
        score = rows.score[order]
        self._last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)
        self._k = k
        self._days = [self._ranked(rows, rows.day == day) for day in np.unique(rows.day)]

    def _ranked(self, rows: FoldScores, at: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """A day's cards from the most to the least suspicious, ties by identifier, and which are compromised."""
        cards, position = np.unique(self._member[at], return_inverse=True)
        highest = np.full(len(cards), -np.inf)
        np.maximum.at(highest, position, rows.score[at])
        bad = np.zeros(len(cards), dtype=np.bool_)
        bad[position[rows.y[at] == 1.0]] = True
        order = np.lexsort((cards, -highest))
        return cards[order], bad[order]

    def metrics(self, weight: Vector) -> Vector:
        """AUC ROC, average precision and card precision at k, each customer counted `weight` (float64 [groups]) times."""
        w = weight[self._order_member]
        true = np.cumsum(w * self._positive)[self._last]
        false = np.cumsum(w * ~self._positive)[self._last]
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(true + false > 0.0, true / (true + false), 1.0)
            average = float((np.diff(true, prepend=0.0) * precision).sum() / true[-1])
            area = float(np.trapezoid(np.append(0.0, true), np.append(0.0, false)) / (true[-1] * false[-1]))
        return np.array([area, average, self._card_precision(weight)])

    def _card_precision(self, weight: Vector) -> float:
        result = np.zeros(len(weight), dtype=np.bool_)
        shares = []
        for cards, bad in self._days:
            counted = np.where(result[cards], 0.0, weight[cards])
            taken = np.diff(np.minimum(np.cumsum(counted), self._k), prepend=0.0)
            shares.append(float(taken[bad].sum()) / self._k)
            result[cards[bad & (taken > 0.0)]] = True
        return float(np.mean(shares))


def paired_intervals(
    folds: Sequence[Mapping[str, FoldScores]], champion: str, k: int, draws: int, seed: int, level: float = 0.95
) -> dict[str, list[tuple[float, float, float]]]:
    """Difference champion - other of the mean over folds, for every other model.

    Args:
        folds: by model, each fold's rows; all models of a fold have the same rows.
        champion: name of the model that is compared with each other one.
        k: of card precision.
        draws: how many resamples.
        seed: of the draws.
        level: share of the draws inside the interval (percentiles).

    Returns:
        By other model: (difference, low, high) of AUC ROC, average precision and card precision.
    """
    groups = np.unique(np.concatenate([rows[champion].group for rows in folds]))
    prepared = {name: [Resampled(rows[name], groups, k) for rows in folds] for name in folds[0]}
    rng = np.random.default_rng(seed)
    weights = [np.ones(len(groups))]
    weights += [np.bincount(rng.integers(0, len(groups), len(groups)), minlength=len(groups)) for _ in range(draws)]
    means = {
        name: np.array(
            [np.mean([fold.metrics(weight.astype(float)) for fold in all_folds], axis=0) for weight in weights]
        )
        for name, all_folds in prepared.items()
    }
    tail = (1.0 - level) / 2.0
    result = {}
    for name, values in means.items():
        if name == champion:
            continue
        difference = means[champion] - values
        low, high = np.quantile(difference[1:], [tail, 1.0 - tail], axis=0)
        result[name] = [(float(difference[0][m]), float(low[m]), float(high[m])) for m in range(3)]
    return result
