"""A model written as ONNX or as xgboost's JSON scores there as here, row by row, missing and clipped values included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_assets.training.learners import LEARNERS, Learner, make_learner
from platform_assets.training.learners.base import Matrix, Objective, Vector
from platform_assets.training.learners.calibration import calibrated
from platform_assets.training.learners.narrowed import narrowed
from platform_assets.training.learners.registry import made_of
from platform_assets.training.portable import NotPortable, onnx_scores, write_onnx, write_xgboost, xgboost_scores
from platform_assets.training.predictor import Clipped, Predictor, TrainedOn, fit_imputation

NAMES = ("amount", "age", "distance", "count", "ratio", "code")
ROWS = 700
SMALL: Mapping[str, Mapping[str, Any]] = {
    "xgboost": {"n_estimators": 30},
    "random_forest": {"n_estimators": 12, "max_depth": 6},
    "torch_mlp": {"categories": (5,)},
    "logistic_regression": {"categories": (5,)},
    "ridge": {"categories": (5,)},
    "single_feature": {"column": 1, "lowest": -40.0, "highest": 40.0},
    "rule": {"column": 2, "threshold": 3.0},
    "last_value": {"column": 5},
}


def rows() -> Matrix:
    random = np.random.default_rng(1)
    X = random.normal(size=(ROWS, len(NAMES))) * np.array([1, 10, 100, 1, 1, 1])
    X[:, 5] = random.integers(0, 5, ROWS)
    X[random.random(X.shape) < 0.1] = np.nan
    return X


def labels(X: Matrix, objective: str) -> Vector:
    value = X[:, 0] + X[:, 1] / 10 + (X[:, 5] == 2) + np.random.default_rng(2).normal(0, 0.3, len(X))
    if objective == "regression":
        return 50 * value
    return np.asarray(np.digitize(value, [-1, 1]) if objective == "multiclass" else value > 0, dtype=np.float64)


def fitted(learner: Learner, class_rows: tuple[int, ...] = (1, 1, 1)) -> Predictor:
    X, objective = rows(), learner.objective
    imputation = fit_imputation(
        X, NAMES, {"amount": Clipped("mean", 0.05, 0.95), "age": -3.0, "distance": Clipped(0.0, 0.2, 0.6)}
    )
    filled = imputation.filled(X)
    days = np.datetime64("2026-01-01") + np.arange(ROWS) // 70
    classes = tuple("abcdef"[: len(class_rows)]) if objective == "multiclass" else ()
    return Predictor(
        learner=learner.name,
        settings=learner.settings,
        objective=objective,
        features=NAMES,
        imputation=imputation,
        seed=0,
        trained_on=TrainedOn("2026-01-01", "2026-01-10", ROWS, 0.5, class_rows if classes else ()),
        fitted=learner.fit(filled, labels(filled, objective), 0, days),
        classes=classes,
    )


def simple(kind: str, objective: Objective) -> Learner:
    return make_learner(kind, SMALL.get(kind, {}), objective)


def learners() -> list[Any]:
    objectives: tuple[Objective, ...] = ("binary", "multiclass", "regression")
    found = []
    for objective in objectives:
        kinds = [kind for kind in ("constant", *SMALL) if objective in LEARNERS[kind].objectives]
        found += [(f"{objective} {kind}", simple(kind, objective)) for kind in kinds]
        found.append((f"{objective} narrowed", narrowed(simple("xgboost", objective), (1, 0, 5))))
        members = [simple("random_forest", objective), simple("xgboost", objective)]
        found += [(f"{objective} {kind}", made_of(kind, members, {})) for kind in ("blend", "stack")]
        if objective != "regression":
            found.append((f"{objective} sigmoid", calibrated(simple("xgboost", objective), "sigmoid")))
            found.append((f"{objective} isotonic", calibrated(simple("random_forest", objective), "isotonic")))
    return [pytest.param(learner, id=name) for name, learner in found]


def difference(scores: Matrix, predictor: Predictor) -> float:
    own = predictor.predict(rows()).reshape(ROWS, -1)
    assert scores.shape == own.shape
    return float(np.abs(scores - own).max() / max(1.0, np.abs(own).max()))


@pytest.mark.parametrize("learner", learners())
def test_onnx_runtime_scores_as_the_model_does(learner: Learner, tmp_path: Path) -> None:
    predictor = fitted(learner)
    write_onnx(predictor, tmp_path / "a.onnx")
    write_onnx(predictor, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert difference(onnx_scores(tmp_path / "a.onnx", rows()), predictor) < 1e-6


def test_a_class_without_a_training_row_has_no_probability_there_either(tmp_path: Path) -> None:
    predictor = fitted(simple("random_forest", "multiclass"), class_rows=(5, 0, 5, 5))
    write_onnx(predictor, tmp_path / "model.onnx")
    scores = onnx_scores(tmp_path / "model.onnx", rows())
    assert not scores[:, 1].any()
    assert difference(scores, predictor) < 1e-6
    with pytest.raises(NotPortable, match="a class without a training row"):
        write_xgboost(fitted(simple("xgboost", "multiclass"), (5, 0, 5, 5)), tmp_path / "model.json")


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("columns", [None, (1, 0, 5)])
def test_xgboost_and_treelite_score_its_file_as_the_model_does(
    objective: Objective, columns: tuple[int, ...] | None, tmp_path: Path
) -> None:
    import treelite

    learner = simple("xgboost", objective)
    predictor = fitted(learner if columns is None else narrowed(learner, columns))
    path = tmp_path / "model.json"
    write_xgboost(predictor, path)
    assert difference(xgboost_scores(path, rows()), predictor) < 1e-7
    model = treelite.frontend.load_xgboost_model(path, format_choice="json")
    scores = np.asarray(treelite.gtil.predict(model, rows().astype(np.float32)), dtype=np.float64)
    assert difference(scores.reshape(ROWS, -1), predictor) < 1e-6


def test_the_trees_alone_would_score_missing_and_clipped_values_otherwise(tmp_path: Path) -> None:
    predictor = fitted(simple("xgboost", "binary"))
    bare: Any = predictor.fitted
    bare.booster.save_model(tmp_path / "model.json")
    assert difference(xgboost_scores(tmp_path / "model.json", rows()), predictor) > 0.01


def test_what_cannot_be_written_says_what_can(tmp_path: Path) -> None:
    settings = {"estimator": "sklearn.naive_bayes.GaussianNB"}
    with pytest.raises(NotPortable, match=r"'estimator' cannot be written in ONNX; constant, .* `--features service`"):
        write_onnx(fitted(make_learner("estimator", settings)), tmp_path / "model.onnx")
    with pytest.raises(NotPortable, match="'ridge' is no file of xgboost"):
        write_xgboost(fitted(simple("ridge", "regression")), tmp_path / "model.json")
