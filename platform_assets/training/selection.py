"""From a declaration and rows to the learner that is chosen: search, comparison, choice, and one look at the final test.

Belongs here: the order of these steps, and which days each of them may see. Does not belong here: the steps themselves (`search`,
`compare`, `candidates`), what the choice has to prove (`evaluation`), tracking.

    days:  ... | train | delay | test |  x folds, back in time from the final test | train | delay | final test | as-of day
               search and comparison see these folds                                 the winner alone, once
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

import numpy as np

from platform_assets.declaration.sections.training import Splits, Training
from platform_assets.training.candidates import candidate_of
from platform_assets.training.compare import (
    Candidate,
    Comparison,
    FoldResult,
    Metric,
    compare,
    select,
    split_fold,
)
from platform_assets.training.dataset import Dataset
from platform_assets.training.distributed.placement import engine, placed
from platform_assets.training.fit import declared_imputation
from platform_assets.training.folds import Fold, final_test_fold, prequential_folds
from platform_assets.training.kept_folds import KeptFolds
from platform_assets.training.tuning.search import search_candidate
from platform_assets.training.tuning.trials import SearchBudget, SearchError, SearchResult


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an installation fits and searches: see `distributed.place`."""

    ray_address: str | None = None
    workers: int | None = None


IN_THIS_PROCESS = Placement()
"""In this process, as declared."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What came of a training.

    Attributes:
        comparison: all candidates, with the settings that were found, on the same folds.
        searches: all trials, by candidate that was searched.
        winner: the best that is no baseline.
        final_test: the winner on days that nothing before has seen; None when none are declared.
    """

    comparison: Comparison
    searches: Mapping[str, SearchResult]
    winner: Candidate
    final_test: FoldResult | None


def selection_folds(splits: Splits, as_of: date, label_delay_days: int) -> list[Fold]:
    """The folds that search and comparison see, latest first: they end before the final test.

    Raises:
        FoldError: a length is out of range.
    """
    return prequential_folds(
        as_of - timedelta(days=splits.final_test_days),
        label_delay_days,
        splits.train_days,
        splits.delay_days,
        splits.test_days,
        splits.folds,
    )


def searched_candidates(
    training: Training,
    dataset: Dataset,
    folds: Sequence[Fold],
    metric: Metric,
    progress: Callable[[str], None],
    *,
    exclude_known_groups: bool,
    storage: str | None = None,
    placement: Placement = IN_THIS_PROCESS,
    budget: SearchBudget | None = None,
) -> tuple[list[Candidate], dict[str, SearchResult]]:
    """Every declared learner as a candidate, those with a `search` with the best settings found.

    A search that completes no trial stops the training: its error says why the first trial failed.

    Args:
        training: the declaration.
        dataset: rows of all days that the folds need.
        folds: what a search may see.
        metric: what decides between trials.
        progress: called with one line for each trial.
        exclude_known_groups: see `dataset.rows_to_judge`.
        storage: where finished trials are kept, unless a search says so itself.
        placement: where models are fitted and searched.
        budget: most money of each search.

    Raises:
        LearnerSettingsError: a setting does not exist or its value is not allowed.
        SearchError: a space or a storage cannot be used, or no trial was completed.
        DatasetError: a fold lacks rows.
    """
    by_name: dict[str, Candidate] = {}
    searches: dict[str, SearchResult] = {}
    splits = None
    for declared in training.learners:
        candidate = candidate_of(declared, training, dataset.features, by_name)
        candidate = replace(candidate, learner=placed(candidate.learner, placement.ray_address, placement.workers))
        if declared.search is not None:
            splits = splits or [split_fold(dataset, fold, exclude_known_groups) for fold in folds]
            candidate, searches[declared.name] = search_candidate(
                candidate,
                declared.search,
                splits,
                metric,
                training.seed,
                lambda line, name=declared.name: progress(f"{name}: {line}"),  # type: ignore[misc]
                storage=storage,
                impute=declared_imputation(training),
                engine=engine(declared.search.engine, candidate.learner, placement.ray_address),
                budget=budget,
            )
        by_name[declared.name] = candidate
    return list(by_name.values()), searches


