"""Trees walked by machine code answer what their library answers, to the bit, or are not asked."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.training.learners import compiled_trees, make_learner
from platform_assets.training.learners.base import Matrix, Objective, Vector
from platform_assets.training.learners.booster_file import BoosterFileError, read_booster_file
from platform_assets.training.learners.boosting import BoostedModel
from platform_assets.training.learners.compiled_trees import (
    FEW_ROWS,
    FewRows,
    compiled_booster,
    compiled_document,
    compiled_forest,
)
from platform_assets.training.learners.trees import booster_document, booster_trees

ROWS, INPUTS = 4_000, 8
SMALL = {"xgboost": {"n_estimators": 40, "max_depth": 6}, "random_forest": {"n_estimators": 15, "max_depth": None}}
OBJECTIVES: tuple[Objective, ...] = ("binary", "multiclass", "regression")


def rows() -> Matrix:
    random = np.random.default_rng(3)
    X = random.normal(size=(ROWS, INPUTS)) * 10.0 ** np.arange(-4, INPUTS - 4)
    X[:, 5] = random.integers(0, 6, ROWS)
    X[random.random(ROWS) < 0.3, 6] = 0.0
    return X


def labels(objective: str) -> Vector:
    X = rows()
    value = X[:, 4] + (X[:, 5] == 2) + np.random.default_rng(4).normal(0, 0.5, ROWS)
    if objective == "regression":
        return 50 * value
    return np.asarray(np.digitize(value, [-1, 1]) if objective == "multiclass" else value > 0, dtype=np.float64)


def edges(X: Matrix) -> Matrix:
    """Missing values, values beyond single precision, and values that single precision makes 0."""
    random, hard = np.random.default_rng(5), X.copy()
    for value in (np.nan, 1e39, -1e39, 1e-46, -0.0, 16_777_217.0):
        hard[random.random(hard.shape) < 0.03] = value
    return hard


def in_few(model: Any, X: Matrix) -> Vector:
    return np.concatenate([model.predict(X[start : start + FEW_ROWS]) for start in range(0, len(X), FEW_ROWS)])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", SMALL)
def test_few_rows_are_answered_as_many_are_to_the_bit(kind: str, objective: Objective) -> None:
    X = rows()
    model: Any = make_learner(kind, SMALL[kind], objective).fit(X, labels(objective), 0)
    asked = edges(X) if kind == "xgboost" else X
    assert np.array_equal(in_few(model, asked), model.predict(asked))
    assert model._few_rows._trees is not None, "the library answered both"
    assert np.array_equal(model.predict(asked[:1]), model.predict(asked)[:1])


def small_booster(**parameters: Any) -> Any:
    import xgboost

    X, y = rows()[:300], labels("binary")[:300]
    given = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, **parameters}
    return xgboost.train(given, xgboost.DMatrix(X, label=y), num_boost_round=5)


def test_a_first_guess_and_trees_without_a_split_count_as_in_the_library() -> None:
    guesses = [{"base_score": guess} for guess in (0.003, 0.07, 0.31, 0.5, 0.77, 0.999)]
    for parameters in (*guesses, {"gamma": 1e9}, {"objective": "reg:squarederror", "base_score": 3.3}):
        booster = small_booster(**parameters)
        model, X = BoostedModel(booster), edges(rows())
        assert np.array_equal(in_few(model, X), model.predict(X)), parameters
        assert model._few_rows._trees is not None
        stepped = compiled_document(booster_document(booster), compiled=False)
        assert stepped is not None
        assert np.array_equal(stepped.predict(X), model.predict(X)), parameters


def test_models_that_are_not_known_here_stay_with_their_library(caplog: pytest.LogCaptureFixture) -> None:
    for parameters in ({"booster": "dart"}, {"objective": "count:poisson"}):
        booster = small_booster(**parameters)
        assert compiled_booster(booster) is None
        model = BoostedModel(booster)
        assert np.array_equal(in_few(model, rows()[:200]), model.predict(rows()[:200]))
    assert not caplog.records


def test_trees_that_answer_otherwise_are_not_used_and_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    booster = small_booster()
    document = compiled_trees.booster_document(booster)
    [split, *_] = document["learner"]["gradient_booster"]["model"]["trees"][2]["split_conditions"]
    trees = document["learner"]["gradient_booster"]["model"]["trees"][2]
    trees["split_conditions"][0] = float(np.nextafter(np.float32(split), np.float32(np.inf)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_trees, "booster_document", lambda _booster: document)
        model = BoostedModel(booster)
        with caplog.at_level(logging.ERROR):
            few = in_few(model, rows())
    assert np.array_equal(few, model.predict(rows()))
    assert "rows otherwise than xgboost does" in caplog.text
    assert len(caplog.records) == 1, "once, not at each request"


def test_without_a_compiler_the_library_answers(caplog: pytest.LogCaptureFixture) -> None:
    model: Any = make_learner("random_forest", {"n_estimators": 3}, "binary").fit(rows(), labels("binary"), 0)

    def absent() -> Any:
        raise ImportError("No module named 'numba'")

    few = FewRows(absent, model._by_library, "scikit-learn")
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(few.predict(rows()[:3]), model.predict(rows()[:3]))
        few.predict(rows()[:3])
    [record] = caplog.records
    assert "takes longer: No module named 'numba'" in record.message


def test_the_rows_of_the_check_lie_on_and_beside_the_splits() -> None:
    model: Any = make_learner("random_forest", {"n_estimators": 3}, "binary").fit(rows(), labels("binary"), 0)
    trees = compiled_forest(model.estimator)
    assert trees is not None
    probes = trees.probes()
    splits = np.concatenate([one.tree_.threshold[one.tree_.children_left >= 0] for one in model.estimator.estimators_])
    assert probes.shape == (compiled_trees.PROBES, INPUTS)
    assert np.isin(probes.astype(np.float32), splits.astype(np.float32)).mean() > 0.2
    assert not np.isnan(probes).any()


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_a_booster_is_read_from_its_file_without_its_library(objective: str, tmp_path: Path) -> None:
    X = rows()
    made = make_learner("xgboost", {"n_estimators": 5, "max_depth": 3}, objective).fit(X, labels(objective), 0)
    assert isinstance(made, BoostedModel)
    made.save(tmp_path)
    content = (tmp_path / "booster.ubj").read_bytes()
    theirs, ours = booster_document(made.booster), read_booster_file(content)
    for one, other in zip(booster_trees(theirs), booster_trees(ours), strict=True):
        assert all(
            np.array_equal(getattr(one, name), getattr(other, name)) for name in ("left", "right", "feature", "split")
        )
    believed = BoostedModel(content=content)
    believed.answer_a_few()
    few = edges(X)[: 20 * FEW_ROWS]
    assert np.array_equal(in_few(believed, few), made.predict(few))
    assert believed._booster is None, "the library was not asked"
    with pytest.raises(BoosterFileError, match="no xgboost model"):
        read_booster_file(content[:-7])
