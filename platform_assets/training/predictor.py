"""What predicts: a fitted model with its inputs in order and what replaces a missing one.

Belongs here: everything that must happen to a row, the same in training, evaluation and service. Does not belong here: fitting
learners (`fit`), files (`artifact`), features' computation.

Packed into the serving image: standard library and numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from platform_assets.tasks.multiclass.probabilities import spread
from platform_assets.training.learners.base import FittedModel, Matrix, Objective, SettingValue, Vector

MissingStrategy: TypeAlias = Literal["median", "mean"] | float


@dataclass(frozen=True, slots=True)
class Clipped:
    """A feature whose values are held between two quantiles of the training rows.

    Attributes:
        missing: what a missing value becomes; of a mean, that of the clipped values.
        low: the lower quantile, 0 to 1.
        high: the upper one.
    """

    missing: MissingStrategy
    low: float
    high: float


ImputationStrategy: TypeAlias = MissingStrategy | Clipped
STRATEGIES: tuple[str, ...] = ("median", "mean")


class InputError(ValueError):
    """Rows that the model cannot take; the message names the feature."""


class ImputationError(ValueError):
    """A declared imputation that does not fit the features or the training rows."""


@dataclass(frozen=True, eq=False)
class Imputation:
    """What a missing value becomes, and between which values the others are held, feature by feature.

    Attributes:
        strategies: as declared, in the order of the features.
        values: float64 [f], what the strategies came to on the training rows.
        bounds: float64 [2, f], smallest and largest value after clipping, infinite where a feature is not clipped; None where none is.
    """

    strategies: tuple[ImputationStrategy, ...]
    values: Vector
    bounds: Matrix | None = None

    def filled(self, X: Matrix) -> Matrix:
        """`X` clipped, and with every NaN replaced: a new array where either changes something, else `X` itself."""
        missing = np.isnan(X)
        return np.where(missing, self.values, self.clipped(X)) if missing.any() else self.clipped(X)

    def clipped(self, X: Matrix) -> Matrix:
        """`X` with its values held between the bounds; NaN stays."""
        return X if self.bounds is None else np.clip(X, self.bounds[0], self.bounds[1])


def fit_imputation(
    X: Matrix, features: Sequence[str], declared: Mapping[str, ImputationStrategy] | None = None
) -> Imputation:
    """Learn from training rows what a missing value becomes, and the bounds of features that are clipped.

    A quantile between two values is interpolated linearly (numpy's default, Hyndman and Fan's type 7).

    Args:
        X: float64 [n, f]; NaN is missing.
        features: the f names.
        declared: strategy by feature: "median" (also for features not named), "mean", or a number; or one of these with bounds.

    Raises:
        ImputationError: a declared feature or strategy does not exist, or all training values of a feature are missing.
    """
    declared = declared or {}
    unknown = sorted(set(declared) - set(features))
    if unknown:
        raise ImputationError(f"imputation names features the model does not have: {unknown}")
    strategies: list[ImputationStrategy] = []
    values = np.empty(len(features), dtype=np.float64)
    bounds = np.array([[-np.inf], [np.inf]]).repeat(len(features), axis=1)
    for column, name in enumerate(features):
        strategy, numbers = declared.get(name, "median"), X[:, column]
        strategies.append(strategy)
        if isinstance(strategy, Clipped):
            bounds[:, column] = _quantiles(numbers, name, strategy)
            numbers, strategy = np.clip(numbers, *bounds[:, column]), strategy.missing
        values[column] = _replacement(numbers, name, strategy)
    return Imputation(tuple(strategies), values, bounds if np.isfinite(bounds).any() else None)


def _quantiles(column: Vector, name: str, strategy: Clipped) -> Vector:
    """The values at the two quantiles, of those that are there."""
    if not 0 <= strategy.low < strategy.high <= 1:
        raise ImputationError(
            f"feature {name!r}: clipped at {strategy.low} and {strategy.high}; two quantiles are needed"
        )
    known = column[~np.isnan(column)]
    if len(known) == 0:
        raise ImputationError(f"feature {name!r}: all {len(column)} training rows are null, so it has no quantiles")
    return np.quantile(known, [strategy.low, strategy.high])


def _replacement(column: Vector, name: str, strategy: MissingStrategy) -> float:
    """The number that replaces a missing value of one feature."""
    if isinstance(strategy, int | float) and not isinstance(strategy, bool):
        if not np.isfinite(strategy):
            raise ImputationError(f"feature {name!r}: imputation is {strategy}; the number must be finite")
        return float(strategy)
    if strategy not in STRATEGIES:
        raise ImputationError(f"feature {name!r}: imputation is {strategy!r}; it must be median, mean or a number")
    known = column[~np.isnan(column)]
    if len(known) == 0:
        raise ImputationError(
            f"feature {name!r}: all {len(column)} training rows are null, so it has no {strategy}; declare a number for it "
            "or correct the feature"
        )
    return float(np.median(known) if strategy == "median" else known.mean())


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The rows a model has seen: judging it on any of them, or on an earlier day, would flatter it.

    Attributes:
        first_day: first event day, ISO format.
        last_day: last event day, inclusive, ISO format.
        rows: how many rows.
        label_mean: mean of the label; the share of positives for a binary task. Of a multi-class task it is the mean of the classes'
            places, which only tells one set of rows from another.
        class_rows: how many rows each class has, in the classes' order; empty for any other task.
    """

    first_day: str
    last_day: str
    rows: int
    label_mean: float
    class_rows: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model that can be asked: learner, inputs, imputation and the fitted numbers.

    Attributes:
        learner: the kind's name.
        settings: every setting it was fitted with.
        objective: "binary", "multiclass" or "regression".
        features: the f inputs, in the order of X's columns.
        imputation: what a missing value becomes.
        seed: what its random choices came from.
        trained_on: the rows it has seen.
        fitted: the numbers themselves.
        versions: libraries and Python it was fitted with.
        digest: "sha256:..." of the saved artifact, when it was loaded from one.
        requires: distributions needed to load it and predict.
        members: what a learner made of others is made of, as `Learner.document` says it.
        classes: the K classes of a multi-class task, in the order of their probabilities; empty for any other task.
    """

    learner: str
    settings: Mapping[str, SettingValue]
    objective: Objective
    features: tuple[str, ...]
    imputation: Imputation
    seed: int
    trained_on: TrainedOn
    fitted: FittedModel
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    digest: str | None = None
    requires: tuple[str, ...] = ()
    members: tuple[Mapping[str, Any], ...] = ()
    classes: tuple[str, ...] = ()

    def predict(self, X: Matrix) -> Vector:
        """Predict rows; one row is as cheap as the model allows and uses one thread.

        Args:
            X: float64 [n, f], columns in the order of `features`; NaN is missing and gets imputed, and clipped features are clipped.

        Returns:
            float64 [n]: the probability of the positive class for a binary task, else the value. Of a multi-class task float64 [n, K]:
            the probability of each class, 0 for one that no training row had.

        Raises:
            InputError: X has another shape, or a value is infinite.
        """
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.features):
            raise InputError(
                f"the model takes rows of {len(self.features)} features ({', '.join(self.features)}), "
                f"not an array of shape {X.shape}"
            )
        if not np.isfinite(X).all():
            infinite = np.isinf(X)
            if infinite.any():
                row, column = np.argwhere(infinite)[0]
                raise InputError(
                    f"feature {self.features[column]!r} is infinite in row {row} "
                    f"({int(infinite.any(axis=1).sum())} of {len(X)} rows have an infinite value); correct the feature"
                )
            X = self.imputation.filled(X)
        else:
            X = self.imputation.clipped(X)
        if len(X) == 0:
            return np.empty((0, len(self.classes)) if self.classes else 0, dtype=np.float64)
        prediction = self.fitted.predict(X)
        return (
            spread(prediction, np.flatnonzero(self.trained_on.class_rows), len(self.classes))
            if self.classes
            else prediction
        )
