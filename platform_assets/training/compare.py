"""Candidates compared on the same folds, one of them chosen and fitted again on the latest days.

Belongs here: the loop over candidates and folds, its result, and the choice. Does not belong here: what a metric computes and
whether the choice is good enough (`evaluation`), search over settings, tracking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np

from platform_assets.tasks.metric import LabelsDoNotVary, MetricError, Scored
from platform_assets.training.dataset import Dataset, DatasetError, rows_to_judge
from platform_assets.training.effort import Effort, EffortMeter
from platform_assets.training.fit import fit_predictor
from platform_assets.training.folds import Fold
from platform_assets.training.kept_folds import KeptFold, KeptFolds
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
    """One candidate on one fold. A metric that could not be computed is NaN, and `problems` says why.

    `effort` is what it took of this process. One of `without` is allowed by none of its labels, whatever is predicted: the fold does not
    count for it, for any candidate.
    """

    fold: Fold
    metrics: Mapping[str, float]
    problems: Mapping[str, str]
    train_rows: int
    test_rows: int
    fit_seconds: float
    predict_seconds: float
    without: frozenset[str] = frozenset()
    effort: Effort | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """One candidate on all folds; `failure` says why there are fewer results than folds."""

    candidate: Candidate
    folds: tuple[FoldResult, ...]
    failure: str | None = None

    def values(self, metric: str) -> Vector:
        """The metric fold by fold, latest first."""
        return np.array([result.metrics[metric] for result in self.folds], dtype=np.float64)

    def counted(self, metric: str) -> Vector:
        """As `values`, without the folds whose labels do not allow the metric."""
        return np.array([one.metrics[metric] for one in self.folds if metric not in one.without], dtype=np.float64)

    def mean(self, metric: str) -> float:
        """Mean over the folds whose labels allow the metric.

        NaN if it is missing in any of them, if they are fewer than half of the folds, or the candidate failed.
        """
        return float(self.counted(metric).mean()) if self._is_measured(metric) else float("nan")

    def std(self, metric: str) -> float:
        """Sample standard deviation over the folds that `mean` is of; 0 for a single fold."""
        if not self._is_measured(metric):
            return float("nan")
        values = self.counted(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else 0.0

    def _is_measured(self, metric: str) -> bool:
        return self.failure is None and len(self.counted(metric)) >= max(1, fewest_folds(len(self.folds)))

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


def fewest_folds(folds: int) -> int:
    """How many folds have to allow a metric, for a mean over them to say something: half."""
    return (folds + 1) // 2


def refused_by_labels(rows: Dataset, metric: Metric) -> str | None:
    """Why the labels of rows do not allow a metric, whatever is predicted for them; None where they do."""
    nothing = np.zeros((len(rows), len(rows.classes)) if rows.classes else len(rows))
    try:
        metric(scored(rows, nothing))
    except LabelsDoNotVary as error:
        return str(error)
    except MetricError:
        return None
    return None


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
    kept: KeptFolds | None = None,
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
        kept: what an earlier try that was cut off has finished, and where this one keeps what it finishes; None keeps nothing.

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
    without = [_metrics_without(fold, test, metrics, progress) for fold, (_, test) in zip(folds, splits, strict=True)]
    results: list[CandidateResult] = []
    latest: dict[str, Vector] = {}
    predict = _Predicting(seed, impute, kept, progress)
    for candidate in candidates:
        result, predictions = _judge(candidate, folds, splits, metrics, without, predict, progress)
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


@dataclass(frozen=True)
class _Predicting:
    """From a fold's rows to predictions for its test rows: taken from an earlier try, or made and kept."""

    seed: int
    impute: Mapping[str, ImputationStrategy] | None
    kept: KeptFolds | None
    progress: Callable[[str], None]

    def __call__(self, learner: Learner, train: Dataset, test: Dataset) -> tuple[KeptFold, str]:
        """The predictions, and a word for those that an earlier try had made."""
        name = None if self.kept is None else self.kept.name_of(learner, train, test, self.seed, self.impute)
        found = None if self.kept is None or name is None else self.kept.find(name)
        if found is not None:
            return found, ", finished before this run began"
        started = time.perf_counter()
        predictor = fit_predictor(train, learner, self.seed, self.impute)
        fitted = time.perf_counter()
        prediction = predictor.predict(test.X)
        made = KeptFold(prediction, fitted - started, time.perf_counter() - fitted)
        if self.kept is not None and name is not None:
            try:
                self.kept.keep(name, made)
            except OSError as error:
                self.progress(f"a finished fold cannot be kept for another try ({error}); the training goes on")
        return made, ""


def _judge(
    candidate: Candidate,
    folds: Sequence[Fold],
    splits: Sequence[tuple[Dataset, Dataset]],
    metrics: Sequence[Metric],
    without: Sequence[frozenset[str]],
    predict: _Predicting,
    progress: Callable[[str], None],
) -> tuple[CandidateResult, Vector | None]:
    """One candidate on every fold, and its predictions for the latest."""
    done: list[FoldResult] = []
    latest: Vector | None = None
    with EffortMeter().part() as part:
        for fold, (train, test) in zip(folds, splits, strict=True):
            try:
                made, again = predict(candidate.learner, train, test)
            except (
                ValueError
            ) as error:  # rows that a library cannot learn or predict from; all of ours are ValueErrors too
                failure = f"fold {fold.index} ({fold.describe()}): {error}"
                progress(f"{candidate.name}: left out, {failure}")
                return CandidateResult(candidate, tuple(done), failure), None
            values, problems = measure(scored(test, made.prediction), metrics)
            latest = made.prediction if latest is None else latest
            seconds, allowed = (made.fit_seconds, made.predict_seconds), without[len(done)]
            done.append(FoldResult(fold, values, problems, len(train), len(test), *seconds, allowed, effort=part.lap()))
            shown = ", ".join(f"{name} {value:.4f}" for name, value in list(values.items())[:3])
            progress(f"{candidate.name}: fold {len(done)} of {len(folds)}, {shown}, {sum(seconds):.1f} s{again}")
    return CandidateResult(candidate, tuple(done)), latest


def _metrics_without(
    fold: Fold, test: Dataset, metrics: Sequence[Metric], progress: Callable[[str], None]
) -> frozenset[str]:
    """The metrics that a fold does not count for, each named once: its labels are the same for every candidate."""
    reasons = {metric.name: refused_by_labels(test, metric) for metric in metrics}
    refused = {name: reason for name, reason in reasons.items() if reason is not None}
    for name, reason in refused.items():
        progress(f"fold {fold.index} ({fold.describe()}) does not count for {name}: {reason}")
    return frozenset(refused)


def _why_not(comparison: Comparison, metric: str) -> str:
    """One reason per candidate without the metric, and what to do about folds whose labels do not allow it."""
    reasons, short = [], False
    for result in comparison.results:
        problem = next((fold.problems[metric] for fold in result.folds if metric in fold.problems), "no value")
        counted, folds = len(result.counted(metric)), len(result.folds)
        if result.failure is None and counted < fewest_folds(folds):
            problem += f" ({counted} of {folds} folds have labels that allow it, {fewest_folds(folds)} are needed)"
            short = True
        reasons.append(f"{result.candidate.name}: {result.failure or problem}")
    advice = "; lengthen training.splits.test_days, so that each test period has labels of more than one kind"
    return "; ".join(reasons) + (advice if short else "")
