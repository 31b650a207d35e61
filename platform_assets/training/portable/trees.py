"""Decision trees as one ONNX node.

Belongs here: the node. Does not belong here: reading trees out of a model (`training/learners/trees.py`), links (`learners.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from platform_assets.training.learners.trees import Tree
from platform_assets.training.portable.graph import TREES_DOMAIN, OnnxGraph

AT_MOST, BELOW = 0, 1
"""ONNX's codes for the tests of a node: value <= split, value < split."""
_SUM, _NO_TRANSFORM = 1, 0


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
