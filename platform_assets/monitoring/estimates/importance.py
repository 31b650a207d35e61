"""Which inputs a model's answers depend on now, and whether that changed, without labels and for any learner.

An input is permuted among the rows, and the mean size by which the model's answers change is its importance: permutation importance
(Breiman, 2001; Fisher, Rudin and Dominici, 2019) with the answer in place of the loss, for which labels would be needed. As shares that
add up to 1 it is compared with the reference; rows are drawn again (bootstrap) for the interval, and intervals hold for all inputs together
(Bonferroni).

Belongs here: importance and its change. Does not belong here: importance as a gate on a new model (`evaluation/gates`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from platform_assets.tasks.metric import Matrix, Vector

MOST_ROWS = 1_000
DRAWS = 200
ERROR_RATE = 0.05
TOLERANCE = 0.05
"""Of all importance: an input whose share moved by less has not changed, however many rows prove it."""


@dataclass(frozen=True, slots=True)
class InputImportance:
    """One input.

    Attributes:
        feature: its name.
        reference: share of the importance on the reference.
        current: share in the window.
        low: lower end of the interval of the difference.
        high: upper end.
        changed: whether the whole interval lies beyond the tolerance.
    """

    feature: str
    reference: float
    current: float
    low: float
    high: float
    changed: bool


@dataclass(frozen=True, slots=True)
class ImportanceChange:
    """All inputs.

    Attributes:
        inputs: the largest change first.
        distance: half the sum of the absolute differences, 0 to 1.
        low: lower end of its 95 % interval.
        high: upper end.
        rows: of the window that were looked at.
    """

    inputs: tuple[InputImportance, ...]
    distance: float
    low: float
    high: float
    rows: int

    @property
    def changed(self) -> tuple[str, ...]:
        """Inputs whose importance changed."""
        return tuple(one.feature for one in self.inputs if one.changed)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, ready for JSON."""
        return asdict(self) | {"inputs": [asdict(one) for one in self.inputs], "changed": list(self.changed)}


def importance_change(
    predict: Callable[[Matrix], Vector], reference: Matrix, window: Matrix, features: Sequence[str], seed: int = 0
) -> ImportanceChange:
    """Compare the importance of every input in a window with that on the reference.

    Args:
        predict: the model, from float64 [n, f] to [n] or [n, k].
        reference: float64 [n, f], at least one row.
        window: float64 [m, f], at least one row.
        features: the f names.
        seed: the same seed gives the same figures.
    """
    from scipy.stats import norm

    random = np.random.default_rng(seed)
    effects = [_effects(predict, side, random) for side in (reference, window)]
    before, now = (_shares(one, np.ones((1, len(one))))[0] for one in effects)
    drawn = [_shares(one, _drawn_again(len(one), random)) for one in effects]
    difference = drawn[1] - drawn[0]
    half = float(norm.ppf(1 - ERROR_RATE / 2 / max(1, len(features)))) * difference.std(axis=0, ddof=1)
    inputs = []
    for column, feature in enumerate(features):
        low, high = now[column] - before[column] - half[column], now[column] - before[column] + half[column]
        changed = bool(low > TOLERANCE or high < -TOLERANCE)
        inputs.append(
            InputImportance(feature, float(before[column]), float(now[column]), float(low), float(high), changed)
        )
    inputs.sort(key=lambda one: -abs(one.current - one.reference))
    distance = float(np.abs(now - before).sum() / 2)
    # A distance of noisy shares is too large by what noise alone gives: both ends are those of the draws, put back by it.
    again = np.abs(difference).sum(axis=1) / 2
    low, high = np.quantile(again, [ERROR_RATE / 2, 1 - ERROR_RATE / 2]) - (again.mean() - distance)
    return ImportanceChange(tuple(inputs), distance, max(0.0, float(low)), min(1.0, float(high)), len(effects[1]))


def _effects(predict: Callable[[Matrix], Vector], rows: Matrix, random: np.random.Generator) -> Matrix:
    """By how much each row's answer changes when each input comes from another row, float64 [n, f]."""
    if len(rows) > MOST_ROWS:
        rows = rows[np.sort(random.choice(len(rows), MOST_ROWS, replace=False))]
    answers, effects = predict(rows), np.zeros(rows.shape)
    for column in range(rows.shape[1]):
        values = rows[:, column]
        if np.array_equal(values, np.full(len(values), values[0]), equal_nan=True):
            continue
        other = rows.copy()
        other[:, column] = random.permutation(values)
        change = np.abs(predict(other) - answers)
        effects[:, column] = change if change.ndim == 1 else change.sum(axis=1) / 2
    return effects


def _drawn_again(rows: int, random: np.random.Generator) -> Matrix:
    """How often each row is taken in each draw, float64 [draws, n]."""
    return random.multinomial(rows, np.full(rows, 1 / rows), DRAWS).astype(np.float64)


def _shares(effects: Matrix, weights: Matrix) -> Matrix:
    """Importance of each input as shares, float64 [draws, f]; all 0 where nothing changes any answer."""
    total = weights @ effects
    whole = total.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(total, whole, out=np.zeros_like(total), where=whole > 0.0), dtype=np.float64)
