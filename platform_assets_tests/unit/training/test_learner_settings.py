"""Settings of learners: what is wrong is named, with what would be right."""

from typing import Any

import numpy as np
import pytest

from platform_assets.training.learners import BY_NAME_ALONE, LEARNERS, LearnerSettingsError, TrainingError, make_learner
from platform_assets.training.predictor import ImputationError, fit_imputation


@pytest.mark.parametrize(
    ("name", "settings", "task", "message"),
    [
        ("xgbost", {}, "binary", "learner 'xgbost' does not exist; the learners are constant, .*xgboost"),
        (
            "xgboost",
            {"trees": 9},
            "binary",
            "'xgboost': unknown setting 'trees'; its settings are: n_estimators, max_depth",
        ),
        ("constant", {"value": 1}, "binary", "'constant': unknown setting 'value'; its settings are: none"),
        ("xgboost", {"subsample": 1.5}, "binary", "setting 'subsample' is 1.5; it must be a number from 0.001 to 1"),
        ("xgboost", {"n_estimators": 1.5}, "binary", "it must be a whole number from 1 to 20000"),
        ("xgboost", {"max_depth": True}, "binary", "setting 'max_depth' is True"),
        ("random_forest", {"max_depth": "deep"}, "binary", "a whole number of at least 1, or null"),
        ("random_forest", {"max_features": "all"}, "binary", "it must be one of sqrt, log2"),
        ("torch_mlp", {"hidden_units": 64}, "binary", "it must be a list of whole numbers from 1 to 4096"),
        ("torch_mlp", {"hidden_units": [64, 0]}, "binary", "it must be a list of whole numbers from 1 to 4096"),
        ("torch_mlp", {"learning_rate": float("nan")}, "binary", "setting 'learning_rate' is nan"),
        ("logistic_regression", {}, "regression", "task 'regression' is not one of binary"),
        ("ridge", {}, "ranking", "task 'ranking' is not one of regression"),
    ],
)
def test_a_wrong_setting_is_refused(name: str, settings: dict[str, Any], task: str, message: str) -> None:
    with pytest.raises(LearnerSettingsError, match=message):
        make_learner(name, settings, task)


def test_settings_are_complete_and_have_their_own_type() -> None:
    learner = make_learner("random_forest", {"max_depth": None, "max_samples": 1})
    assert set(learner.settings) == set(LEARNERS["random_forest"].settings)
    assert learner.settings["max_depth"] is None
    assert isinstance(learner.settings["max_samples"], float)
    assert make_learner("torch_mlp", {"hidden_units": [8, 4]}).settings["hidden_units"] == (8, 4)


@pytest.mark.parametrize(
    "name", [name for name in BY_NAME_ALONE if "binary" in LEARNERS[name].objectives and name != "constant"]
)
def test_labels_of_one_class_are_refused_by_every_learner(name: str) -> None:
    with pytest.raises(TrainingError, match="all 5 training labels are 0; both classes are needed"):
        make_learner(name).fit(np.zeros((5, 2)), np.zeros(5), seed=0)


def test_labels_that_are_no_classes_and_missing_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 of 3 labels are neither 0 nor 1"):
        make_learner("constant").fit(np.zeros((3, 1)), np.array([0.0, 2.0, 0.5]), seed=0)
    with pytest.raises(TrainingError, match="there are no training rows"):
        make_learner("constant").fit(np.zeros((0, 1)), np.zeros(0), seed=0)


def test_what_a_missing_value_becomes_is_learned_from_the_rows_or_declared() -> None:
    X = np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.nan], [8.0, 6.0, np.nan]])
    imputation = fit_imputation(X, ["a", "b", "c"], {"b": "mean", "c": -1})
    assert imputation.values.tolist() == [3.0, 5.0, -1.0]
    assert imputation.filled(np.array([[np.nan, np.nan, np.nan]])).tolist() == [[3.0, 5.0, -1.0]]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({}, "feature 'c': all 2 training rows are null, so it has no median"),
        ({"c": "mode"}, "feature 'c': imputation is 'mode'; it must be median, mean or a number"),
        ({"c": float("inf")}, "the number must be finite"),
        ({"d": 0.0}, r"features the model does not have: \['d'\]"),
    ],
)
def test_an_imputation_that_cannot_be_is_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ImputationError, match=message):
        fit_imputation(np.array([[1.0, np.nan], [2.0, np.nan]]), ["a", "c"], declared)
