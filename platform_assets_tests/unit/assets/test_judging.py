"""A challenger is judged on every declared gate, and against the champion on rows that neither has learned from."""

import warnings
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.assets.evaluation import (
    OnSameRows,
    check_result,
    compare_on_same_rows,
    draw,
    gate_names,
    judge,
)
from platform_assets.evaluation.verdict import GateResult, Verdict
from platform_assets.registry.models import ModelRegistry, RegisteredVersion
from platform_assets.spec import UseCase
from platform_assets.spec.gates import Bypass, Floor

from .conftest import LATER, ROWS_A_DAY, Trained

PNG = b"\x89PNG"
CHAMPION_GATE = "no_worse_than_champion"


def judged(
    use_case: UseCase,
    model: Trained,
    champion: RegisteredVersion | None,
    folders: ModelRegistry,
    frame: pl.DataFrame | None = None,
) -> tuple[OnSameRows, Verdict]:
    rows = compare_on_same_rows(
        use_case, model.frame if frame is None else frame, model.run, model.version, champion, folders
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(use_case, rows).startswith(PNG)
    return rows, judge(use_case, model.run, model.version, champion, rows)


def gate(verdict: Verdict, name: str = CHAMPION_GATE) -> GateResult:
    return next(result for result in verdict.gates if result.name == name)


def test_every_declared_gate_is_judged_in_the_declared_order(
    use_case: UseCase, first: Trained, folders: ModelRegistry
) -> None:
    floors = (Floor(metric="auc_roc", bound=0.5), Floor(metric="average_precision", bound=0.5))
    strict = use_case.model_copy(update={"gates": use_case.gates.model_copy(update={"floors": floors})})
    rows, verdict = judged(strict, first, None, folders)
    assert [result.name for result in verdict.gates] == gate_names(strict)
    assert verdict.passed
    assert gate(verdict).explanation == "There is no champion yet."
    assert rows.champion is None
    assert len(rows.y) == 4 * ROWS_A_DAY, "the whole latest fold"


def test_the_champion_scores_only_days_it_was_not_fitted_on(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    rows, verdict = judged(use_case, second, first.version, folders)
    fresh = second.frame.filter(pl.col("event_day") > date.fromisoformat(first.version.tags["trained_on_last_day"]))
    assert len(rows.y) == fresh.height == 2 * ROWS_A_DAY
    X = fresh.sort("transaction_time").select(use_case.feature_names).to_numpy()
    np.testing.assert_array_equal(rows.champion, first.run.predictor().predict(np.ascontiguousarray(X)))
    assert gate(verdict).passed
    assert gate(verdict).measured == rows.metrics["model"]["average_precision"]


def test_a_champion_as_of_the_same_day_is_compared_by_its_out_of_fold_predictions(
    use_case: UseCase, first: Trained, folders: ModelRegistry
) -> None:
    """Its own fit has seen the whole fold."""
    rows, verdict = judged(use_case, first, replace(first.version, version="0"), folders)
    np.testing.assert_array_equal(rows.champion, rows.model)
    assert len(rows.y) == 4 * ROWS_A_DAY
    assert gate(verdict).passed


def test_a_newer_champion_leaves_nothing_to_compare_on(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry
) -> None:
    rows, verdict = judged(use_case, first, second.version, folders)
    assert len(rows.y) == 0
    assert not gate(verdict).passed
    assert "no rows that the champion was not trained on" in gate(verdict).explanation
    assert gate(verdict).measured is None


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_among_the_rows_to_compare_on_is_red(
    use_case: UseCase, first: Trained, second: Trained, folders: ModelRegistry, label: int
) -> None:
    one_class = second.frame.with_columns(is_fraud=pl.lit(label, pl.Int8))
    rows, verdict = judged(use_case, second, first.version, folders, one_class)
    assert len(rows.y) > 0
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


def test_a_regression_is_drawn_as_one(use_case: UseCase) -> None:
    numbers = use_case.model_copy(update={"training": use_case.training.model_copy(update={"task": "regression"})})
    y = np.array([1.0, 2.0, 3.0])
    assert draw(numbers, OnSameRows(y, y, None, {"model": {}})).startswith(PNG)
    assert draw(numbers, OnSameRows(y[:0], y[:0], None, {"model": {}})).startswith(PNG)
