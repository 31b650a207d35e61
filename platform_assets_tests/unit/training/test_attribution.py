"""What a feature added: exact where the model is a sum, against brute force; and the parts always add up."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from platform_assets.training.attribution import attribute
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.learners.base import Vector
from platform_assets.training.learners.calibration import calibrated
from platform_assets.training.learners.ensemble import blend
from platform_assets.training.learners.narrowed import narrowed
from platform_assets.training.learners.tree_shapley import tree_values
from platform_assets.training.learners.trees import Tree
from platform_assets.training.predictor import Predictor

NAMES = ("a", "b", "c", "d")
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 4)).round(2)
Y = (X[:, 0] * X[:, 1] + X[:, 2] > 0.1).astype(np.float64)
DAYS = np.datetime64("2024-01-01", "D") + np.arange(240) // 40
FEW: Mapping[str, Mapping[str, Any]] = {
    "xgboost": {"n_estimators": 8, "max_depth": 3},
    "random_forest": {"n_estimators": 4, "max_depth": 5},
}


def fitted(name: str, objective: str = "binary", y: Vector = Y) -> Predictor:
    plain = {kind: make_learner(kind, settings, objective) for kind, settings in FEW.items()}
    learner = {
        **plain,
        "narrowed": narrowed(plain["xgboost"], (2, 0)),
        "calibrated": calibrated(plain["random_forest"], "isotonic") if objective == "binary" else None,
        "blend": blend([plain["random_forest"], make_learner("random_forest", {"n_estimators": 3}, objective)], {}),
    }.get(name) or make_learner(name, {}, objective)
    return fit_predictor(Dataset(X, y, DAYS, None, np.arange(len(y)), NAMES), learner, seed=0)


@pytest.mark.parametrize("row", [0, 7, 101])
@pytest.mark.parametrize(
    "name", ["xgboost", "random_forest", "logistic_regression", "narrowed", "calibrated", "blend", "constant"]
)
def test_the_parts_add_up(name: str, row: int) -> None:
    predictor = fitted(name)
    found = attribute(predictor, X[row], 0, X[:10])
    assert found.gap < 1e-9
    assert found.exact == (name != "constant")
    score = float(predictor.predict(X[[row]])[0])
    if not found.onward:
        assert found.total == pytest.approx(score, abs=1e-12)
    elif found.space == "log-odds":
        assert 1.0 / (1.0 + math.exp(-found.total)) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("name", ["xgboost", "random_forest", "ridge"])
def test_a_value_is_the_sum_itself(name: str) -> None:
    y = X[:, 0] - 2.0 * X[:, 3]
    predictor = fitted(name, "regression", y)
    found = attribute(predictor, X[3], 0, X[:10])
    assert (found.space, found.exact) == ("output", True)
    assert found.total == pytest.approx(float(predictor.predict(X[[3]])[0]), abs=1e-6)
    assert found.gap < 1e-9


def test_the_booster_agrees_with_its_library() -> None:
    import xgboost

    predictor = fitted("xgboost")
    booster: Any = predictor.fitted
    theirs = booster.booster.predict(xgboost.DMatrix(X[:20].astype(np.float32)), pred_contribs=True)
    for row in range(20):
        found = attribute(predictor, X[row], 0, X[:10])
        assert np.abs(found.contributions - theirs[row, :-1]).max() < 1e-5
        assert found.base == pytest.approx(float(theirs[row, -1]), abs=1e-5)


def test_of_several_classes_the_asked_one_is_explained() -> None:
    y = np.where(X[:, 0] > 0.5, 2.0, np.where(X[:, 1] > 0, 1.0, 0.0))
    for kind, settings in FEW.items():
        learner = make_learner(kind, settings, "multiclass")
        model: Any = learner.fit(X, y, 0)
        for output in range(3):
            found = model.additive(X[5], output)
            assert found.gap < 1e-9
            if kind == "random_forest":
                assert found.total == pytest.approx(model.predict(X[[5]])[0, output])


def grown(random: np.random.Generator, depth: int) -> tuple[Tree, Vector]:
    """A full tree on few features, with the weight of rows at each node."""
    nodes = 2 ** (depth + 1) - 1
    inner = 2**depth - 1
    left = np.array([2 * node + 1 if node < inner else -1 for node in range(nodes)])
    cover = np.zeros(nodes)
    cover[0] = 100.0
    for node in range(inner):
        cover[2 * node + 1] = cover[node] * random.uniform(0.05, 0.95)
        cover[2 * node + 2] = cover[node] - cover[2 * node + 1]
    tree = Tree(left, left + 1, random.integers(0, 4, nodes), random.normal(size=nodes), random.normal(size=nodes))
    return tree, cover


def expected(tree: Tree, cover: Vector, left: Any, known: frozenset[int], node: int = 0) -> float:
    """The tree's mean where only some features are known."""
    if tree.left[node] < 0:
        return float(tree.value[node])
    children = (int(tree.left[node]), int(tree.right[node]))
    if int(tree.feature[node]) in known:
        return expected(tree, cover, left, known, children[0 if left[node] else 1])
    return sum(float(cover[child] / cover[node]) * expected(tree, cover, left, known, child) for child in children)


@pytest.mark.parametrize("seed", range(12))
def test_trees_have_the_values_that_shapley_defines(seed: int) -> None:
    random = np.random.default_rng(seed)
    tree, cover = grown(random, depth=1 + seed % 5)
    left = random.random(len(tree.left)) < 0.5
    found = tree_values([tree], [cover], [left], 4)
    for feature in range(4):
        others = [other for other in range(4) if other != feature]
        value = 0.0
        for size in range(4):
            for known in itertools.combinations(others, size):
                weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
                gain = expected(tree, cover, left, frozenset({*known, feature})) - expected(
                    tree, cover, left, frozenset(known)
                )
                value += weight * gain
        assert found.contributions[feature] == pytest.approx(value, abs=1e-12)
    assert found.base == pytest.approx(expected(tree, cover, left, frozenset()), abs=1e-12)
