"""Tune's trials as trials of a search: what is proposed again, what counts once, when the search gives up."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from platform_assets.declaration.sections.search import IntRange
from platform_assets.training.distributed.ray_tune import _Judged
from platform_assets.training.tuning.optuna_engine import SearchRun
from platform_assets.training.tuning.trials import SearchPlan, Trial


def never(trial: Trial) -> Iterator[float]:
    """The cluster judges, not this process."""
    raise AssertionError(trial)


def judged(
    trials: int, retries: int = 1, storage: str | None = None, first: Mapping[str, Any] = MappingProxyType({})
) -> tuple[_Judged, Any]:
    space = {"max_depth": IntRange(type="int", low=1, high=9)}
    plan = SearchPlan("depth", space, first, True, 2, trials, pruning="none", seed=1, storage=storage)
    run = SearchRun(plan, never, lambda line: None)
    return _Judged(run, plan, retries), run


def test_a_search_that_was_killed_with_trials_side_by_side_goes_on_with_those_that_had_not_ended(
    tmp_path: Path,
) -> None:
    tune, run = judged(trials=4, storage=f"sqlite:///{tmp_path}/search.db", first={"max_depth": 4})
    settings = {}
    for name in "abc":
        proposed = tune.propose(name)
        assert proposed is not None
        settings[proposed["number"]] = proposed["settings"]
    assert settings[0] == {"max_depth": 4}
    for fold in (0, 1):
        tune.report("b", value(0.5, fold))
    tune.end("b", value(0.5, 1), failed=False)
    again, run = judged(trials=4, storage=f"sqlite:///{tmp_path}/search.db", first={"max_depth": 4})
    assert [trial.number for trial in run.finished] == [1]
    proposals = [proposed for name in "abcd" if (proposed := again.propose(name)) is not None]
    assert [proposed["number"] for proposed in proposals] == [0, 2, 3]
    assert [proposed["settings"] for proposed in proposals[:2]] == [settings[0], settings[2]]


def value(of: float, fold: int, problem: str = "") -> dict[str, Any]:
    return {"value": of, "fold": fold, "problem": problem, "time_total_s": 1.5}


def test_a_trial_whose_machine_fails_is_proposed_again_and_its_values_count_once() -> None:
    tune, run = judged(trials=1)
    proposed = tune.propose("first")
    assert not tune.report("first", value(0.5, 0))
    tune.end("first", None, failed=True)
    assert tune.propose("second") == proposed
    for fold, found in ((0, 0.5), (1, 0.7)):
        assert not tune.report("second", value(found, fold))
    tune.end("second", value(0.7, 1), failed=False)
    assert [(trial.number, trial.values, trial.state) for trial in run.finished] == [(0, (0.5, 0.7), "complete")]
    assert tune.propose("third") is None
    assert not tune.pending


def test_a_trial_that_cannot_be_judged_at_all_is_the_end_of_the_search() -> None:
    tune, run = judged(trials=5, retries=1)
    for attempt in ("first", "second"):
        assert tune.propose(attempt) is not None
        tune.end(attempt, None, failed=True)
    assert tune.given_up
    assert tune.propose("third") is None
    assert run.finished == []


def test_a_trial_that_cannot_be_fitted_is_kept_as_failed_and_the_search_goes_on() -> None:
    tune, run = judged(trials=2)
    tune.propose("first")
    tune.report("first", value(float("nan"), 0, "fold 0: all labels are 0"))
    tune.end("first", value(float("nan"), 0, "fold 0: all labels are 0"), failed=False)
    assert [(trial.state, trial.problem) for trial in run.finished] == [("failed", "fold 0: all labels are 0")]
    assert tune.propose("second") is not None


def test_while_a_trial_is_under_way_the_search_is_not_over() -> None:
    tune, _ = judged(trials=1)
    tune.propose("only")
    assert tune.propose("another") is None
    assert tune.pending