def choose(comparison: Comparison, metric: str, tie_tolerance: float = 0.0) -> Candidate:
    """The best candidate that is no baseline; of those as good up to `tie_tolerance`, the one declared first.

    Raises:
        ComparisonError: there is none that could be measured.
    """
    contenders = tuple(result for result in comparison.results if not result.candidate.baseline)
    return select(replace(comparison, results=contenders), metric, tie_tolerance)


def select_learner(
    training: Training,
    dataset: Dataset,
    as_of: date,
    label_delay_days: int,
    metrics: Sequence[Metric],
    progress: Callable[[str], None],
    *,
    exclude_known_groups: bool,
    storage: str | None = None,
    placement: Placement = IN_THIS_PROCESS,
    budget: SearchBudget | None = None,
    kept: KeptFolds | None = None,
) -> Selection:
    """Search, compare, choose, and judge the choice once on the final test.

    Args:
        training: the declaration.
        dataset: rows of `folds.days_needed`.
        as_of: the day as of which is trained.
        label_delay_days: days between an event and its label.
        metrics: what is measured; one of them is `training.select_by`.
        progress: called with one line whenever something is done.
        exclude_known_groups: see `dataset.rows_to_judge`.
        storage: where finished trials of searches are kept.
        placement: where models are fitted and searched.
        budget: most money of each search.
        kept: folds that an earlier try has finished; None keeps nothing.

    Raises:
        ComparisonError: no candidate could be measured.
        LearnerSettingsError, SearchError, DatasetError, FoldError: as in the steps.
    """
    folds = selection_folds(training.splits, as_of, label_delay_days)
    [select_by] = [metric for metric in metrics if metric.name == training.select_by]
    candidates, searches = searched_candidates(
        training,
        dataset,
        folds,
        select_by,
        progress,
        exclude_known_groups=exclude_known_groups,
        storage=storage,
        placement=placement,
        budget=budget,
    )
    comparison = compare(
        dataset,
        folds,
        candidates,
        metrics,
        training.seed,
        progress,
        impute=declared_imputation(training),
        exclude_known_groups=exclude_known_groups,
        kept=kept,
    )
    winner = choose(comparison, training.select_by, training.tie_tolerance)
    final = _final_test(training, dataset, as_of, label_delay_days, winner, metrics, progress, exclude_known_groups)
    return Selection(comparison, MappingProxyType(searches), winner, final)


def _final_test(
    training: Training,
    dataset: Dataset,
    as_of: date,
    label_delay_days: int,
    winner: Candidate,
    metrics: Sequence[Metric],
    progress: Callable[[str], None],
    exclude_known_groups: bool,
) -> FoldResult | None:
    """The winner on the final test period; None without one."""
    splits = training.splits
    if splits.final_test_days == 0:
        return None
    fold = final_test_fold(as_of, label_delay_days, splits.train_days, splits.delay_days, splits.final_test_days)
    judged = compare(
        dataset,
        [fold],
        [winner],
        metrics,
        training.seed,
        lambda line: progress(f"final test: {line}"),
        impute=declared_imputation(training),
        exclude_known_groups=exclude_known_groups,
    )
    [result] = judged.results
    if result.failure is not None:
        raise SearchError(f"the chosen learner {winner.name!r} could not be judged on the final test: {result.failure}")
    return result.folds[0]


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """One candidate against another, fold by fold.

    Attributes:
        differences: first minus second in the metric's own unit, latest fold first; positive is better for the first.
        mean: of the differences.
        std: their sample standard deviation; 0 for a single fold.
        better_folds: folds in which the first is better.
    """

    differences: tuple[float, ...]
    mean: float
    std: float
    better_folds: int


def paired_difference(comparison: Comparison, first: str, second: str, metric: str) -> PairedDifference:
    """Compare two candidates on the same folds: what folds have in common, an easy week, drops out.

    Raises:
        ComparisonError: a candidate was not compared.
    """
    sign = 1.0 if comparison.metrics[metric] else -1.0
    differences = sign * (comparison.result(first).counted(metric) - comparison.result(second).counted(metric))
    std = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return PairedDifference(
        tuple(float(v) for v in differences), float(differences.mean()), std, int(np.count_nonzero(differences > 0.0))
    )
