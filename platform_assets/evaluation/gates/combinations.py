"""Leakage by several features together: a label that is a sum, a difference, a product or a ratio of what the model is given.

Belongs here: finding that later labels follow from features to the last digits. Does not belong here: what one feature achieves alone
(`leakage.py`), how good a whole model may be (`bounds.py`).

A label that was counted up from columns which are features themselves (all rentals = those of members + those of others) is no prediction.
No column alone gives it away. A linear fit of the label, and one of logarithms, on earlier rows does: what it leaves unexplained on later
rows is rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.tasks.gate_result import GateResult
from platform_assets.training.dataset import Dataset

LARGEST_UNEXPLAINED = 1e-4
"""Share of the label's variance on later rows that a label which follows from features leaves at most."""
LARGEST_TYPICAL_ERROR = 0.05
"""And nine residuals of ten are within this share of the label's median deviation: a few huge rows do not decide."""
MOST_ROWS, FEWEST_ROWS, ROWS_FOR_A_COLUMN = 5_000, 30, 3
MOST_NAMED = 6
GATE = "no_leakage"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Combination:
    """Features from which the label follows.

    Attributes:
        features: the few that are enough, those that weigh most first.
        how: `sum` (also of differences and multiples) or `product` (also of ratios and powers).
        unexplained: share of the label's variance on later rows that is left.
        of_class: the class that they tell from all others; empty where the label is a number.
    """

    features: tuple[str, ...]
    how: str
    unexplained: float
    of_class: str = ""


def combination_of(train: Dataset, judged: Dataset) -> Combination | None:
    """Features from which the label follows; None where it does not.

    Args:
        train: earlier rows, to fit on.
        judged: later rows, to look at.
    """
    train, judged = _sample(train), _sample(judged)
    for of_class, earlier, later in _targets(train, judged):
        found = _determined(train.X, earlier, judged.X, later, train.features)
        if found is not None:
            return Combination(*found[:1], "sum", found[1], of_class)
    if train.classes or set(np.unique(train.y)) <= {0.0, 1.0}:
        return None
    found = _determined(_logs(train.X), _logs(train.y), _logs(judged.X), _logs(judged.y), train.features)
    return None if found is None else Combination(found[0], "product", found[1])


def no_leakage_gate(inputs: GateInputs, name: str) -> GateResult:
    """The label is no combination of features."""
    model = inputs.model
    train = model.dataset.rows(model.fold.train_first, model.fold.train_last).as_known(model.fold.test_first)
    found = combination_of(train, model.judged)
    if found is None:
        explanation = "The label of later days is no sum, difference, product or ratio of features."
        return GateResult(GATE, True, None, LARGEST_UNEXPLAINED, explanation)
    which = f"class {found.of_class!r}" if found.of_class else "the label"
    explanation = (
        f"On later days {which} is a {found.how} of {', '.join(found.features)} up to {found.unexplained:.1e} of its variance: it was made "
        "from them, and they are not known when a row is scored. Take them out, or declare them `known_after`; where they are known, the "
        "label needs no model."
    )
    return GateResult(
        GATE, False, found.unexplained, LARGEST_UNEXPLAINED, explanation, details={"features": found.features}
    )


def _sample(rows: Dataset) -> Dataset:
    if len(rows) <= MOST_ROWS:
        return rows
    mask = np.zeros(len(rows), dtype=np.bool_)
    mask[np.random.default_rng(0).choice(len(rows), MOST_ROWS, replace=False)] = True
    return rows.where(mask)


def _targets(train: Dataset, judged: Dataset) -> Iterator[tuple[str, Floats, Floats]]:
    """The label as numbers: as it is, or of several classes each against all others."""
    if not train.classes:
        yield "", train.y, judged.y
    for index, name in enumerate(train.classes):
        yield name, (train.y == index).astype(np.float64), (judged.y == index).astype(np.float64)


def _logs(values: Floats) -> Floats:
    """Logarithms; NaN where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(values > 0.0, np.log(values), np.nan)


def _determined(
    X: Floats, y: Floats, later_X: Floats, later_y: Floats, features: Sequence[str]
) -> tuple[tuple[str, ...], float] | None:
    """Few features whose linear fit explains all of later labels, and the share it leaves; None where none does."""
    columns = _usable(X, y)
    if not columns or _unexplained(X, y, later_X, later_y, columns) is None:
        return None
    order = _by_weight(X, y, columns)
    for count in range(1, len(order) + 1):
        left = _unexplained(X, y, later_X, later_y, order[:count])
        if left is not None:
            named = [features[column] for column in order[:count]]
            return tuple(named[:MOST_NAMED] + (["and others"] if count > MOST_NAMED else [])), left
    return None


def _usable(X: Floats, y: Floats) -> list[int]:
    """Columns that vary, as many as leave enough rows without a missing value; those that miss most are left out first."""
    known = np.isfinite(y)
    finite = np.isfinite(X[known])
    columns = [k for k in range(X.shape[1]) if finite[:, k].any() and np.ptp(X[known][finite[:, k], k]) > 0.0]
    columns.sort(key=lambda k: (-int(finite[:, k].sum()), k))
    while columns and int(finite[:, columns].all(axis=1).sum()) < max(FEWEST_ROWS, ROWS_FOR_A_COLUMN * len(columns)):
        columns.pop()
    return columns


def _complete(X: Floats, y: Floats, columns: Sequence[int]) -> tuple[Floats, Floats]:
    rows = np.isfinite(y) & np.isfinite(X[:, columns]).all(axis=1)
    return X[rows][:, list(columns)], y[rows]


def _fit(X: Floats, y: Floats) -> tuple[Floats, Floats, Floats, float]:
    """Means, spreads, weights of standardized columns, and intercept."""
    mean, spread = X.mean(axis=0), X.std(axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)
    weights, *_ = np.linalg.lstsq((X - mean) / spread, y - y.mean(), rcond=None)
    return mean, spread, weights, float(y.mean())


def _by_weight(X: Floats, y: Floats, columns: Sequence[int]) -> list[int]:
    """The columns, those that weigh most first."""
    _, _, weights, _ = _fit(*_complete(X, y, columns))
    return [columns[k] for k in np.argsort(-np.abs(weights), kind="stable")]


def _unexplained(X: Floats, y: Floats, later_X: Floats, later_y: Floats, columns: Sequence[int]) -> float | None:
    """Share of the variance of later labels that a fit on earlier rows leaves; None where it is no rounding, or cannot be told."""
    earlier, labels = _complete(X, y, columns)
    later, expected = _complete(later_X, later_y, columns)
    if len(labels) < FEWEST_ROWS or len(expected) < FEWEST_ROWS or np.ptp(labels) == 0.0:
        return None
    variance = float(((expected - expected.mean()) ** 2).mean())
    if variance == 0.0:
        return None
    mean, spread, weights, intercept = _fit(earlier, labels)
    residuals = expected - ((later - mean) / spread) @ weights - intercept
    left = float((residuals**2).mean()) / variance
    typical = float(np.median(np.abs(expected - np.median(expected))))
    decided_by_few = typical > 0.0 and float(np.quantile(np.abs(residuals), 0.9)) > LARGEST_TYPICAL_ERROR * typical
    return None if not left <= LARGEST_UNEXPLAINED or decided_by_few else left
