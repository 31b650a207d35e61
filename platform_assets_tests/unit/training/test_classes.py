"""Learners of several classes: probabilities of every declared class, of rows alone as among others, and the same bytes each time."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from platform_assets.tasks.registry import make_metrics
from platform_assets.training import artifact
from platform_assets.training.artifact import read_manifest
from platform_assets.training.compare import Candidate, compare
from platform_assets.training.dataset import Dataset, DatasetError, from_frame
from platform_assets.training.fit import fit_predictor
from platform_assets.training.folds import Fold
from platform_assets.training.learners import Learner, LearnerSettingsError, TrainingError, make_learner
from platform_assets.training.learners.calibration import calibrated
from platform_assets.training.learners.ensemble import blend, stack

CLASSES = ("billing", "outage", "how to", "never", "other")
NEVER = CLASSES.index("never")
BOOSTED = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "max_iter": 5}


def several(kind: str, **settings: Any) -> Learner:
    return make_learner(kind, settings, "multiclass")


LOGISTIC = several("logistic_regression", class_weight="balanced")
TREES = several("xgboost", n_estimators=8, max_depth=3, class_weight="balanced")
LEARNERS = {
    "constant": several("constant"),
    "rule": several("rule", column=1),
    "logistic": LOGISTIC,
    "codes": several("logistic_regression", categories=[2]),
    "forest": several("random_forest", n_estimators=8, threads=1),
    "xgboost": TREES,
    "network": several("torch_mlp", max_epochs=2, hidden_units=[8], categories=[2], class_weight="balanced"),
    "estimator": several("estimator", **BOOSTED),
    "isotonic": calibrated(TREES, "isotonic"),
    "sigmoid": calibrated(LOGISTIC, "sigmoid"),
    "blend": blend([LOGISTIC, TREES], {}),
    "stack": stack([LOGISTIC, TREES], {}),
}


def rows(n: int = 300, seed: int = 0, days: int = 6) -> Dataset:
    """Four classes that the first feature tells apart, and a fifth that no row has; the third feature is a code."""
    rng = np.random.default_rng(seed)
    y = rng.choice([0.0, 1.0, 2.0, 4.0], n)
    X = np.column_stack([y + rng.normal(0, 0.4, n), rng.normal(size=n), rng.integers(0, 3, n)])
    day = np.datetime64("2024-03-01") + (np.arange(n) * days // n)
    return Dataset(X, y, day, None, np.arange(n), ("signal", "noise", "code"), CLASSES)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_declared_class_has_a_probability(name: str, tmp_path: Path) -> None:
    data = rows()
    predictor = fit_predictor(data, LEARNERS[name], seed=1)
    found = predictor.predict(data.X)
    assert found.shape == (len(data), len(CLASSES))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
    assert (found[:, NEVER] == 0.0).all(), "what no row was of is never predicted"
    alone = np.concatenate([predictor.predict(data.X[[row]]) for row in range(12)])
    np.testing.assert_allclose(alone, found[:12], atol=1e-15, rtol=0)
    digest = artifact.save(predictor, tmp_path / "model")
    loaded = artifact.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(data.X), found)
    assert (loaded.classes, loaded.trained_on) == (CLASSES, predictor.trained_on)
    assert artifact.save(fit_predictor(data, LEARNERS[name], seed=1), tmp_path / "again") == digest
    if name not in ("constant", "rule"):
        assert (found.argmax(axis=1) == data.y).mean() > (0.3 if name == "network" else 0.6)


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "network"])
def test_two_classes_in_training_are_enough(name: str) -> None:
    data = rows().where(np.isin(rows().y, (1.0, 4.0)))
    found = fit_predictor(data, LEARNERS[name], seed=0).predict(data.X)
    assert found.shape == (len(data), len(CLASSES))
    assert (found[:, [0, 2, NEVER]] == 0.0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)


def test_labels_of_one_class_are_refused_except_by_the_baseline_without_features() -> None:
    data = rows().where(rows().y == 2.0)
    found = fit_predictor(data, LEARNERS["constant"], seed=0).predict(data.X)
    np.testing.assert_array_equal(found, np.tile([0.0, 0.0, 1.0, 0.0, 0.0], (len(data), 1)))
    for name in ("logistic", "xgboost", "blend", "isotonic"):
        with pytest.raises(TrainingError, match="are of one class; two are needed to learn"):
            fit_predictor(data, LEARNERS[name], seed=0)


def one_row_of_a_class() -> Dataset:
    data = rows()
    y = data.y.copy()
    y[10] = float(NEVER)
    return Dataset(data.X, y, data.event_day, None, data.key, data.features, CLASSES)


def test_a_class_with_one_row_is_learned_or_the_learner_says_why_not() -> None:
    data = one_row_of_a_class()
    for name in ("constant", "logistic", "forest", "xgboost", "blend"):
        found = fit_predictor(data, LEARNERS[name], seed=0)
        assert found.trained_on.class_rows[NEVER] == 1
        assert (found.predict(data.X)[:, NEVER] > 0.0).any()
    for name in ("isotonic", "stack"):
        with pytest.raises(
            TrainingError, match="1 of 5 classes do not occur in the later two thirds of the training days"
        ):
            fit_predictor(data, LEARNERS[name], seed=0)


def test_a_learner_that_cannot_is_left_out_of_the_comparison_and_named() -> None:
    data = one_row_of_a_class()
    day = [str(one) for one in np.unique(data.event_day)]
    fold = Fold(0, *(np.datetime64(day[place]).astype(object) for place in (0, 3, 4, 5)))
    candidates = [Candidate(name, LEARNERS[name]) for name in ("constant", "logistic", "stack")]
    found = compare(
        data, [fold], candidates, make_metrics(["accuracy", "log_loss"], "multiclass"), 0, lambda line: None
    )
    assert found.result("stack").failure is not None
    assert "leave 'stack' out" in str(found.result("stack").failure)
    assert found.result("logistic").mean("accuracy") > found.result("constant").mean("accuracy")
    assert found.latest_predictions["logistic"].shape == (len(found.latest_rows), len(CLASSES))


def test_balanced_weights_raise_the_rare_class() -> None:
    data = rows(n=600)
    rare = data.where((data.y != 4.0) | (np.arange(600) % 10 == 0))
    for kind, settings in (
        ("logistic_regression", {"C": 0.05}),
        ("xgboost", {"n_estimators": 4, "max_depth": 2}),
        ("random_forest", {"n_estimators": 8, "max_depth": 2, "threads": 1}),
    ):
        plain, balanced = (
            fit_predictor(rare, several(kind, class_weight=weight, **settings), seed=0).predict(rare.X)[:, 4].mean()
            for weight in ("none", "balanced")
        )
        assert balanced > plain, kind


@pytest.mark.parametrize("kind", ["ridge", "single_feature", "last_value"])
def test_what_predicts_values_only_is_refused(kind: str) -> None:
    with pytest.raises(LearnerSettingsError, match=r"task 'multiclass' is not one of (binary, )?regression"):
        several(kind)
    with pytest.raises(LearnerSettingsError, match="has no predict_proba, which a multiclass task needs"):
        several("estimator", estimator="sklearn.linear_model.RidgeClassifier")


def test_labels_become_places_of_declared_classes() -> None:
    frame = pl.DataFrame(
        {
            "day": [date(2024, 3, 1)] * 3,
            "key": [1, 2, 3],
            "x": [1.0, 2.0, 3.0],
            "queue": ["other", "how to", "billing"],
        }
    )
    data = from_frame(frame, ["x"], "queue", None, "key", "day", CLASSES)
    assert (data.y.tolist(), data.classes) == ([4.0, 2.0, 0.0], CLASSES)
    codes = from_frame(
        frame.with_columns(queue=pl.Series([30, 10, 20])), ["x"], "queue", None, "key", "day", ("10", "20", "30")
    )
    assert codes.y.tolist() == [2.0, 0.0, 1.0]
    with pytest.raises(
        DatasetError, match=r"1 of 3 rows are of no declared class \(how to\); the classes are billing, other"
    ):
        from_frame(frame, ["x"], "queue", None, "key", "day", ("billing", "other"))
    unknown = frame.with_columns(queue=pl.Series(["other", None, "billing"]))
    with pytest.raises(DatasetError, match="1 of 3 rows are null"):
        from_frame(unknown, ["x"], "queue", None, "key", "day", CLASSES)


def test_models_of_other_tasks_say_nothing_of_classes(tmp_path: Path) -> None:
    """Their manifests, and so their digests, are those of before there were classes."""
    data = rows()
    binary = Dataset(data.X, (data.y > 1.0).astype(float), data.event_day, None, data.key, data.features)
    artifact.save(fit_predictor(binary, make_learner("logistic_regression"), seed=0), tmp_path / "model")
    manifest = read_manifest(tmp_path / "model")
    assert "classes" not in manifest
    assert set(manifest["trained_on"]) == {"first_day", "last_day", "rows", "label_mean"}
