"""What is asked of a search engine, and what it answers.

Belongs here: the plan, the trial, the result, the engine's Protocol. Does not belong here: how an engine proposes settings
(`optuna_engine`, `distributed/ray_tune`), judging a learner's settings (`search`), what may be declared (`declaration/sections/search.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from platform_assets.declaration.sections.search import Dimension
from platform_assets.training.effort import Effort

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


class Spending(Protocol):
    """Money that work has taken since it was begun."""

    @property
    def currency(self) -> str:
        """Of the money."""

    def spent(self, trial_seconds: float) -> float:
        """So far, with the seconds that trials took, on whatever machine."""


@dataclass(frozen=True)
class SearchBudget:
    """Most money of a search.

    Attributes:
        most: no trial is begun once it is passed.
        begin: begins to count.
    """

    most: float
    begin: Callable[[], Spending]


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
        budget: most money; None for no limit.
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
    budget: SearchBudget | None = None


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
        efforts: what each judged fold took of this process; empty where another one judged it.
    """

    number: int
    settings: Mapping[str, Any]
    values: tuple[float, ...]
    state: State
    seconds: float
    problem: str | None = None
    efforts: tuple[Effort, ...] = field(default=(), compare=False)

    @property
    def mean(self) -> float:
        """Mean over the folds that were judged; NaN without any."""
        return float(np.mean(self.values)) if self.values else float("nan")


@dataclass(frozen=True)
class SearchResult:
    """All trials by number; `resumed` of them were found in the storage.

    Attributes:
        spent: money that the search took, where it has a budget.
        currency: of the money.
        budget: most money.
        is_cut_short: whether the budget ended it before its trials did.
    """

    trials: tuple[FinishedTrial, ...]
    higher_is_better: bool
    resumed: int
    seconds: float
    spent: float | None = None
    currency: str = ""
    budget: float | None = None
    is_cut_short: bool = False

    @property
    def budget_sentence(self) -> str:
        """What became of the budget, for people; empty without one."""
        if self.spent is None or self.budget is None:
            return ""
        money = f"{self.spent:,.4f} of {self.budget:g} {self.currency}"
        if not self.is_cut_short:
            return f"within its budget, {money}"
        return f"ended by its budget after {len(self.trials)} trials, {money}; the best of them counts"

    @property
    def best(self) -> FinishedTrial:
        """The complete trial with the best mean; of equal ones the first.

        Raises:
            SearchError: no trial is complete.
        """
        complete = [trial for trial in self.trials if trial.state == "complete"]
        if not complete:
            failed = [trial.problem for trial in self.trials if trial.problem]
            more = "a larger `budget.per_search`" if self.is_cut_short else "more time or more trials"
            why = f"; the first failed with: {failed[0]}" if failed else f"; give it {more}"
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
