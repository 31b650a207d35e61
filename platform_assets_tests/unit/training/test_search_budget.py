"""A search ends within one trial of passing its budget, and the best of the trials that ended counts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from platform_assets.declaration.sections.search import FloatRange
from platform_assets.training.tuning.engines import engine_named
from platform_assets.training.tuning.trials import SearchBudget, SearchError, SearchPlan, Trial, TrialFailed

SPACE = {"x": FloatRange(type="float", low=-1.0, high=1.0)}
PLAN = SearchPlan("plan", SPACE, {"x": 0.9}, True, folds=2, trials=40, pruning="none")


@dataclass
class CountedMoney:
    """Each trial that was judged costs 1."""

    judged: list[int]
    currency: str = "EUR"

    def spent(self, trial_seconds: float) -> float:
        return float(len(self.judged))


def judging(judged: list[int], problem: str | None = None):  # type: ignore[no-untyped-def]
    def evaluate(trial: Trial) -> Iterator[float]:
        judged.append(trial.number)
        if problem is not None:
            raise TrialFailed(problem)
        for _ in range(2):
            yield -((trial.settings["x"] - 0.3) ** 2)

    return evaluate


@pytest.mark.parametrize("parallel", [1, 3])
def test_a_search_ends_within_one_trial_of_its_budget_and_keeps_what_ended(parallel: int) -> None:
    judged: list[int] = []
    plan = replace(PLAN, parallel=parallel, budget=SearchBudget(5, lambda: CountedMoney(judged)))
    result = engine_named("optuna").run(plan, judging(judged))
    assert 5 <= len(judged) < 5 + parallel
    assert len(result.trials) == len(judged)
    assert {trial.state for trial in result.trials} == {"complete"}
    assert result.best.mean == max(trial.mean for trial in result.trials)
    assert result.is_cut_short
    assert result.budget_sentence.startswith(
        f"ended by its budget after {len(judged)} trials, {len(judged)}.0000 of 5 EUR"
    )


def test_what_earlier_runs_of_the_search_took_counts(tmp_path: Path) -> None:
    judged: list[int] = []
    plan = replace(
        PLAN, trials=4, storage=f"sqlite:///{tmp_path}/trials.db", budget=SearchBudget(2, lambda: CountedMoney(judged))
    )
    engine_named("optuna").run(plan, judging(judged))
    again = engine_named("optuna").run(plan, judging(judged))
    assert (again.resumed, len(judged)) == (2, 2)
    assert again.is_cut_short


def test_a_search_within_its_budget_says_so_and_one_without_says_nothing() -> None:
    judged: list[int] = []
    plan = replace(PLAN, trials=3, budget=SearchBudget(50, lambda: CountedMoney(judged)))
    assert engine_named("optuna").run(plan, judging(judged)).budget_sentence == "within its budget, 3.0000 of 50 EUR"
    assert engine_named("optuna").run(replace(plan, budget=None), judging(judged)).budget_sentence == ""


def test_a_budget_that_no_trial_survives_is_named() -> None:
    judged: list[int] = []
    plan = replace(PLAN, budget=SearchBudget(1, lambda: CountedMoney([1])))
    with pytest.raises(SearchError, match=r"none of 0 trials was completed; give it a larger `budget\.per_search`"):
        _ = engine_named("optuna").run(plan, judging(judged)).best
