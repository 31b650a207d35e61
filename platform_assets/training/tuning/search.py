"""Search over a learner's settings: what is asked of an engine, and what it answers.

Belongs here: the plan, the trial, the evaluation of a trial fold by fold, the result, and the choice of engine. Does not belong
here: how an engine proposes settings (`search_optuna`, `distributed*`), what may be declared (`declaration/sections/search.py`).

A search sees the folds it is given and nothing else: the final test period is not among them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np

from platform_assets.declaration.sections.search import Choices, Dimension, Search
from platform_assets.training.compare import Candidate, Metric, scored
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import Learner
from platform_assets.training.predictor import ImputationStrategy

State = Literal["complete", "pruned", "failed"]


class SearchError(ValueError):
    """A search that cannot be made or found nothing; the message says why and what to do."""


class TrialFailed(ValueError):
    """A trial whose settings cannot be fitted or measured on a fold; the search goes on with the next."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Attributes:
        number: from 0, in the order in which trials were proposed.
        settings: value by name of the settings in the space, nothing else.
        seed: decides every random choice of the fit.
    """

    number: int
    settings: Mapping[str, Any]
    seed: int


class Evaluate(Protocol):
    """Judge a trial: one value for each fold, made only when it is asked for, so that an engine can stop in between.

    It raises `TrialFailed` where the trial cannot be judged. It can be pickled with cloudpickle.
    """

    def __call__(self, trial: Trial) -> Iterator[float]:
        """The metric, fold by fold, latest first."""
        ...


@dataclass(frozen=True)
class SearchPlan:
    """Everything an engine needs to know.

    Attributes:
        name: names the search in its storage; equal names mean that trials may be shared.
        space: what may vary, by setting.
        first: settings tried first, those of the space only; may be empty.
        higher_is_better: which way the metric is better.
        folds: values that `Evaluate` yields for a trial that is not stopped.
        trials: most trials, those found in the storage included.
        seconds: most time of all trials, those found in the storage included; None for no limit.
        pruning: "median" or "none".
        parallel: trials at a time.
        seed: of the engine's own choices and of every fit.
        storage: SQLAlchemy address that keeps finished trials; None keeps none.
    """

    name: str
    space: Mapping[str, Dimension]
    first: Mapping[str, Any]
    higher_is_better: bool
    folds: int
    trials: int
    seconds: float | None = None
    pruning: Literal["median", "none"] = "median"
    parallel: int = 1
    seed: int = 0
    storage: str | None = None


@dataclass(frozen=True)
class FinishedTrial:
    """What became of a trial.

    Attributes:
        number: as in `Trial`.
        settings: as in `Trial`.
        values: the metric on the folds that were judged, latest fold first.
        state: "complete" has all folds; "pruned" was stopped before; "failed" could not be judged, and `problem` says why.
        seconds: how long it took.
        problem: why it failed.
    """

    number: int
    settings: Mapping[str, Any]
    values: tuple[float, ...]
    state: State
    seconds: float
    problem: str | None = None

    @property
    def mean(self) -> float:
        """Mean over the folds that were judged; NaN without any."""
        return float(np.mean(self.values)) if self.values else float("nan")


@dataclass(frozen=True)
class SearchResult:
    """All trials by number; `resumed` of them were found in the storage."""

    trials: tuple[FinishedTrial, ...]
    higher_is_better: bool
    resumed: int
    seconds: float

    @property
    def best(self) -> FinishedTrial:
        """The complete trial with the best mean; of equal ones the first.

        Raises:
            SearchError: no trial is complete.
        """
        complete = [trial for trial in self.trials if trial.state == "complete"]
        if not complete:
            failed = [trial.problem for trial in self.trials if trial.problem]
            why = f"; the first failed with: {failed[0]}" if failed else "; give it more time or more trials"
            raise SearchError(f"none of {len(self.trials)} trials was completed{why}")
        sign = 1.0 if self.higher_is_better else -1.0
        return max(complete, key=lambda trial: (sign * trial.mean, -trial.number))


class Engine(Protocol):
    """Something that searches."""

    def run(
        self, plan: SearchPlan, evaluate: Evaluate, progress: Callable[[str], None] = lambda line: None
    ) -> SearchResult:
        """Propose and judge trials until the plan's budget is spent.

        Args:
            plan: space, budget, storage.
            evaluate: judges one trial.
            progress: called with one line whenever a trial has ended.

        Raises:
            SearchError: the storage cannot be used.
        """
        ...


def engine_named(name: str) -> Engine:
    """The engine that a declaration calls `name`.

    Raises:
        SearchError: there is no such engine, or what it needs is not installed.
    """
    if name == "optuna":
        from platform_assets.training.tuning.optuna_engine import OptunaEngine

        return OptunaEngine()
    raise SearchError(f"there is no search engine {name!r}; declare `optuna`")


@dataclass(frozen=True, eq=False)
class FoldEvaluation:
    """A trial's settings fitted and judged on each fold in turn: the `Evaluate` of a declared learner.

    Attributes:
        splits: training and test rows of each fold, latest first.
        learner: with the settings that do not vary.
        metric: what is measured on the test rows.
        impute: imputation strategy by feature.
    """

    splits: Sequence[tuple[Dataset, Dataset]]
    learner: Learner
    metric: Metric
    impute: Mapping[str, ImputationStrategy] | None = None

    def __call__(self, trial: Trial) -> Iterator[float]:
        """The metric, fold by fold."""
        for number, (train, test) in enumerate(self.splits):
            try:
                learner = self.learner.with_settings(trial.settings)
                predictor = fit_predictor(train, learner, trial.seed, self.impute)
                yield self.metric(scored(test, predictor.predict(test.X)))
            except ValueError as error:  # settings or rows that a library refuses; all of ours are ValueErrors too
                raise TrialFailed(f"fold {number}: {error}") from error


def fingerprint(splits: Sequence[tuple[Dataset, Dataset]]) -> str:
    """Sixteen hexadecimal digits that name the rows of all folds: other rows must not share trials."""
    digest = hashlib.sha256()
    for part in (rows for split in splits for rows in split):
        digest.update(json.dumps([*part.features, len(part)]).encode())
        for array in (part.X, part.y):
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()[:16]


def search_candidate(
    candidate: Candidate,
    search: Search,
    splits: Sequence[tuple[Dataset, Dataset]],
    metric: Metric,
    seed: int,
    progress: Callable[[str], None],
    *,
    storage: str | None = None,
    impute: Mapping[str, ImputationStrategy] | None = None,
    engine: Engine | None = None,
) -> tuple[Candidate, SearchResult]:
    """Look for better settings of one candidate.

    Args:
        candidate: with the settings that are tried first.
        search: the declaration.
        splits: training and test rows by fold, none of them of the final test period.
        metric: what decides.
        seed: of the search and of every fit.
        progress: called with one line for each trial.
        storage: where finished trials are kept unless the declaration says so itself.
        impute: imputation strategy by feature.
        engine: in place of the declared one.

    Returns:
        The candidate with the best settings found, and all trials.

    Raises:
        SearchError: a setting in the space does not exist, no trial could be completed, or the engine cannot run.
    """
    learner = candidate.learner
    unknown = sorted(set(search.space) - set(learner.settings)) if not learner.kind.open_settings else []
    if unknown:
        known = ", ".join(learner.settings) or "none"
        raise SearchError(f"learner {candidate.name!r}: the space varies {unknown[0]!r}; its settings are: {known}")
    plan = SearchPlan(
        name=search_name(candidate, search, metric.name, splits, seed),
        space=MappingProxyType(dict(search.space)),
        first={
            name: learner.settings[name]
            for name, dimension in search.space.items()
            if name in learner.settings and _holds(dimension, learner.settings[name])
        },
        higher_is_better=metric.higher_is_better,
        folds=len(splits),
        trials=search.trials,
        seconds=search.seconds,
        pruning=search.pruning,
        parallel=search.parallel,
        seed=seed,
        storage=search.storage or storage,
    )
    evaluate = FoldEvaluation(splits, learner, metric, impute)
    result = (engine or engine_named(search.engine)).run(plan, evaluate, progress)
    return Candidate(candidate.name, learner.with_settings(result.best.settings), candidate.baseline), result


def _holds(dimension: Dimension, value: Any) -> bool:
    """Whether a value lies in what may be tried."""
    if isinstance(dimension, Choices):
        return value in dimension.choices
    return isinstance(value, int | float) and dimension.low <= value <= dimension.high


def search_name(
    candidate: Candidate, search: Search, metric: str, splits: Sequence[tuple[Dataset, Dataset]], seed: int
) -> str:
    """The name under which trials may be shared: the candidate's, and a digest of all that a value depends on."""
    what = {
        "kind": candidate.learner.kind.name,
        "settings": {name: repr(value) for name, value in candidate.learner.settings.items()},
        "space": {name: dimension.model_dump() for name, dimension in sorted(search.space.items())},
        "pruning": search.pruning,
        "metric": metric,
        "rows": fingerprint(splits),
        "seed": seed,
    }
    return f"{candidate.name}-{hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]}"
