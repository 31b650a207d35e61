"""Answers of boosters and forests as sums over their inputs.

Belongs here: from a library's model and a row to trees, ways and covers, and from these to the sum. Does not belong here: Shapley values
(`tree_shapley.py`), predicting (`compiled_trees.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from platform_assets.training.learners.additive import OUTPUT, AdditiveAnswer
from platform_assets.training.learners.base import Vector
from platform_assets.training.learners.tree_shapley import METHOD, tree_values
from platform_assets.training.learners.trees import Tree, booster_trees

_LINKS = {
    "binary:logistic": ("log-odds", "sigmoid in single precision"),
    "multi:softprob": ("score of the class", "softmax over the classes in single precision"),
    "reg:squarederror": (OUTPUT, ""),
}


def booster_answer(document: Mapping[str, Any], row: Vector, output: int) -> AdditiveAnswer | None:
    """What an xgboost model adds up for a row; None of one with other trees than those known here.

    xgboost adds leaves in single precision: what that changes is the rounding.

    Args:
        document: the model as xgboost's JSON says it.
        row: float64 [f].
        output: of several classes, which; 0 else.
    """
    learner = document["learner"]
    gradient = learner["gradient_booster"]
    objective, model = learner["objective"]["name"], gradient.get("model", {})
    if gradient.get("name") != "gbtree" or objective not in _LINKS or not model.get("trees"):
        return None
    if any(any(tree["split_type"]) for tree in model["trees"]):
        return None
    chosen = [place for place, target in enumerate(model["tree_info"]) if target == output]
    every = booster_trees(dict(document))
    trees = [every[place] for place in chosen]
    covers = [np.array(model["trees"][place]["sum_hessian"], dtype=np.float64) for place in chosen]
    single = row.astype(np.float32).astype(np.float64)
    values = tree_values(trees, covers, [single[tree.feature] < tree.split for tree in trees], len(row))
    first = _first_guess(learner["learner_model_param"]["base_score"], objective, output)
    total = np.float32(first)
    for leaf in values.reached.astype(np.float32):
        total = np.float32(total + leaf)
    space, onward = _LINKS[objective]
    base = first + values.base
    return AdditiveAnswer(
        method=METHOD,
        exact=True,
        space=space,
        base=base,
        contributions=values.contributions,
        rounding=float(total) - (first + math.fsum(values.reached)),
        total=float(total),
        onward=onward,
    )


def forest_answer(estimator: Any, row: Vector, output: int) -> AdditiveAnswer:
    """What a scikit-learn forest adds up for a row: the mean of its trees.

    Args:
        estimator: scikit-learn's own.
        row: float64 [f].
        output: of more than two classes, which; 0 else.
    """
    many = hasattr(estimator, "classes_") and len(estimator.classes_) > 2
    target = output if many else -1
    grown = [one.tree_ for one in estimator.estimators_]
    trees = [
        Tree(one.children_left, one.children_right, one.feature, one.threshold, one.value[:, 0, target])
        for one in grown
    ]
    covers = [np.asarray(one.weighted_n_node_samples, dtype=np.float64) for one in grown]
    single = row.astype(np.float32).astype(np.float64)
    values = tree_values(trees, covers, [single[np.maximum(t.feature, 0)] <= t.split for t in trees], len(row))
    total = 0.0
    for leaf in values.reached.tolist():
        total += leaf
    count = len(trees)
    contributions = values.contributions / count
    return AdditiveAnswer(
        method=METHOD,
        exact=True,
        space=OUTPUT,
        base=values.base / count,
        contributions=contributions,
        rounding=total / count - math.fsum(values.reached) / count,
        total=total / count,
    )


def _first_guess(text: str, objective: str, output: int) -> float:
    """What xgboost begins its sum with: of a probability the log-odds."""
    guesses = np.atleast_1d(np.array(json.loads(text), dtype=np.float32))
    guess = np.float32(guesses[min(output, len(guesses) - 1)])
    if objective == "binary:logistic":
        return float(np.float32(-math.log(float(np.float32(np.float32(1.0) / guess - np.float32(1.0))))))
    return float(guess)
