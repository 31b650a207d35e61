"""The learner that hands one feature on: a baseline of series, and how the score of another model is watched."""

from pathlib import Path

import numpy as np
import pytest

from platform_assets.training.learners import TrainingError, learner_kind, make_learner

X = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
Y = np.array([9.0, 21.0, 33.0])


def test_it_predicts_the_column_and_nothing_else() -> None:
    model = make_learner("single_feature", {"column": 1}, "regression").fit(X, Y, seed=0)
    np.testing.assert_array_equal(model.predict(X), X[:, 1])


def test_it_reads_back_what_it_wrote(tmp_path: Path) -> None:
    model = make_learner("single_feature", {"column": 1}, "regression").fit(X, Y, seed=0)
    assert model.save(tmp_path) == ("single_feature.json",)
    np.testing.assert_array_equal(learner_kind("single_feature").load(tmp_path).predict(X), X[:, 1])


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrainingError, match="column 2 of 2 inputs"):
        make_learner("single_feature", {"column": 2}, "regression").fit(X, Y, seed=0)


def test_a_score_is_a_probability_in_its_range(tmp_path: Path) -> None:
    labels = np.array([0.0, 1.0, 1.0])
    model = make_learner("single_feature", {"column": 1, "highest": 40.0}).fit(X, labels, seed=0)
    model.save(tmp_path)
    read = learner_kind("single_feature").load(tmp_path)
    np.testing.assert_array_equal(read.predict(np.array([[0.0, -5.0], [0.0, 10.0], [0.0, 50.0]])), [0.0, 0.25, 1.0])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "3 of 3 scores lie outside of 0 .. 1, from 10 to 30"),
        ({"lowest": 50.0, "highest": 50.0}, "has to lie below"),
    ],
)
def test_a_score_outside_of_its_range_is_refused(settings: dict[str, float], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        make_learner("single_feature", {"column": 1, **settings}).fit(X, np.array([0.0, 1.0, 1.0]), seed=0)
