"""A challenger is judged on every declared gate, and against the champion on rows that neither has learned from."""

import json
import warnings
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration import UseCase
from platform_assets.declaration.gate_kinds import gate_names
from platform_assets.declaration.sections.gates import Bypass, Floor
from platform_assets.evaluation.gates.judging import judge
from platform_assets.evaluation.gates.verdict import Verdict
from platform_assets.evaluation.judged_model import BOTH_OUT_OF_FOLD, ON_CHAMPION_DAYS, OUT_OF_FOLD, SameRows
from platform_assets.orchestration.assets.evaluation import check_result, gates_table
from platform_assets.pipelines.evaluate import (
    columns_to_divide_by,
    compare_on_same_rows,
    evidence_of,
    judged_model_of,
    plot_same_rows,
)
from platform_assets.registry.base import ModelRegistry, RegisteredVersion
from platform_assets.tasks.gate_result import GateResult
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner

from .conftest import LATER, ROWS_A_DAY, Trained

PNG = b"\x89PNG"
CHAMPION_GATE = "no_worse_than_champion"
TODAY = date(2024, 6, 1)


def judged(
    use_case: UseCase,
    model: Trained,
    champion: RegisteredVersion | None,
    folders: ModelRegistry,
    frame: pl.DataFrame | None = None,
) -> tuple[SameRows, Verdict]:
    subject = judged_model_of(use_case, model.frame if frame is None else frame, model.run, model.version)
    rows = compare_on_same_rows(subject, model.version, champion, folders)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plot_same_rows(use_case, rows).startswith(PNG)
    return rows, judge(subject, rows, TODAY, has_champion=champion is not None)


def gate(verdict: Verdict, name: str = CHAMPION_GATE) -> GateResult:
    return next(result for result in verdict.gates if result.name == name)


def test_every_declared_gate_is_judged_in_the_declared_order(
    use_case: UseCase, first: Trained, folders: ModelRegistry
) -> None:
    floors = (Floor(metric="auc_roc", bound=0.5), Floor(metric="average_precision", bound=0.5))
    strict = use_case.model_copy(update={"gates": use_case.gates.model_copy(update={"floors": floors})})
    rows, verdict = judged(strict, first, None, folders)
    assert [result.name for result in verdict.gates] == gate_names(strict.gates, strict.task)
    assert [result.name for result in verdict.gates if not result.passed] == []
    assert gate(verdict).explanation == "There is no champion yet."
    assert rows.champion is None
    assert len(rows.rows) == 4 * ROWS_A_DAY, "the whole latest fold"


