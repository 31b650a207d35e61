"""Search: budget, pruning, resumption without repetition, failures that are named, the same result again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration.sections.search import Choices, FloatRange, IntRange, Search
from platform_assets.tasks.registry import make_metrics
from platform_assets.training.compare import Candidate
from platform_assets.training.dataset import Dataset
from platform_assets.training.learners import make_learner
from platform_assets.training.tuning.engines import engine_named
from platform_assets.training.tuning.search import search_candidate
from platform_assets.training.tuning.trials import Engine, SearchError, SearchPlan, SearchResult, Trial, TrialFailed

SPACE = {
    "x": FloatRange(type="float", low=-1.0, high=1.0),
    "depth": IntRange(type="int", low=1, high=8, log=True),
    "kind": Choices(type="categorical", choices=("a", "b")),
}
PLAN = SearchPlan("plan", SPACE, {"x": 0.9, "depth": 8, "kind": "b"}, True, folds=3, trials=14, pruning="none")


class Hill:
    """Best at x = 0.3, depth 3, kind a; each fold a little different. Notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Trial] = []
        self.folds = 0

    def __call__(self, trial: Trial) -> Iterator[float]:
        self.asked.append(trial)
        s = trial.settings
        for fold in range(3):
            self.folds += 1
            yield -((s["x"] - 0.3) ** 2) - 0.1 * abs(s["depth"] - 3) - 0.5 * (s["kind"] == "b") + 0.01 * fold


def run(plan: SearchPlan, evaluate: Any = None) -> SearchResult:
    return engine_named("optuna").run(plan, evaluate or Hill())


def told(result: SearchResult) -> list[Any]:
    return [(trial.number, dict(trial.settings), trial.values, trial.state) for trial in result.trials]


def test_the_declared_settings_come_first_and_the_best_is_at_least_as_good() -> None:
    hill = Hill()
    result = run(PLAN, hill)
    assert dict(hill.asked[0].settings) == {"x": 0.9, "depth": 8, "kind": "b"}
    assert len(result.trials) == 14
    assert {trial.state for trial in result.trials} == {"complete"}
    assert result.best.mean > result.trials[0].mean + 0.5
    assert result.best.settings["kind"] == "a"
    assert hill.folds == 14 * 3


def test_the_same_seed_gives_the_same_trials_and_another_seed_others() -> None:
    assert told(run(PLAN)) == told(run(PLAN))
    assert told(run(PLAN)) != told(run(replace(PLAN, seed=1)))


def test_less_is_better_where_the_metric_says_so() -> None:
    result = run(replace(PLAN, higher_is_better=False))
    assert result.best.mean == min(trial.mean for trial in result.trials)


@pytest.mark.parametrize("stopped_after", [1, 6, 11])
def test_a_search_that_was_stopped_goes_on_and_comes_to_the_same_end(stopped_after: int, tmp_path: Path) -> None:
    """Stopped in the middle of a trial, as by a kill: that one is judged again, the finished ones are not."""
    plan = replace(PLAN, storage=f"sqlite:///{tmp_path / 'trials.db'}")

    class Killed(Hill):
        def __call__(self, trial: Trial) -> Iterator[float]:
            for number, value in enumerate(super().__call__(trial)):
                if trial.number == stopped_after and number == 1:
                    raise KeyboardInterrupt
                yield value

    with pytest.raises(KeyboardInterrupt):
        run(plan, Killed())
    rest = Hill()
    result = run(plan, rest)
    assert result.resumed == stopped_after
    assert [trial.number for trial in rest.asked] == list(range(stopped_after, 14))
    assert told(result) == told(run(PLAN))
    again = Hill()
    assert told(run(plan, again)) == told(result)
    assert again.asked == []


def test_a_larger_budget_goes_on_from_the_smaller_one(tmp_path: Path) -> None:
    plan = replace(PLAN, storage=f"sqlite:///{tmp_path / 'trials.db'}")
    run(replace(plan, trials=5))
    result = run(plan)
    assert result.resumed == 5
    assert told(result) == told(run(PLAN))


def test_no_trial_is_started_after_the_time_and_one_on_its_way_is_left() -> None:
    clock = {"now": 0.0}

    class Slow(Hill):
        def __call__(self, trial: Trial) -> Iterator[float]:
            for value in super().__call__(trial):
                clock["now"] += 1.0
                yield value

    import platform_assets.training.tuning.optuna_engine as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "perf_counter", lambda: clock["now"])
        result = run(replace(PLAN, seconds=7.5), Slow())
    assert [trial.state for trial in result.trials] == ["complete", "complete"]
    assert clock["now"] == 8.0


