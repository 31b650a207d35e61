"""Candidates compared on the same folds, one of them chosen and fitted again on the latest days.

Belongs here: the loop over candidates and folds, its result, and the choice. Does not belong here: what a metric computes and
whether the choice is good enough (`evaluation`), search over settings, tracking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np

from platform_assets.tasks.metric import MetricError, Scored
from platform_assets.training.dataset import Dataset, DatasetError, rows_to_judge
from platform_assets.training.fit import fit_predictor
from platform_assets.training.folds import Fold
from platform_assets.training.learners import Learner
from platform_assets.training.learners.base import Vector
from platform_assets.training.predictor import ImputationStrategy, Predictor


class ComparisonError(ValueError):
    """A comparison that cannot be made or that has no winner."""


class Metric(Protocol):
    """Something measured on scored rows."""

    @property
    def name(self) -> str:
        """What a requirement calls it."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Which way is better."""
        ...

    def __call__(self, rows: Scored) -> float:
        """The metric; raises `MetricError` when the rows do not allow it."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A learner under the name it has in comparisons."""

    name: str
    learner: Learner
    baseline: bool = False


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One candidate on one fold. A metric that could not be computed is NaN, and `problems` says why."""

    fold: Fold
    metrics: Mapping[str, float]
    problems: Mapping[str, str]
    train_rows: int
    test_rows: int
    fit_seconds: float
    predict_seconds: float


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """One candidate on all folds; `failure` says why there are fewer results than folds."""

    candidate: Candidate
    folds: tuple[FoldResult, ...]
    failure: str | None = None

    def values(self, metric: str) -> Vector:
        """The metric fold by fold, latest first."""
        return np.array([result.metrics[metric] for result in self.folds], dtype=np.float64)

    def mean(self, metric: str) -> float:
        """Mean over the folds; NaN if it is missing in any of them or the candidate failed."""
        return float(self.values(metric).mean()) if self.folds and self.failure is None else float("nan")

    def std(self, metric: str) -> float:
        """Sample standard deviation over the folds; 0 for a single fold."""
        if not self.folds or self.failure is not None:
            return float("nan")
        return float(self.values(metric).std(ddof=1)) if len(self.folds) > 1 else 0.0

    @property
    def seconds(self) -> float:
        """Time spent fitting and predicting."""
        return sum(result.fit_seconds + result.predict_seconds for result in self.folds)


@dataclass(frozen=True, eq=False)
class Comparison:
    """All candidates on the same folds.

    Attributes:
        results: by declaration, simplest first.
        folds: latest first.
        metrics: what was measured: name to whether higher is better.
        latest_rows: the rows judged in the latest fold.
        latest_predictions: by candidate, float64 [len(latest_rows)], made by the model of the latest fold, which saw none of them.
    """

    results: tuple[CandidateResult, ...]
    folds: tuple[Fold, ...]
    metrics: Mapping[str, bool]
    latest_rows: Dataset
    latest_predictions: Mapping[str, Vector]

    def result(self, name: str) -> CandidateResult:
        """The result of one candidate.

        Raises:
            ComparisonError: there is no such candidate.
        """
        for result in self.results:
            if result.candidate.name == name:
                return result
        names = [result.candidate.name for result in self.results]
        raise ComparisonError(f"candidate {name!r} was not compared; the candidates are {', '.join(names)}")

    def means(self, name: str) -> dict[str, float]:
        """Every metric's mean over the folds, for one candidate."""
        result = self.result(name)
        return {metric: result.mean(metric) for metric in self.metrics}

    def latest_scored(self, name: str) -> Scored:
        """The latest fold's rows with one candidate's out-of-fold predictions."""
        self.result(name)
        return scored(self.latest_rows, self.latest_predictions[name])


def scored(rows: Dataset, prediction: Vector) -> Scored:
    """Rows of a data set with predictions made for them."""
    return Scored(rows.y, prediction, rows.event_day, rows.group)


def measure(rows: Scored, metrics: Sequence[Metric]) -> tuple[dict[str, float], dict[str, str]]:
    """Every metric on the same rows, NaN where one could not be computed, and the reasons for those."""
    values: dict[str, float] = {}
    problems: dict[str, str] = {}
    for metric in metrics:
        try:
            values[metric.name] = metric(rows)
        except MetricError as error:
            values[metric.name], problems[metric.name] = float("nan"), str(error)
    return values, problems


