"""Slices against counts by hand; behaviour tests on models whose behaviour is known; features that know the label."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from platform_assets.declaration.sections.behaviour import BehaviourTest
from platform_assets.declaration.sections.slices import Slice
from platform_assets.evaluation.gates.behaviour import judge_behaviour
from platform_assets.evaluation.gates.footprint import folder_megabytes, scores_in_time, scoring_milliseconds
from platform_assets.evaluation.gates.leakage import no_feature_is_the_label
from platform_assets.evaluation.gates.slices import judge_slice
from platform_assets.tasks.metric import MetricError, Scored
from platform_assets.tasks.registry import TASKS
from platform_assets.training.dataset import Dataset

PARTS = np.repeat(["a", "b"], 200)


def labelled() -> tuple[np.ndarray[Any, Any], Scored, pl.DataFrame]:
    """Two parts: in `a` the score is right, in `b` it is turned round."""
    y = np.tile([0.0, 1.0], 200)
    prediction = np.where(PARTS == "a", 0.25 + 0.5 * y, 0.75 - 0.5 * y)
    return y, Scored(y, prediction, np.full(400, np.datetime64("2024-06-01")), None), pl.DataFrame({"part": PARTS})


def sliced(**bounds: Any) -> Slice:
    return Slice.model_validate({"name": "part", "expression": "part", "min_rows": 50, "metric": "auc_roc", **bounds})


def test_the_worst_part_is_found_and_named() -> None:
    _, rows, columns = labelled()
    (result,) = judge_slice(sliced(floor=0.6), columns, rows, TASKS["binary"].metric("auc_roc"), 0.5)
    assert (result.name, result.passed, result.measured, result.bound) == ("slice_part", False, 0.0, 0.6)
    assert "worst where part is b" in result.explanation
    assert [part["measured"] for part in result.details["parts"]] == [1.0, 0.0]
    (drop,) = judge_slice(sliced(max_drop=0.6), columns, rows, TASKS["binary"].metric("auc_roc"), 0.5)
    assert drop.passed, "0.5 on all rows"
    assert drop.bound == pytest.approx(-0.1)


def test_an_error_metric_has_ceilings() -> None:
    _, rows, columns = labelled()
    (result,) = judge_slice(sliced(metric="rmse", floor=0.5), columns, rows, TASKS["regression"].metric("rmse"), None)
    assert not result.passed
    assert (result.measured, result.bound) == (0.75, 0.5)


def test_parts_differ_in_who_is_selected_and_who_is_wronged() -> None:
    _, rows, columns = labelled()
    (same,) = judge_slice(
        sliced(max_selection_rate_difference=0.1), columns, rows, TASKS["binary"].metric("auc_roc"), 0.5
    )
    assert same.passed
    assert same.details["selection_rate_difference"] == 0.0, "half of each"
    (odds,) = judge_slice(sliced(max_error_rate_difference=0.1), columns, rows, TASKS["binary"].metric("auc_roc"), 0.5)
    assert not odds.passed
    assert odds.details["error_rate_difference"] == 1.0


@pytest.mark.parametrize("bounds", [{"floor": 0.1}, {"max_selection_rate_difference": 1.0}])
def test_parts_that_are_all_too_small_are_red(bounds: dict[str, float]) -> None:
    _, rows, columns = labelled()
    (result,) = judge_slice(sliced(min_rows=201, **bounds), columns, rows, TASKS["binary"].metric("auc_roc"), 0.5)
    assert not result.passed
    assert "at least 201 rows are needed: a (200 rows, 100 positives), b" in result.explanation


def test_a_part_of_one_class_is_reported_and_not_judged() -> None:
    y, rows, columns = labelled()
    calm = Scored(np.where(PARTS == "b", 0.0, y), rows.prediction, rows.event_day, None)
    (result,) = judge_slice(sliced(floor=0.9), columns, calm, TASKS["binary"].metric("auc_roc"), 0.5)
    assert result.passed
    assert "Too small to judge: b (200 rows)" in result.explanation


def test_too_many_parts_are_no_division() -> None:
    _, rows, _ = labelled()
    with pytest.raises(MetricError, match="into 400 parts; at most 50"):
        judge_slice(sliced(floor=0.1), pl.DataFrame({"part": range(400)}), rows, TASKS["binary"].metric("auc_roc"), 0.5)


def test_a_slice_without_a_bound_cannot_be_declared() -> None:
    with pytest.raises(ValidationError, match="has no bound"):
        sliced()


def behaviour(**declared: Any) -> BehaviourTest:
    adapter: TypeAdapter[BehaviourTest] = TypeAdapter(BehaviourTest)
    return adapter.validate_python({"name": "it", **declared})


ROWS = pl.DataFrame({"x": np.linspace(0, 1, 40), "z": np.tile([0.0, 1.0], 20)})


def steps(frame: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A score that rises with x and does not know z."""
    return frame["x"].clip(0.0, 1.0).to_numpy()


