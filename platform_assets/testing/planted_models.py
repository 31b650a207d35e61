"""Bad models planted on purpose, one for each kind of gate, in a small world of simulated credit applications.

Belongs here: the world, the good model and what is done to it; tests of the gates use them too. Does not belong here: judging
(`evaluation/`), counting (`topic.py`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from platform_assets.evaluation.judged_model import JudgedModel
from platform_assets.evaluation.recipe import Recipe
from platform_assets.testing.credit_world import AS_OF, Vector, declared, fit_by, logistic, simulated_rows, subject_from
from platform_assets.training.dataset import Dataset, read_dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import Predictor

Alter = Callable[[Vector, NDArray[np.float64]], Vector]
"""What a bad model makes of a good model's scores and the rows."""

SLOW_SECONDS = 0.008
OVERSIZE_BYTES = 3_000_000


@dataclass(frozen=True)
class Altered:
    """A fitted model whose answers are changed on the way out."""

    inner: Any
    alter: Alter

    def predict(self, X: NDArray[np.float64]) -> Vector:
        """The changed answers."""
        return self.alter(self.inner.predict(X), X)

    def save(self, folder: Path) -> tuple[str, ...]:
        """The inner model's files."""
        names: tuple[str, ...] = self.inner.save(folder)
        return names


def altered(recipe: Recipe, alter: Alter) -> Recipe:
    """A recipe whose models answer otherwise."""

    def fit(rows: Dataset) -> Predictor:
        predictor = recipe(rows)
        return replace(predictor, fitted=Altered(predictor.fitted, alter))

    return fit


def good(seed: int, folder: Path) -> JudgedModel:
    """A model with nothing wrong."""
    return subject_from(simulated_rows(seed), logistic, folder)


def leaked(seed: int, folder: Path) -> JudgedModel:
    """A feature was overwritten with what became of the credit."""
    noise = np.random.default_rng(seed).normal(scale=0.05, size=simulated_rows(seed).height)
    frame = simulated_rows(seed).with_columns(hour=pl.col("is_default").cast(pl.Float64) + pl.Series(noise))
    return subject_from(frame, logistic, folder)


def leaked_in_parts(seed: int, folder: Path) -> JudgedModel:
    """What became of the credit is the sum of two features, neither of which says much alone."""
    frame = simulated_rows(seed).with_columns(hour=pl.col("is_default").cast(pl.Float64) - 0.5 * pl.col("debt"))
    return subject_from(frame, logistic, folder)


def perfect(seed: int, folder: Path) -> JudgedModel:
    """A feature is the label itself, and the model answers it."""
    frame = simulated_rows(seed).with_columns(hour=pl.col("is_default").cast(pl.Float64))
    boosted = fit_by("xgboost", n_estimators=60, max_depth=2, learning_rate=0.5)
    return subject_from(frame, boosted, folder)


def leaked_by_absence(seed: int, folder: Path) -> JudgedModel:
    """A feature is missing where the credit was not paid back: the record was closed."""
    frame = simulated_rows(seed).with_columns(hour=pl.when(pl.col("is_default") == 0).then("hour"))
    boosted = fit_by("xgboost", n_estimators=30, max_depth=3)
    return subject_from(frame, boosted, folder)


def shuffled(seed: int, folder: Path) -> JudgedModel:
    """Labels in any order: there is nothing to learn."""
    frame = simulated_rows(seed)
    return subject_from(frame.with_columns(is_default=frame["is_default"].shuffle(seed=seed)), logistic, folder)


def trained_on_test(seed: int, folder: Path) -> JudgedModel:
    """The model whose predictions were recorded had seen the test days."""
    frame = simulated_rows(seed)
    everything = read_dataset(declared(), frame)
    boosted = fit_by("xgboost", n_estimators=150, max_depth=6, learning_rate=0.3)
    return subject_from(frame, boosted, folder, seen=lambda rows: boosted(everything))


def inverted_slice(seed: int, folder: Path) -> JudgedModel:
    """In one region the score is upside down."""
    region = declared().feature_names.index("region")
    inverted: Alter = lambda score, X: np.where(X[:, region] == 1.0, 0.2 - np.minimum(score, 0.2), score)  # noqa: E731
    return subject_from(simulated_rows(seed), altered(logistic, inverted), folder)


