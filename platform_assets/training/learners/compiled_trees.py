"""A few rows through the trees of a booster or a forest, faster than their library and equal to it to the bit.

Belongs here: the trees as arrays for the compiled loops, and holding their answers against the library's before they are used. Does not
belong here: the loops (`tree_loops.py`), the same without compiling (`tree_steps.py`), reading trees out of a library's model (`trees.py`).

Libraries are made for many rows: of what one row costs them, the trees are a fiftieth. Before the compiled trees answer anything they and
the library are asked for the same rows, which lie on, just below and just above the model's own splits, where a difference in rounding
would show. A model that they do not know, or answer differently, stays with its library.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platform_assets.training.learners.base import Matrix, Vector
from platform_assets.training.learners.tree_steps import BOOSTER_NODE, FOREST_NODE, LOGISTIC, SOFTMAX, VALUE
from platform_assets.training.learners.trees import Tree, booster_document, booster_trees

logger = logging.getLogger(__name__)

FEW_ROWS = 64
"""More rows than this go through the library, which by then costs no more."""
PROBES = 64
_BEYOND_SINGLE = 1e39

Predict = Callable[[Matrix], Vector]
_LINKS: Mapping[str, int] = {"binary:logistic": LOGISTIC, "multi:softprob": SOFTMAX, "reg:squarederror": VALUE}


class FewRows:
    """A model's fast way for a few rows, made when it is first needed and left out where it would answer differently."""

    def __init__(self, make: Callable[[], CompiledTrees | None], library: Predict, name: str) -> None:
        """Nothing is compiled yet.

        Args:
            make: makes the compiled trees; None where the model is none that they know.
            library: the library's own prediction.
            name: the library's, for the log.
        """
        self._make, self._library, self._name = make, library, name
        self._known = False
        self._trees: CompiledTrees | None = None

    def predict(self, X: Matrix) -> Vector:
        """What the library would answer, float64 [n] or [n, k]."""
        if len(X) > FEW_ROWS:
            return self._library(X)
        if not self._known:
            self._trees, self._known = self._checked(), True
        return self._library(X) if self._trees is None else self._trees.predict(X)

    def believe(self, trees: CompiledTrees | None) -> None:
        """Answer with these trees, or without any by the library: for who holds the answers against others himself."""
        self._trees, self._known = trees, True

    def _checked(self) -> CompiledTrees | None:
        try:
            trees = self._make()
        except ImportError as error:
            logger.warning("%s answers single rows by itself, which takes longer: %s", self._name, error)
            return None
        if trees is None:
            return None
        rows = trees.probes()
        own, expected = trees.predict(rows), self._library(rows)
        different = int((own.reshape(len(rows), -1) != expected.reshape(len(rows), -1)).any(axis=1).sum())
        if not different:
            return trees
        logger.error(
            "compiled trees answer %d of %d rows otherwise than %s does; it answers single rows by itself, which takes longer",
            different,
            len(rows),
            self._name,
        )
        return None


class CompiledTrees:
    """Trees in the compiled loops' arrays."""

    def __init__(
        self, trees: Sequence[Tree], walk: Callable[[Matrix, Matrix], None], width: int, missing: bool
    ) -> None:
        """Take the arrays that `walk` holds for granted.

        Args:
            trees: for the rows of the check.
            walk: fills float64 [n, k] from float64 [n, f].
            width: k.
            missing: whether rows may have missing values, and values beyond single precision.
        """
        self._trees, self._walk, self._width, self._missing = trees, walk, width, missing

    def predict(self, X: Matrix) -> Vector:
        """Float64 [n], of more than two classes [n, k]."""
        out = np.empty((len(X), self._width))
        self._walk(X if X.flags.c_contiguous else np.ascontiguousarray(X), out)
        return out if self._width > 1 else out[:, 0]

    def probes(self) -> Matrix:
        """Rows on and beside the model's own splits."""
        random = np.random.default_rng(0)
        features = 1 + max((int(tree.feature[tree.left >= 0].max(initial=0)) for tree in self._trees), default=0)
        rows = np.zeros((PROBES, features))
        column_of = np.concatenate([tree.feature[tree.left >= 0] for tree in self._trees])
        splits = np.concatenate([tree.split[tree.left >= 0] for tree in self._trees])
        for column in range(features):
            own = splits[column_of == column]
            if len(own):
                at = random.choice(own, PROBES).astype(np.float32)
                step = random.choice(np.array([-np.inf, np.inf], dtype=np.float32), PROBES)
                rows[:, column] = np.where(random.random(PROBES) < 0.4, at, np.nextafter(at, step))
        if self._missing:
            rows[random.random(rows.shape) < 0.05] = np.nan
            rows[random.random(rows.shape) < 0.02] = _BEYOND_SINGLE
            rows[random.random(rows.shape) < 0.02] = -_BEYOND_SINGLE
        return rows


