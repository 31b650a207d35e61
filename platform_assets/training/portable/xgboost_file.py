"""A boosted model as one file of xgboost's own JSON, with what our service does to a row folded into its trees.

Belongs here: that file, and its scores by xgboost. Does not belong here: fitting and our own format (`learners/boosting.py`).

Servers that read xgboost's files know nothing of our imputation, clipping and chosen inputs. All three can be said in the trees
themselves: a missing value takes the way that its replacement would take; a test beyond a feature's bounds always comes out the same;
and a column among the model's own inputs is one among all features. So the file scores whole rows, with missing values, as we do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from platform_assets.training.learners.base import Matrix
from platform_assets.training.learners.trees import booster_document
from platform_assets.training.portable.errors import NotPortable
from platform_assets.training.predictor import Predictor

_ALWAYS, _NEVER = float(np.finfo(np.float32).max), float(np.finfo(np.float32).min)
"""Splits that every value below, or none, passes: JSON has no infinity."""


def write_xgboost(predictor: Predictor, path: Path) -> None:
    """Write a boosted model as xgboost's JSON: rows of all features, NaN is missing, to our scores.

    The same model gives the same bytes.

    Raises:
        NotPortable: the model is none of xgboost alone, or misses one of the declared classes.
    """
    booster, columns = _booster(predictor)
    if predictor.classes and 0 in predictor.trained_on.class_rows:
        raise NotPortable("a class without a training row is in no tree: its probability of 0 has no place in the file")
    document = booster_document(booster)
    learner = document["learner"]
    learner["learner_model_param"]["num_feature"] = str(len(predictor.features))
    learner["feature_names"], learner["feature_types"] = [], []
    for tree in learner["gradient_booster"]["model"]["trees"]:
        _fold(tree, predictor, columns)
    path.write_text(json.dumps(document, sort_keys=True) + "\n", encoding="utf-8")


def xgboost_scores(path: Path, X: Matrix) -> Matrix:
    """What xgboost answers from a file of `write_xgboost`: float64 [n, 1] or [n, K]."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(path)
    booster.set_param({"nthread": 1})
    scores = np.asarray(booster.predict(xgboost.DMatrix(X.astype(np.float32), nthread=1)), dtype=np.float64)
    return scores.reshape(len(X), -1)


def _booster(predictor: Predictor) -> tuple[Any, tuple[int, ...]]:
    """xgboost's own model, and the place of each of its inputs among all features."""
    learner, fitted = predictor.learner, predictor.fitted
    columns = tuple(range(len(predictor.features)))
    if learner == "narrowed":
        narrowed: Any = fitted
        learner, fitted, columns = narrowed.member.kind, narrowed.member.fitted, narrowed.columns
    if learner != "xgboost":
        raise NotPortable(f"a model of learner {learner!r} is no file of xgboost; ONNX is another way")
    boosted: Any = fitted
    return boosted.booster, columns


def _fold(tree: dict[str, Any], predictor: Predictor, columns: tuple[int, ...]) -> None:
    """Say in one tree which way missing values take, and which tests a clipped value cannot change."""
    tree["tree_param"]["num_feature"] = str(len(predictor.features))
    imputation = predictor.imputation
    for node, left in enumerate(tree["left_children"]):
        if left < 0:
            continue
        feature = columns[tree["split_indices"][node]]
        tree["split_indices"][node] = feature
        split = np.float32(tree["split_conditions"][node])
        tree["default_left"][node] = int(np.float32(imputation.values[feature]) < split)
        if imputation.bounds is not None:
            least, most = imputation.bounds[:, feature].astype(np.float32)
            if least >= split:
                tree["split_conditions"][node] = _NEVER
            elif most < split:
                tree["split_conditions"][node] = _ALWAYS