def unfair(seed: int, folder: Path) -> JudgedModel:
    """In one region everybody's score is raised: the order within each region is as it was."""
    region = declared().feature_names.index("region")
    raised: Alter = lambda score, X: np.where(X[:, region] == 1.0, 0.45 + 0.55 * score, score)  # noqa: E731
    return subject_from(simulated_rows(seed), altered(logistic, raised), folder)


def squashed(seed: int, folder: Path) -> JudgedModel:
    """Probabilities pulled together around a half: the order is as it was."""
    return subject_from(simulated_rows(seed), altered(logistic, lambda score, X: 0.4 + 0.2 * score), folder)


def vanishing(seed: int, folder: Path) -> JudgedModel:
    """Probabilities of nearly nothing: the order is as it was, and an absolute calibration bound is kept where labels are rare."""
    return subject_from(simulated_rows(seed), altered(logistic, lambda score, X: score / 100.0), folder)


def perverse(seed: int, folder: Path) -> JudgedModel:
    """More debt, lower score."""
    debt = declared().feature_names.index("debt")
    turned: Alter = lambda score, X: np.clip(score - 0.02 * X[:, debt], 0.0, 1.0)  # noqa: E731
    return subject_from(simulated_rows(seed), altered(logistic, turned), folder)


def slow(seed: int, folder: Path) -> JudgedModel:
    """Each answer takes its time."""

    def wait(score: Vector, X: NDArray[np.float64]) -> Vector:
        time.sleep(SLOW_SECONDS)
        return score

    return subject_from(simulated_rows(seed), altered(logistic, wait), folder)


def oversized(seed: int, folder: Path) -> JudgedModel:
    """The folder carries what no model needs."""
    subject = good(seed, folder)
    (subject.folder / "training_rows.bin").write_bytes(bytes(OVERSIZE_BYTES))
    return subject


def nondeterministic(seed: int, folder: Path) -> JudgedModel:
    """Rows are drawn anew at each fit, whatever the seed says."""
    draws = itertools.count(seed)
    learner = make_learner("xgboost", {"n_estimators": 30, "subsample": 0.5})

    def fit(rows: Dataset) -> Predictor:
        return replace(fit_predictor(rows, learner, next(draws)), seed=0)

    return subject_from(simulated_rows(seed), fit, folder)


def missing_day(seed: int, folder: Path) -> JudgedModel:
    """A training day was never loaded."""
    last = AS_OF - timedelta(days=declared().label_delay_days)
    return subject_from(simulated_rows(seed).filter(pl.col("event_day") != last - timedelta(days=4)), logistic, folder)


def weak(seed: int, folder: Path) -> JudgedModel:
    """It learned next to nothing; judged against a good champion."""
    return subject_from(simulated_rows(seed), fit_by("random_forest", n_estimators=1, max_depth=1, threads=1), folder)


KINDS: Mapping[str, tuple[Callable[[int, Path], JudgedModel], str]] = {
    "label leaked through a feature": (leaked, "single_feature"),
    "label leaked by a missing value": (leaked_by_absence, "single_feature"),
    "label leaked in two parts": (leaked_in_parts, "no_leakage"),
    "shuffled labels": (shuffled, "floor_auc_roc"),
    "trained on the test period": (trained_on_test, "not_trained_on_test_days"),
    "one slice inverted": (inverted_slice, "slice_region"),
    "one slice always refused": (unfair, "fairness_region"),
    "probabilities squashed": (squashed, "mean_prediction"),
    "probabilities of nearly nothing": (vanishing, "relative_calibration"),
    "more debt, lower score": (perverse, "behaviour_debt"),
    "slow": (slow, "scoring_time"),
    "oversized": (oversized, "model_size"),
    "non-deterministic": (nondeterministic, "reproducible"),
    "a training day missing": (missing_day, "training_days"),
    "worse than the champion": (weak, "no_worse_than_champion"),
}
"""Each kind of bad model with the gate that is meant for it."""