def compiled_booster(booster: Any) -> CompiledTrees | None:
    """The trees of an xgboost model; None of one whose splits, links or sums are others than those known here."""
    return compiled_document(booster_document(booster))


def compiled_document(document: Mapping[str, Any], *, compiled: bool = True) -> CompiledTrees | None:
    """The same of a model as xgboost's JSON says it; not `compiled`, numpy goes through its trees, which takes longer and loads nothing."""
    learner = document["learner"]
    gradient = learner["gradient_booster"]
    objective, model = learner["objective"]["name"], gradient.get("model", {})
    if gradient.get("name") != "gbtree" or objective not in _LINKS or not model.get("trees"):
        return None
    if any(any(tree["split_type"]) for tree in model["trees"]) or learner["learner_model_param"]["num_target"] != "1":
        return None

    if compiled:
        from platform_assets.training.learners.tree_loops import log_odds, walk_booster
    else:
        from platform_assets.training.learners.tree_steps import log_odds, walk_booster

    trees = booster_trees(dict(document))
    order, roots = _side_by_side(trees)
    nodes = _nodes(BOOSTER_NODE, trees, order, roots)
    missing = np.concatenate([np.array(tree["default_left"]) for tree in model["trees"]])
    nodes["missing_left"] = missing[np.concatenate([own + root for own, root in zip(order, roots, strict=True)])]
    table = np.column_stack((roots, model["tree_info"])).astype(np.int32)
    width, link = max(1, int(learner["learner_model_param"]["num_class"])), _LINKS[objective]
    guess = np.atleast_1d(np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float32))
    if link == LOGISTIC:
        guess = np.array([log_odds(value) for value in guess], dtype=np.float32)
    guess = np.resize(guess, width).astype(np.float32)

    def walk(X: Matrix, out: Matrix) -> None:
        walk_booster(X, nodes, table, guess, link, out)

    return CompiledTrees(
        [*trees, _reaching(int(learner["learner_model_param"]["num_feature"]))], walk, width, missing=True
    )


def compiled_forest(estimator: Any) -> CompiledTrees | None:
    """The trees of a scikit-learn forest."""
    from platform_assets.training.learners.tree_loops import walk_forest

    grown = [one.tree_ for one in estimator.estimators_]
    trees = [Tree(one.children_left, one.children_right, one.feature, one.threshold, one.threshold) for one in grown]
    many = hasattr(estimator, "classes_") and len(estimator.classes_) > 2
    order, roots = _side_by_side(trees)
    nodes = _nodes(FOREST_NODE, trees, order, roots)
    first = 0 if many else -1
    values = np.concatenate([one.value[own, 0, first:] for one, own in zip(grown, order, strict=True)])
    values, places = np.ascontiguousarray(values), roots.astype(np.int32)

    def walk(X: Matrix, out: Matrix) -> None:
        walk_forest(X, nodes, places, values, out)

    return CompiledTrees([*trees, _reaching(estimator.n_features_in_)], walk, values.shape[1], missing=False)


def _reaching(features: int) -> Tree:
    """A tree that tests the last input, so that rows of the check have all of them."""
    nothing = np.array([0.0, 0.0, 0.0])
    return Tree(np.array([1, -1, -1]), np.array([2, -1, -1]), np.array([features - 1, 0, 0]), nothing, nothing)


def _side_by_side(trees: Sequence[Tree]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """For each tree its nodes in an order in which the children of a node follow each other, and where its root comes to lie."""
    sizes = np.array([len(tree.left) for tree in trees])
    return [_breadth_first(tree) for tree in trees], np.cumsum(sizes) - sizes


def _breadth_first(tree: Tree) -> NDArray[np.int64]:
    levels = [np.zeros(1, dtype=np.int64)]
    while len(levels[-1]):
        inner = levels[-1][tree.left[levels[-1]] >= 0]
        levels.append(np.column_stack((tree.left[inner], tree.right[inner])).astype(np.int64).ravel())
    return np.concatenate(levels)


def _nodes(
    dtype: np.dtype[Any], trees: Sequence[Tree], order: Sequence[NDArray[np.int64]], roots: NDArray[np.int64]
) -> NDArray[Any]:
    """The nodes of all trees; what a leaf's `split` is says the tree."""
    parts = []
    for tree, own, root in zip(trees, order, roots, strict=True):
        nodes = np.zeros(len(own), dtype=dtype)
        leaf = tree.left[own] < 0
        nodes["split"], nodes["feature"] = (
            np.where(leaf, tree.value[own], tree.split[own]),
            np.where(leaf, 0, tree.feature[own]),
        )
        nodes["left"] = np.where(leaf, -1, root + 1 + 2 * (np.cumsum(~leaf) - 1))
        parts.append(nodes)
    return np.concatenate(parts)
