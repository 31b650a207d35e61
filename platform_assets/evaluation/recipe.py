"""A fitted model's recipe: fitting it again on other rows, or on the same ones to see whether it comes out the same.

Belongs here: everything that gates learn by fitting again. Does not belong here: choosing a learner (`training/compare.py`), bounds
(`verdict`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from platform_assets.declaration.sections.training import Training
from platform_assets.tasks.metric import Vector
from platform_assets.training import artifact
from platform_assets.training.candidates import candidate_of
from platform_assets.training.compare import Candidate
from platform_assets.training.dataset import Dataset, DatasetError
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import Learner, make_learner
from platform_assets.training.learners.composite import Composite
from platform_assets.training.predictor import Predictor

Recipe: TypeAlias = Callable[[Dataset], Predictor]
"""Fits a model on rows, the same way every time: learner, settings, seed, features and imputation are fixed."""


def recipe_of(predictor: Predictor, joined: Learner | None = None) -> Recipe:
    """The recipe that a model was fitted by, from what its folder says.

    Args:
        predictor: the model.
        joined: the learner itself where it is made of others, which the folder does not name: `joined_learner`.
    """
    impute = dict(zip(predictor.features, predictor.imputation.strategies, strict=True))

    def fit(rows: Dataset) -> Predictor:
        learner = joined or make_learner(predictor.learner, predictor.settings, predictor.objective)
        return fit_predictor(with_features(rows, predictor.features), learner, predictor.seed, impute)

    return fit


def joined_learner(
    training: Training, features: Sequence[str], name: str, searched: Mapping[str, Mapping[str, Any]]
) -> Learner | None:
    """The declared learner of that name, if it is made of others (a blend, a stack, a calibrated one); else None.

    Args:
        training: the declaration.
        features: the model's inputs, in their order.
        name: of the candidate.
        searched: settings that a search found, by candidate.

    Raises:
        LearnerSettingsError: a setting does not exist or its value is not allowed.
    """
    by_name: dict[str, Candidate] = {}
    for declared in training.learners:
        candidate = candidate_of(declared, training, features, by_name)
        if declared.name in searched:
            candidate = replace(candidate, learner=candidate.learner.with_settings(searched[declared.name]))
        by_name[declared.name] = candidate
        if declared.name == name:
            return candidate.learner if isinstance(candidate.learner, Composite) else None
    return None


def with_features(rows: Dataset, features: tuple[str, ...]) -> Dataset:
    """The same rows with these features, in this order.

    Raises:
        DatasetError: the rows lack one.
    """
    if rows.features == features:
        return rows
    absent = [name for name in features if name not in rows.features]
    if absent:
        raise DatasetError(f"the training set has no features {', '.join(absent)}; it has {', '.join(rows.features)}")
    columns = [rows.features.index(name) for name in features]
    X = np.ascontiguousarray(rows.X[:, columns])
    return replace(rows, X=X, features=features)


def training_rows_of(predictor: Predictor, dataset: Dataset) -> Dataset | None:
    """The rows that a model was fitted on; None when the data set does not hold all of their days, or other rows of them.

    The number of rows and the mean of the label are compared with what the model's folder says.
    """
    trained_on = predictor.trained_on
    first, last = date.fromisoformat(trained_on.first_day), date.fromisoformat(trained_on.last_day)
    if len(dataset) == 0 or dataset.event_day[0] > np.datetime64(first) or dataset.event_day[-1] < np.datetime64(last):
        return None
    rows = dataset.rows(first, last)
    same = len(rows) == trained_on.rows and float(rows.y.mean()) == trained_on.label_mean
    return rows if same else None


@dataclass(frozen=True, slots=True)
class FittedAgain:
    """A model fitted again: its digest, and how far its predictions are from the first one's at most."""

    digest: str
    largest_difference: float


def fit_again(recipe: Recipe, rows: Dataset, first: Predictor) -> FittedAgain:
    """Fit on `rows` once more, and compare with the first model.

    Raises:
        TrainingError: the rows cannot be learned from.
        ImputationError: the imputation does not fit them.
    """
    again = recipe(rows)
    with tempfile.TemporaryDirectory() as scratch:
        digest = artifact.save(again, Path(scratch) / "model")
    X = with_features(rows, first.features).X
    return FittedAgain(digest, largest_difference(first.predict(X), again.predict(X)))


def largest_difference(one: Vector, other: Vector) -> float:
    """Largest absolute difference; NaN when there are no rows or a prediction is not finite."""
    return float(np.abs(one - other).max()) if len(one) else float("nan")