def test_challenger_and_champion_are_fitted_on_the_same_days_and_judged_on_later_ones(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    rows, verdict = judged(use_case, second, first.version, folders)
    champion = first.run.predictor()
    fresh = second.frame.filter(pl.col("event_day") > date.fromisoformat(champion.trained_on.last_day))
    assert len(rows.rows) == fresh.height == 2 * ROWS_A_DAY
    X = np.ascontiguousarray(fresh.sort("transaction_time").select(use_case.feature_names).to_numpy())
    np.testing.assert_array_equal(rows.champion, champion.predict(X))
    np.testing.assert_array_equal(rows.model, champion.predict(X), "the same recipe on the same days: the same model")
    assert rows.how == ON_CHAMPION_DAYS
    assert gate(verdict).passed
    found = gate(verdict).details["difference"]
    assert (found["difference"], found["lower"], found["rows"]) == (0.0, 0.0, 2 * ROWS_A_DAY)


def test_a_champion_from_before_the_training_set_is_compared_out_of_fold_and_that_is_said(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    begins = date.fromisoformat(first.run.predictor().trained_on.first_day) + timedelta(days=1)
    recent = second.frame.filter(pl.col("event_day") >= begins)
    rows, verdict = judged(use_case, second, first.version, folders, recent)
    assert rows.how == OUT_OF_FOLD
    assert len(rows.rows) == 2 * ROWS_A_DAY
    assert OUT_OF_FOLD in gate(verdict).explanation
    assert gate(verdict).passed


def test_a_recipe_that_is_worse_than_the_champions_is_red(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    subject = judged_model_of(use_case, second.frame, second.run, second.version)
    worse = replace(subject, recipe=lambda rows: fit_predictor(rows, make_learner("constant"), 0))
    strict = use_case.model_copy(update={"gates": use_case.gates.model_copy(update={"champion_tolerance": 0.05})})
    rows = compare_on_same_rows(worse, second.version, first.version, folders)
    verdict = judge(replace(worse, use_case=strict), rows, TODAY, has_champion=True)
    assert not gate(verdict).passed
    assert gate(verdict).details["difference"]["difference"] < -0.2


def test_a_recipe_that_cannot_be_fitted_on_the_champions_days_is_red(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    last = date.fromisoformat(first.run.predictor().trained_on.last_day)
    calm = second.frame.with_columns(
        is_fraud=pl.when(pl.col("event_day") <= last).then(0).otherwise("is_fraud").cast(pl.Int8)
    )
    _, verdict = judged(use_case, second, first.version, folders, calm)
    assert not gate(verdict).passed
    assert "cannot be fitted on the champion's training days" in gate(verdict).explanation


def test_a_champion_as_of_the_same_day_is_compared_by_its_out_of_fold_predictions(
    use_case: UseCase, first: Trained, folders: ModelRegistry
) -> None:
    """Its own fit has seen the whole fold."""
    rows, verdict = judged(use_case, first, replace(first.version, version="0"), folders)
    np.testing.assert_array_equal(rows.champion, rows.model)
    assert len(rows.rows) == 4 * ROWS_A_DAY
    assert rows.how == BOTH_OUT_OF_FOLD
    assert gate(verdict).passed


def test_a_newer_champion_leaves_nothing_to_compare_on(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    rows, verdict = judged(use_case, first, second.version, folders)
    assert len(rows.rows) == 0
    assert not gate(verdict).passed
    assert "no rows that the champion was not trained on" in gate(verdict).explanation
    assert gate(verdict).measured is None


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_among_the_rows_to_compare_on_is_red(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry, label: int
) -> None:
    last = date.fromisoformat(first.run.predictor().trained_on.last_day)
    later = pl.when(pl.col("event_day") > last).then(label).otherwise("is_fraud").cast(pl.Int8)
    rows, verdict = judged(use_case, second, first.version, folders, second.frame.with_columns(is_fraud=later))
    assert len(rows.rows) > 0
    assert not gate(verdict).passed
    assert "could not be computed" in gate(verdict).explanation


def test_a_champion_with_inputs_that_no_longer_exist_is_red(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    views = tuple(view for view in use_case.features if "is_night" not in view.feature_names)
    narrower = use_case.model_copy(update={"features": views})
    rows, verdict = judged(narrower, second, first.version, folders, second.frame.drop("is_night"))
    assert rows.champion is None
    assert not gate(verdict).passed
    assert "is_night" in gate(verdict).explanation
    assert "bypass" in gate(verdict).explanation


def test_every_gate_that_cannot_run_is_red_and_says_why(
    use_case: UseCase, first: Trained, folders: ModelRegistry
) -> None:
    """The judged rows are gone: nothing is proven, and nothing raises."""
    nothing = first.frame.with_columns(transaction_id=pl.col("transaction_id") + 10**9)
    _, verdict = judged(use_case, first, None, folders, nothing)
    red = {result.name: result.explanation for result in verdict.gates if not result.passed}
    assert {"mean_prediction", "not_trained_on_test_days", "single_feature"} <= set(red)
    assert all(red.values())


def test_columns_that_only_the_event_table_has_are_read_for_slices(use_case: UseCase) -> None:
    gates = {
        "slices": [
            {"name": "terminal", "expression": "CASE WHEN terminal_id > 5 THEN 1 ELSE 0 END", "max_drop": 0.5},
            {"name": "night", "expression": "is_night", "max_drop": 0.5},
        ]
    }
    declared = UseCase.model_validate({**use_case.model_dump(), "gates": gates})
    assert columns_to_divide_by(declared) == ["terminal_id"]
    assert columns_to_divide_by(use_case) == []


def test_the_evidence_is_json_and_says_how_model_and_champion_were_compared(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    rows, verdict = judged(use_case, second, first.version, folders)
    evidence = json.loads(
        json.dumps(evidence_of(use_case, verdict, second.version, first.version, rows, TODAY), allow_nan=False)
    )
    assert (evidence["format"], evidence["model_version"], evidence["champion"]) == (2, "2", "1")
    assert evidence["same_rows"]["how"] == ON_CHAMPION_DAYS
    assert set(evidence["same_rows"]) == {"rows", "how", "model", "champion"}
    assert [found["name"] for found in evidence["gates"]] == gate_names(use_case.gates, use_case.task)
    assert gates_table(verdict).count("\n") == len(verdict.gates) + 1


def test_a_baseline_that_failed_is_no_baseline_that_was_beaten(
    use_case: UseCase, first: Trained, folders: ModelRegistry
) -> None:
    candidates = dict(first.run.comparison["candidates"])
    failed = {name: float("nan") for name in candidates["simple"]["mean"]}
    candidates["simple"] = {**candidates["simple"], "mean": failed}
    model = replace(first, run=replace(first.run, comparison={**first.run.comparison, "candidates": candidates}))
    _, verdict = judged(use_case, model, None, folders)
    assert not gate(verdict, "beats_baselines").passed
    assert "lacks average_precision of simple" in gate(verdict, "beats_baselines").explanation


def test_a_bypass_is_recorded_in_verdict_and_check(use_case: UseCase, first: Trained, folders: ModelRegistry) -> None:
    bypass = Bypass(gate="floor_auc_roc", who="head of risk", why="agreed for the pilot", until=LATER + timedelta(9999))
    gates = use_case.gates.model_copy(update={"floors": (Floor(metric="auc_roc", bound=0.999),), "bypasses": (bypass,)})
    _, verdict = judged(use_case.model_copy(update={"gates": gates}), first, None, folders)
    assert verdict.passed
    assert "head of risk" in verdict.reason
    check = check_result(gate(verdict, "floor_auc_roc"))
    assert check.passed
    assert "agreed for the pilot" in str(check.metadata["bypass"].value)


def test_a_check_carries_its_evidence_on_success_and_says_nothing_it_does_not_know() -> None:
    kept = check_result(GateResult("calibration", True, 0.01, 0.05, "It is 0.01."))
    assert {name: value.value for name, value in kept.metadata.items()} == {
        "explanation": "It is 0.01.",
        "measured": 0.01,
        "bound": 0.05,
    }
    assert set(check_result(GateResult("calibration", False, None, None, "missing")).metadata) == {"explanation"}


def test_a_regression_is_drawn_as_one(use_case: UseCase, first: Trained) -> None:
    numbers = use_case.model_copy(update={"training": use_case.training.model_copy(update={"task": "regression"})})
    rows = judged_model_of(use_case, first.frame, first.run, first.version).judged
    assert plot_same_rows(numbers, SameRows(rows, rows.y)).startswith(PNG)
    empty = rows.where(np.zeros(len(rows), dtype=np.bool_))
    assert plot_same_rows(numbers, SameRows(empty, empty.y)).startswith(PNG)
