"""A model's recipe makes the same model again, also where it is made of others, with settings that a search found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration.sections.training import Training
from platform_assets.evaluation.recipe import fit_again, joined_learner, recipe_of, training_rows_of, with_features
from platform_assets.training import artifact
from platform_assets.training.candidates import declared_candidates
from platform_assets.training.dataset import Dataset, DatasetError
from platform_assets.training.fit import fit_predictor

FEATURES = ("a", "b")
LEARNERS = [
    {"name": "constant", "kind": "constant", "baseline": True},
    {"name": "linear", "kind": "logistic_regression"},
    {"name": "trees", "kind": "xgboost", "settings": {"n_estimators": 5}},
    {"name": "mapped", "kind": "xgboost", "calibrate": "sigmoid", "settings": {"n_estimators": 5}},
    {"name": "both", "kind": "blend", "of": ["linear", "trees"]},
]


def training() -> Training:
    declared: dict[str, Any] = {"task": "binary", "learners": LEARNERS, "metrics": ["auc_roc"], "select_by": "auc_roc"}
    return Training.model_validate(declared)


def rows() -> Dataset:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    y = (rng.random(600) < 1 / (1 + np.exp(-2 * X[:, 0]))).astype(np.float64)
    days = np.datetime64("2024-06-01") + np.arange(600) // 100
    return Dataset(X, y, days, None, np.arange(600), FEATURES)


@pytest.mark.parametrize("name", ["linear", "trees", "mapped", "both"])
def test_a_model_read_from_its_folder_is_made_again_to_the_byte(name: str, tmp_path: Path) -> None:
    candidate = next(item for item in declared_candidates(training(), FEATURES) if item.name == name)
    first = fit_predictor(rows(), candidate.learner, 0)
    digest = artifact.save(first, tmp_path / "model")
    loaded = artifact.load(tmp_path / "model")
    recipe = recipe_of(loaded, joined_learner(training(), FEATURES, name, {}))
    again = fit_again(recipe, rows(), loaded)
    assert (again.digest, again.largest_difference) == (digest, 0.0)


def test_a_search_of_a_member_is_part_of_the_recipe() -> None:
    learner = joined_learner(training(), FEATURES, "both", {"trees": {"n_estimators": 9}})
    assert learner is not None
    assert [dict(member.settings).get("n_estimators") for member in learner.members] == [None, 9]  # type: ignore[attr-defined]
    assert joined_learner(training(), FEATURES, "linear", {}) is None
    assert joined_learner(training(), FEATURES, "unknown", {}) is None


def test_rows_that_are_not_the_ones_it_was_fitted_on_are_noticed() -> None:
    [_, linear, *_] = declared_candidates(training(), FEATURES)
    predictor = fit_predictor(rows(), linear.learner, 0)
    assert training_rows_of(predictor, rows()) is not None
    assert training_rows_of(predictor, rows().where(np.arange(600) > 0)) is None, "a row less"
    assert training_rows_of(predictor, rows().where(np.arange(600) >= 100)) is None, "a day less"


def test_features_are_put_in_the_models_order() -> None:
    turned = with_features(rows(), ("b", "a"))
    np.testing.assert_array_equal(turned.X, rows().X[:, ::-1])
    with pytest.raises(DatasetError, match="has no features c"):
        with_features(rows(), ("a", "c"))