@pytest.mark.parametrize(
    ("declared", "passed"),
    [
        ({"kind": "direction", "change": {"x": "x + 0.1"}, "score": "not_lower"}, True),
        ({"kind": "direction", "change": {"x": "x + 0.1"}, "score": "not_higher"}, False),
        ({"kind": "direction", "change": {"x": "x + 0.1"}, "score": "not_higher", "tolerance": 0.2}, True),
        ({"kind": "direction", "change": {"x": 0.5}, "score": "not_lower", "where": "x < 0.5"}, True),
        ({"kind": "direction", "change": {"x": 0.5}, "score": "not_lower", "max_violating_ratio": 0.4}, False),
        ({"kind": "direction", "change": {"x": 0.5}, "score": "not_lower", "max_violating_ratio": 0.5}, True),
        ({"kind": "invariance", "change": {"z": "1 - z"}, "max_change": 0.0}, True),
        ({"kind": "invariance", "change": {"x": "x / 2"}, "max_change": 0.3}, False),
        ({"kind": "minimum_case", "given": {"x": 0.9}, "at_least": 0.8}, True),
        ({"kind": "minimum_case", "given": {"x": 0.9}, "at_most": 0.8}, False),
        ({"kind": "minimum_case", "given": {"z": 1.0}, "at_least": 0.45, "at_most": 0.55}, True),
    ],
)
def test_behaviour_is_judged_on_real_rows(declared: dict[str, Any], passed: bool) -> None:
    result = judge_behaviour(behaviour(**declared), ROWS, steps)
    assert result.passed is passed, result.explanation


def test_a_score_that_is_not_a_number_violates() -> None:
    result = judge_behaviour(
        behaviour(kind="invariance", change={"x": 0.5}, max_change=1.0), ROWS, lambda frame: np.full(len(frame), np.nan)
    )
    assert (result.passed, result.measured) == (False, 1.0)


def test_too_few_rows_to_try_are_an_error() -> None:
    with pytest.raises(MetricError, match="0 of 40 rows can be tried where x > 2; at least 20"):
        judge_behaviour(behaviour(kind="direction", change={"x": 1}, score="not_lower", where="x > 2"), ROWS, steps)
    with pytest.raises(ValidationError, match="has no bound"):
        behaviour(kind="minimum_case", given={"x": 1})


def dataset(X: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Dataset:
    day = np.full(len(y), np.datetime64("2024-06-01"))
    return Dataset(X, y, day, None, np.arange(len(y)), ("noise", "leak"))


@pytest.mark.parametrize("leak", ["equal", "either end", "absent"])
def test_a_feature_that_knows_the_label_is_named_however_it_says_it(leak: str) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(800) < 0.2).astype(np.float64)
    told = {"equal": y, "either end": np.where(y == 1.0, 5.0, rng.choice([0.0, 9.0], 800))}
    feature = told.get(leak, np.where(y == 1.0, np.nan, rng.random(800)))
    rows = dataset(np.column_stack([rng.random(800), feature]), y)
    result = no_feature_is_the_label(rows, rows, {"auc_roc": 0.99}, TASKS["binary"], 0)
    assert not result.passed
    assert "carries the score: leak" in result.explanation


def test_a_good_feature_is_no_leak_and_a_regression_has_its_own_metric() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2))
    y = x[:, 1] + rng.normal(size=800)
    assert no_feature_is_the_label(dataset(x, y), dataset(x, y), {"r2": 0.9}, TASKS["regression"], 0).passed
    leaked = dataset(x, x[:, 1].round(0))
    assert not no_feature_is_the_label(leaked, leaked, {"r2": 0.9}, TASKS["regression"], 0).passed
    with pytest.raises(MetricError, match="say nothing about features"):
        no_feature_is_the_label(dataset(x, y * 0), dataset(x, y), {"auc_roc": 0.9}, TASKS["binary"], 0)


def test_size_counts_all_files_and_time_every_row(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(1_500_000))
    (tmp_path / "model.json").write_bytes(bytes(500_000))
    assert folder_megabytes(tmp_path) == 2.0
    with pytest.raises(MetricError, match="holds no files"):
        folder_megabytes(tmp_path / "elsewhere")

    class Counting:
        def __init__(self) -> None:
            self.shapes: set[tuple[int, ...]] = set()

        def predict(self, X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            self.shapes.add(X.shape)
            return X[:, 0]

    model = Counting()
    found = scoring_milliseconds(model, np.zeros((3, 2)))
    assert model.shapes == {(1, 2)}, "row by row"
    assert 0.0 < found["p50"] <= found["p99"]
    assert scores_in_time(found, found["p99"]).passed
    assert not scores_in_time(found, found["p99"] / 2).passed
