"""Gates that look at every class, each shown red on what it is there for."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from platform_assets.declaration.sections.behaviour import BehaviourTest
from platform_assets.declaration.sections.gates import Gates
from platform_assets.evaluation.gates.behaviour import judge_behaviour
from platform_assets.evaluation.gates.leakage import single_feature_predictions
from platform_assets.tasks.metric import MetricError
from platform_assets.tasks.multiclass.gates import has_enough_of_each_class, predicts_the_share_of_each_class
from platform_assets.tasks.multiclass.metrics import class_reports
from platform_assets.tasks.registry import TASKS
from platform_assets.training.dataset import Dataset

CLASSES = ("a", "b", "c")
ROWS = pl.DataFrame({"x": np.linspace(0.0, 1.0, 40)})


def behaviour(**fields: Any) -> BehaviourTest:
    adapter: TypeAdapter[BehaviourTest] = TypeAdapter(BehaviourTest)
    return adapter.validate_python({"name": "test", **fields})


def ask(frame: pl.DataFrame) -> np.ndarray[Any, Any]:
    """With x the first class falls, the second rises, and the third never changes."""
    x = frame["x"].to_numpy()
    return np.column_stack([0.8 - 0.4 * x, 0.1 + 0.4 * x, np.full(len(x), 0.1)])


@pytest.mark.parametrize(("rows", "passed"), [(20, True), (19, False), (0, False)])
def test_every_class_needs_its_rows(rows: int, passed: bool) -> None:
    gates = Gates(min_training_rows=50, min_positives=20)
    result = has_enough_of_each_class(200, {"a": 100, "b": 100 - rows, "c": rows}, gates)
    assert result.passed is passed
    assert passed or f"Too rare to learn: c ({rows} rows)" in result.explanation
    assert not has_enough_of_each_class(49, {"a": 25, "b": 24}, gates).passed, "all rows together are too few"


def test_the_mean_probability_of_each_class_follows_its_share() -> None:
    y = np.repeat([0.0, 1.0, 2.0], (60, 30, 10))
    honest = np.tile([0.6, 0.3, 0.1], (100, 1))
    squashed = np.tile([0.68, 0.3, 0.02], (100, 1))
    judged = [
        predicts_the_share_of_each_class(class_reports(y, prediction, CLASSES), 100, 2.0, least)[0]
        for prediction, least in ((honest, 5), (squashed, 5), (squashed, 20), (squashed, 70))
    ]
    assert [result.passed for result in judged] == [True, False, True, False]
    assert "for c, 0.20 times as much" in judged[1].explanation
    assert "Too few rows to judge: c (10 rows)" in judged[2].explanation
    assert "No class has 70 of the 100 judged rows" in judged[3].explanation
    assert predicts_the_share_of_each_class(class_reports(y, honest, CLASSES), 100, None, 5) == []


@pytest.mark.parametrize(
    ("test", "passed"),
    [
        ({"kind": "direction", "change": {"x": "x + 0.5"}, "score": "not_lower", "of_class": "b"}, True),
        ({"kind": "direction", "change": {"x": "x + 0.5"}, "score": "not_lower", "of_class": "a"}, False),
        ({"kind": "direction", "change": {"x": "x + 0.5"}, "score": "not_higher", "of_class": "c"}, True),
        ({"kind": "invariance", "change": {"x": "x + 0.5"}, "max_change": 0.21}, True),
        ({"kind": "invariance", "change": {"x": "x + 0.5"}, "max_change": 0.19}, False),
        ({"kind": "minimum_case", "given": {"x": 0.0}, "at_least": 0.75, "of_class": "a"}, True),
        ({"kind": "minimum_case", "given": {"x": 0.0}, "at_least": 0.75, "of_class": "b"}, False),
    ],
)
def test_behaviour_is_asked_of_one_class_or_of_the_one_that_moves_farthest(test: dict[str, Any], passed: bool) -> None:
    result = judge_behaviour(behaviour(**test), ROWS, ask, classes=CLASSES)
    assert result.passed is passed, result.explanation


def test_what_one_feature_says_of_all_classes() -> None:
    y = np.repeat([0.0, 2.0], 50)
    days = np.full(100, np.datetime64("2024-01-01"))
    rows = Dataset(np.column_stack([y, y * 0.0]), y, days, None, np.arange(100), ("knows", "constant"), CLASSES)
    found = single_feature_predictions(rows, rows, TASKS["multiclass"], 0)
    assert (found["knows"].argmax(axis=1) == y).all()
    assert (found["constant"] == [0.5, 0.0, 0.5]).all(), "a class that no row has gets nothing"
    with pytest.raises(MetricError, match="training rows of one class say nothing"):
        single_feature_predictions(rows.where(y == 0.0), rows, TASKS["multiclass"], 0)
