"""Search over a learner's settings, each trial fitted and judged on the same folds.

Belongs here: the evaluation of a trial fold by fold, and what a search leaves: a candidate with better settings. Does not belong here: the
words that engines share (`trials`), how an engine proposes settings (`optuna_engine`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from platform_assets.declaration.sections.search import Choices, Dimension, Search
from platform_assets.training.compare import Candidate, Metric, refused_by_labels, scored
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import Learner
from platform_assets.training.predictor import ImputationStrategy
from platform_assets.training.tuning.engines import engine_named
from platform_assets.training.tuning.trials import (
    Engine,
    SearchBudget,
    SearchError,
    SearchPlan,
    SearchResult,
    Trial,
    TrialFailed,
)


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
    budget: SearchBudget | None = None,
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
        budget: most money.

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
    # Folds whose labels do not allow the metric say nothing about any trial; where all are such, the trials fail and say why.
    splits = [split for split in splits if refused_by_labels(split[1], metric) is None] or splits
    plan = SearchPlan(
        name=search_name(candidate, search, metric.name, splits, seed),
        space=MappingProxyType(dict(search.space)),
        first=_declared_settings(search, learner),
        higher_is_better=metric.higher_is_better,
        folds=len(splits),
        trials=search.trials,
        seconds=search.seconds,
        pruning=search.pruning,
        parallel=search.parallel,
        seed=seed,
        storage=search.storage or storage,
        budget=budget,
    )
    result = (engine or engine_named(search.engine)).run(
        plan, FoldEvaluation(splits, learner, metric, impute), progress
    )
    return Candidate(candidate.name, learner.with_settings(result.best.settings), candidate.baseline), result


def _declared_settings(search: Search, learner: Learner) -> dict[str, Any]:
    """The declared settings as far as they lie in the space: they are tried first."""
    held = {name: learner.settings[name] for name in search.space if name in learner.settings}
    return {name: value for name, value in held.items() if _holds(search.space[name], value)}


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