def test_a_trial_that_is_worse_than_the_median_is_left_after_that_fold() -> None:
    hill = Hill()
    result = run(replace(PLAN, pruning="median", trials=25), hill)
    states = [trial.state for trial in result.trials]
    assert states.count("pruned") >= 3
    assert hill.folds == sum(len(trial.values) for trial in result.trials) < 25 * 3
    assert result.best.state == "complete"


def test_a_trial_that_fails_is_named_and_the_others_go_on() -> None:
    class Fragile(Hill):
        def __call__(self, trial: Trial) -> Iterator[float]:
            for value in super().__call__(trial):
                if trial.settings["kind"] == "b":
                    raise TrialFailed("fold 0: it does not converge")
                yield value

    result = run(PLAN, Fragile())
    failed = [trial for trial in result.trials if trial.state == "failed"]
    assert failed
    assert all(trial.problem == "fold 0: it does not converge" for trial in failed)
    assert result.best.settings["kind"] == "a"

    def never(trial: Trial) -> Iterator[float]:
        raise TrialFailed("fold 0: no luck")
        yield 0.0

    with pytest.raises(SearchError, match="none of 14 trials was completed; the first failed with: fold 0: no luck"):
        _ = run(PLAN, never).best


def test_trials_in_parallel_are_all_there_and_none_twice() -> None:
    result = run(replace(PLAN, parallel=3, trials=20))
    assert [trial.number for trial in result.trials] == list(range(20))


def test_an_error_that_is_no_trials_own_ends_the_search() -> None:
    def broken(trial: Trial) -> Iterator[float]:
        raise ZeroDivisionError
        yield 0.0

    for parallel in (1, 2):
        with pytest.raises(ZeroDivisionError):
            run(replace(PLAN, parallel=parallel), broken)


def test_a_storage_that_cannot_be_used_is_told_without_its_password() -> None:
    with pytest.raises(SearchError, match="cannot be used") as caught:
        run(replace(PLAN, storage="nothing://someone:secret@host/trials"))
    assert "nothing://***@host/trials" in str(caught.value)
    assert "secret" not in str(caught.value).split(" cannot be used")[0]


# A learner's settings.


def rows(seed: int = 0) -> list[tuple[Dataset, Dataset]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 3))
    y = (rng.random(400) < 1 / (1 + np.exp(-3 * X[:, 0]))).astype(np.float64)
    days = np.datetime64("2024-01-01", "D") + (np.arange(400) // 100).astype("timedelta64[D]")
    whole = Dataset(X, y, days, None, np.arange(400), ("a", "b", "c"))
    early, late = whole.where(np.arange(400) < 200), whole.where(np.arange(400) >= 200)
    return [(early, late), (late, early)]


AUC = make_metrics(["auc_roc"], "binary")[0]
RULE = Candidate("rule", make_learner("rule", {"column": 2, "threshold": 5.0}))
RULES = Search(
    space={
        "column": IntRange(type="int", low=0, high=2),
        "threshold": FloatRange(type="float", low=-1, high=1),
    },
    trials=12,
)


def searched(search: Search = RULES, engine: Engine | None = None, **more: Any) -> tuple[Candidate, SearchResult]:
    return search_candidate(RULE, search, rows(), AUC, 0, lambda line: None, engine=engine, **more)


def test_better_settings_are_found_and_the_others_stay() -> None:
    found, result = searched()
    assert found.name == "rule"
    assert found.learner.settings["column"] == 0
    assert result.best.mean > 0.65
    assert result.trials[0].settings["column"] == 2  # as declared; the declared threshold lies outside of the space


def test_other_rows_or_settings_never_share_trials(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'trials.db'}"
    searched(storage=storage)
    assert searched(storage=storage)[1].resumed == 12
    other = search_candidate(RULE, RULES, rows(1), AUC, 0, lambda line: None, storage=storage)[1]
    assert other.resumed == 0


def test_a_setting_that_does_not_exist_and_an_engine_that_does_not() -> None:
    wrong = Search(space={"depth": IntRange(type="int", low=1, high=2)})
    with pytest.raises(SearchError, match="'rule': the space varies 'depth'; its settings are: column, threshold"):
        searched(wrong)
    with pytest.raises(SearchError, match="'grid'"):
        engine_named("grid")


def test_a_value_that_the_learner_refuses_fails_its_trial_only() -> None:
    wide = Search(space={"column": IntRange(type="int", low=0, high=9)}, trials=10)
    _, result = searched(wide)
    problems = [trial.problem for trial in result.trials if trial.state == "failed"]
    assert problems
    assert all(problem is not None and "of 3 inputs" in problem for problem in problems)