def compare(
    dataset: Dataset,
    folds: Sequence[Fold],
    candidates: Sequence[Candidate],
    metrics: Sequence[Metric],
    seed: int,
    progress: Callable[[str], None],
    *,
    impute: Mapping[str, ImputationStrategy] | None = None,
    exclude_known_groups: bool = False,
) -> Comparison:
    """Fit and judge every candidate on the same rows of the same folds.

    Args:
        dataset: rows of all days that the folds need.
        folds: latest first, from `folds.prequential_folds`.
        candidates: simplest first.
        metrics: what is measured on each fold's test rows.
        seed: decides every random choice.
        progress: called with one line whenever a candidate has finished a fold.
        impute: imputation strategy by feature.
        exclude_known_groups: see `dataset.rows_to_judge`.

    Raises:
        ComparisonError: there is nothing to compare or two candidates share a name.
        DatasetError: a fold lacks training or test rows.
    """
    names = [candidate.name for candidate in candidates]
    if not folds or not names or len(set(names)) != len(names):
        raise ComparisonError(
            f"a comparison needs folds and candidates with different names; {len(folds)} folds, {names}"
        )
    splits = [split_fold(dataset, fold, exclude_known_groups) for fold in folds]
    results: list[CandidateResult] = []
    latest: dict[str, Vector] = {}
    for candidate in candidates:
        result, predictions = _judge(candidate, folds, splits, metrics, seed, progress, impute)
        results.append(result)
        if predictions is not None:
            latest[candidate.name] = predictions
    directions = {metric.name: metric.higher_is_better for metric in metrics}
    return Comparison(tuple(results), tuple(folds), directions, splits[0][1], latest)


def select(comparison: Comparison, metric: str, tie_tolerance: float = 0.0) -> Candidate:
    """The candidate with the best mean; of those as good up to `tie_tolerance`, the one declared first: the simplest.

    Raises:
        ComparisonError: the metric was not measured, or could be computed for no candidate.
    """
    if metric not in comparison.metrics:
        raise ComparisonError(f"metric {metric!r} was not measured; measured were {', '.join(comparison.metrics)}")
    sign = 1.0 if comparison.metrics[metric] else -1.0
    means = np.array([sign * result.mean(metric) for result in comparison.results])
    if np.isnan(means).all():
        raise ComparisonError(f"{metric} could be computed for no candidate: {_why_not(comparison, metric)}")
    with np.errstate(invalid="ignore"):
        tied = means >= np.nanmax(means) - tie_tolerance
    return comparison.results[int(np.argmax(tied))].candidate


def refit(
    dataset: Dataset,
    days: tuple[date, date],
    candidate: Candidate,
    seed: int,
    impute: Mapping[str, ImputationStrategy] | None = None,
) -> Predictor:
    """Fit the chosen candidate on the latest labelled days, from `folds.refit_days`.

    Raises:
        TrainingError: the rows cannot be learned from.
        ImputationError: the imputation does not fit the features or the rows.
    """
    return fit_predictor(dataset.rows(*days), candidate.learner, seed, impute)


def split_fold(dataset: Dataset, fold: Fold, exclude_known_groups: bool) -> tuple[Dataset, Dataset]:
    """Training and test rows of a fold, neither of them empty.

    Raises:
        DatasetError: there are none.
    """
    train = dataset.rows(fold.train_first, fold.train_last).as_known(fold.test_first)
    test = rows_to_judge(dataset, fold, exclude_known_groups)
    if len(train) == 0 or len(test) == 0:
        raise DatasetError(
            f"fold {fold.index} ({fold.describe()}) has {len(train)} training and {len(test)} test rows; "
            "materialize the training set for these days first"
        )
    return train, test


def _judge(
    candidate: Candidate,
    folds: Sequence[Fold],
    splits: Sequence[tuple[Dataset, Dataset]],
    metrics: Sequence[Metric],
    seed: int,
    progress: Callable[[str], None],
    impute: Mapping[str, ImputationStrategy] | None,
) -> tuple[CandidateResult, Vector | None]:
    """One candidate on every fold, and its predictions for the latest."""
    done: list[FoldResult] = []
    latest: Vector | None = None
    for fold, (train, test) in zip(folds, splits, strict=True):
        started = time.perf_counter()
        try:
            predictor = fit_predictor(train, candidate.learner, seed, impute)
            fitted = time.perf_counter()
            prediction = predictor.predict(test.X)
        except ValueError as error:  # rows that a library cannot learn or predict from; all of ours are ValueErrors too
            failure = f"fold {fold.index} ({fold.describe()}): {error}"
            progress(f"{candidate.name}: left out, {failure}")
            return CandidateResult(candidate, tuple(done), failure), None
        predicted = time.perf_counter()
        values, problems = measure(scored(test, prediction), metrics)
        latest = prediction if latest is None else latest
        done.append(FoldResult(fold, values, problems, len(train), len(test), fitted - started, predicted - fitted))
        shown = ", ".join(f"{name} {value:.4f}" for name, value in list(values.items())[:3])
        progress(f"{candidate.name}: fold {len(done)} of {len(folds)}, {shown}, {predicted - started:.1f} s")
    return CandidateResult(candidate, tuple(done)), latest


def _why_not(comparison: Comparison, metric: str) -> str:
    """One reason per candidate without the metric."""
    reasons = []
    for result in comparison.results:
        problem = next((fold.problems[metric] for fold in result.folds if metric in fold.problems), "no value")
        reasons.append(f"{result.candidate.name}: {result.failure or problem}")
    return "; ".join(reasons)
