"""Decision trees as one ONNX node.

Belongs here: the trees of a forest and of a booster as arrays, and the node. Does not belong here: links (`learners.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.portable.graph import TREES_DOMAIN, OnnxGraph

AT_MOST, BELOW = 0, 1
"""ONNX's codes for the tests of a node: value <= split, value < split."""
_SUM, _NO_TRANSFORM = 1, 0


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


def tree_sums(graph: OnnxGraph, value: str, trees: Sequence[Tree], test: int, targets: int) -> str:
    """The sum of the leaves that each row reaches, float64 [n, targets]; values are compared in single precision, as both libraries do.

    Args:
        graph: to add to.
        value: float64 [n, f].
        trees: at least one.
        test: `AT_MOST` or `BELOW`.
        targets: columns of the sum.
    """
    from onnx import TensorProto, numpy_helper

    single = graph.add("Cast", value, to=TensorProto.FLOAT)
    double = graph.add("Cast", single, to=TensorProto.DOUBLE)
    attributes = _attributes(trees)
    nodes = len(attributes["nodes_featureids"])
    attributes["nodes_modes"] = numpy_helper.from_array(np.full(nodes, test, dtype=np.uint8), "nodes_modes")
    for name in ("nodes_splits", "leaf_weights"):
        attributes[name] = numpy_helper.from_array(np.array(attributes[name], dtype=np.float64), name)
    return graph.add(
        "TreeEnsemble",
        double,
        domain=TREES_DOMAIN,
        n_targets=targets,
        aggregate_function=_SUM,
        post_transform=_NO_TRANSFORM,
        **attributes,
    )


def _attributes(trees: Sequence[Tree]) -> dict[str, Any]:
    """The lists of the node: tests and leaves are counted apart."""
    names = ("nodes_featureids", "nodes_splits", "nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids")
    lists: dict[str, list[Any]] = {name: [] for name in (*names, "nodes_falseleafs", "leaf_targetids", "leaf_weights")}
    lists["tree_roots"] = []
    for tree in trees:
        leaf = tree.left < 0
        tests, leaves = len(lists["nodes_featureids"]), len(lists["leaf_weights"])
        place = np.where(leaf, leaves + np.cumsum(leaf) - 1, tests + np.cumsum(~leaf) - 1)
        lists["tree_roots"].append(tests)
        lists["leaf_weights"] += tree.value[leaf].tolist()
        lists["leaf_targetids"] += [tree.target] * int(leaf.sum())
        if leaf[0]:  # a tree without a test gets one whose outcome is the same either way
            tests_of_tree = (
                np.zeros(1, dtype=np.int64),
                np.zeros(1),
                np.zeros(1, dtype=np.int64),
                np.zeros(1, dtype=np.int64),
            )
        else:
            own = np.flatnonzero(~leaf)
            tests_of_tree = (tree.feature[own], tree.split[own], tree.left[own], tree.right[own])
        feature, split, left, right = tests_of_tree
        lists["nodes_featureids"] += feature.tolist()
        lists["nodes_splits"] += split.tolist()
        lists["nodes_truenodeids"] += place[left].tolist()
        lists["nodes_trueleafs"] += leaf[left].astype(int).tolist()
        lists["nodes_falsenodeids"] += place[right].tolist()
        lists["nodes_falseleafs"] += leaf[right].astype(int).tolist()
    return lists
