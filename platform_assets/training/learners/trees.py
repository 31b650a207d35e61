"""The trees of fitted boosters and forests as arrays.

Belongs here: reading them out of xgboost's and scikit-learn's models. Does not belong here: predicting with them (`compiled_trees.py`),
writing them in another format (`training/portable`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree; a node whose `left` is negative is a leaf.

    Attributes:
        left: place of the child where the test holds.
        right: of the other one.
        feature: column that is tested.
        split: what it is tested against.
        value: of a leaf.
        target: column of the sum that its leaves are added to.
    """

    left: NDArray[Any]
    right: NDArray[Any]
    feature: NDArray[Any]
    split: NDArray[Any]
    value: NDArray[Any]
    target: int = 0


def booster_document(booster: Any) -> dict[str, Any]:
    """An xgboost model as xgboost's own JSON says it."""
    document: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
    return document


def booster_trees(document: dict[str, Any]) -> list[Tree]:
    """The trees of an xgboost model."""
    model = document["learner"]["gradient_booster"]["model"]
    return [
        Tree(
            left=np.array(tree["left_children"]),
            right=np.array(tree["right_children"]),
            feature=np.array(tree["split_indices"]),
            split=np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64),
            value=np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64),
            target=target,
        )
        for tree, target in zip(model["trees"], model["tree_info"], strict=True)
    ]


def forest_trees(estimator: Any) -> list[Tree]:
    """The trees of a scikit-learn forest, once for each class where there are more than two."""
    many = hasattr(estimator, "classes_") and len(estimator.classes_) > 2
    targets: Sequence[int] = range(len(estimator.classes_)) if many else (-1,)
    found = []
    for target in targets:
        for one in estimator.estimators_:
            tree = one.tree_
            value = tree.value[:, 0, target]
            found.append(
                Tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, value, max(target, 0))
            )
    return found
