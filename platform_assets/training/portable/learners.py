"""What each learner's model is as a part of an ONNX graph.

Belongs here: one function for each learner that can be written so. Does not belong here: trees (`trees.py`), missing and clipped values
and classes that no row had (`onnx_file.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from platform_assets.training.learners.base import FittedModel, Vector
from platform_assets.training.learners.categories import Categories
from platform_assets.training.learners.trees import booster_document, booster_trees, forest_trees
from platform_assets.training.portable.errors import NotPortable
from platform_assets.training.portable.graph import GraphValue, OnnxGraph
from platform_assets.training.portable.trees import AT_MOST, BELOW, tree_sums

_LEAST_PROBABILITY, _LEAST_OF_A_CLASS = 1e-12, 1e-6


def add_model(graph: OnnxGraph, learner: str, fitted: FittedModel, value: GraphValue) -> GraphValue:
    """Add a fitted model that reads float64 [n, f] without missing values.

    Raises:
        NotPortable: there is no way to write this learner in ONNX.
    """
    if learner not in _WRITERS:
        raise NotPortable(
            f"a model of learner {learner!r} cannot be written in ONNX; {', '.join(_WRITERS)} can. It can be served where our own "
            "service runs: `serving.platform` bento, or kserve with `--features service`"
        )
    return _WRITERS[learner](graph, fitted, value)


def _constant(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    row = np.atleast_1d(np.array(fitted.value, dtype=np.float64))
    return GraphValue(graph.repeated(value.name, row), len(row))


def _single_feature(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    column = graph.columns(value.name, [fitted.column])
    if fitted.scale is None:
        return GraphValue(column, 1)
    lowest, highest = fitted.scale
    share = graph.scaled(column, np.array([lowest]), np.array([highest - lowest]))
    return GraphValue(graph.add("Clip", share, graph.constant(np.float64(0.0)), graph.constant(np.float64(1.0))), 1)


def _rule(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    above, below = (np.atleast_1d(np.array(side, dtype=np.float64)) for side in (fitted.above, fitted.below))
    test = graph.add(
        "Greater", graph.columns(value.name, [fitted.column]), graph.constant(np.float64(fitted.threshold))
    )
    return GraphValue(
        graph.add("Where", test, graph.constant(above[np.newaxis]), graph.constant(below[np.newaxis])), len(above)
    )


def _last_value(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    if fitted.column is None or not len(fitted.seasons):
        return GraphValue(graph.repeated(value.name, np.array([fitted.newest])), 1)
    known = _known(graph, graph.columns(value.name, [fitted.column]), fitted.seasons)
    # A season that was never seen is in no column: what remains is the newest value.
    return GraphValue(graph.affine(known, (fitted.values - fitted.newest)[:, np.newaxis], np.array([fitted.newest])), 1)


def _linear(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    scaler, estimator = fitted.pipeline.steps[0][1], fitted.pipeline.steps[-1][1]
    scaled = graph.scaled(_spread(graph, fitted.categories, value), scaler.mean_, scaler.scale_)
    weights = np.atleast_2d(estimator.coef_)
    linear = graph.affine(scaled, weights.T, np.ravel(estimator.intercept_))
    if len(weights) > 1:
        return GraphValue(graph.add("Softmax", linear, axis=1), len(weights))
    return GraphValue(graph.add("Sigmoid", linear) if hasattr(estimator, "classes_") else linear, 1)


def _forest(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    trees, grown = forest_trees(fitted.estimator), len(fitted.estimator.estimators_)
    targets = len(trees) // grown
    sums = tree_sums(graph, value.name, trees, AT_MOST, targets)
    return GraphValue(graph.add("Div", sums, graph.constant(np.float64(grown))), targets)


def _booster(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    document = booster_document(fitted.booster)
    learner = document["learner"]
    objective, classes = learner["objective"]["name"], int(learner["learner_model_param"]["num_class"])
    targets = max(classes, 1)
    sums = tree_sums(graph, value.name, booster_trees(document), BELOW, targets)
    stored = json.loads(learner["learner_model_param"]["base_score"])
    first_guess = np.atleast_1d(np.array(stored, dtype=np.float64))
    if objective == "binary:logistic":
        first_guess = np.log(first_guess) - np.log1p(-first_guess)
    margin = graph.add("Add", sums, graph.constant(first_guess))
    if objective == "multi:softprob":
        return GraphValue(graph.add("Softmax", margin, axis=1), targets)
    return GraphValue(graph.add("Sigmoid", margin) if objective == "binary:logistic" else margin, targets)


def _network(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    hidden = _amounts(graph, fitted.categories, value)
    if fitted.scaling.transform == "log":
        size = graph.add("Log", graph.add("Add", graph.add("Abs", hidden), graph.constant(np.float64(1.0))))
        hidden = graph.add("Mul", graph.add("Sign", hidden), size)
    hidden = graph.scaled(hidden, fitted.scaling.mean, fitted.scaling.scale)
    if fitted.embeddings:
        hidden = graph.add("Concat", hidden, *_embedded(graph, fitted, value), axis=1)
    for weights, biases in fitted.layers[:-1]:
        hidden = graph.add("Relu", graph.affine(hidden, weights.T, biases))
    weights, biases = fitted.layers[-1]
    output = graph.affine(hidden, weights.T, biases)
    if fitted.objective == "multiclass":
        return GraphValue(graph.add("Softmax", output, axis=1), len(biases))
    if fitted.objective == "binary":
        return GraphValue(graph.add("Sigmoid", output), 1)
    scale = np.array([[fitted.scaling.value_scale]])
    return GraphValue(graph.affine(output, scale, np.array([fitted.scaling.value_mean])), 1)


def _embedded(graph: OnnxGraph, fitted: Any, value: GraphValue) -> list[str]:
    """The embedding of each code; that of an unknown value stands in the table's first row."""
    found = []
    for column, values, table in zip(
        fitted.categories.columns, fitted.categories.values, fitted.embeddings, strict=True
    ):
        known = _known(graph, graph.columns(value.name, [column]), values)
        found.append(graph.affine(known, table[1:] - table[0], table[0]))
    return found


def _narrowed(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    own = GraphValue(graph.columns(value.name, list(fitted.columns)), len(fitted.columns))
    return add_model(graph, fitted.member.kind, fitted.member.fitted, own)


def _calibrated(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    raw = add_model(graph, fitted.member.kind, fitted.member.fitted, value)
    if not hasattr(fitted, "maps"):
        return GraphValue(_mapped(graph, raw.name, fitted.method, fitted.x, fitted.y), 1)
    mapped = [
        _mapped(graph, graph.columns(raw.name, [index]), fitted.method, x, y)
        for index, (x, y) in enumerate(fitted.maps)
    ]
    weights = graph.add("Concat", *mapped, axis=1)
    total = graph.add("ReduceSum", weights, graph.constant(np.array([1], dtype=np.int64)), keepdims=1)
    empty = graph.add("LessOrEqual", total, graph.constant(np.float64(0.0)))
    divisor = graph.add("Where", empty, graph.constant(np.float64(1.0)), total)
    even = graph.constant(np.float64(1.0 / len(mapped)))
    return GraphValue(graph.add("Where", empty, even, graph.add("Div", weights, divisor)), len(mapped))


def _mapped(graph: OnnxGraph, score: str, method: str, x: Any, y: Any) -> str:
    """A map of scores float64 [n, 1]: a line on the log-odds, or a line through points that is flat outside."""
    if method == "sigmoid":
        return graph.add("Sigmoid", graph.affine(_log_odds(graph, score), np.array([[x[0]]]), np.array([x[1]])))
    if len(x) == 1:
        return graph.repeated(score, y)
    # What the score has climbed of each stretch, times the stretch's slope.
    held = graph.add(
        "Min", graph.add("Max", score, graph.constant(x[np.newaxis, :-1])), graph.constant(x[np.newaxis, 1:])
    )
    climbed = graph.add("Sub", held, graph.constant(x[np.newaxis, :-1]))
    return graph.affine(climbed, (np.diff(y) / np.diff(x))[:, np.newaxis], y[:1])


def _ensemble(graph: OnnxGraph, fitted: Any, value: GraphValue) -> GraphValue:
    parts = [add_model(graph, member.kind, member.fitted, value) for member in fitted.members]
    if not hasattr(fitted, "link"):
        least = graph.constant(np.float64(_LEAST_OF_A_CLASS))
        logs = [graph.add("Log", graph.add("Max", part.name, least)) for part in parts]
        scores = graph.affine(graph.add("Concat", *logs, axis=1), fitted.weights.T, fitted.intercepts)
        return GraphValue(graph.add("Softmax", scores, axis=1), len(fitted.intercepts))
    names = [_log_odds(graph, part.name) if fitted.link == "logit" else part.name for part in parts]
    total = graph.constant(np.float64(fitted.intercept))
    for weight, name in zip(fitted.weights, names, strict=True):
        total = graph.add("Add", total, graph.add("Mul", name, graph.constant(np.float64(weight))))
    return GraphValue(graph.add("Sigmoid", total) if fitted.link == "logit" else total, parts[0].width)


def _log_odds(graph: OnnxGraph, probability: str) -> str:
    least, most = (graph.constant(np.float64(bound)) for bound in (_LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY))
    kept = graph.add("Clip", probability, least, most)
    against = graph.add("Sub", graph.constant(np.float64(1.0)), kept)
    return graph.add("Sub", graph.add("Log", kept), graph.add("Log", against))


def _amounts(graph: OnnxGraph, categories: Categories, value: GraphValue) -> str:
    """The inputs that are no codes."""
    if not categories.columns:
        return value.name
    return graph.columns(value.name, [place for place in range(value.width) if place not in categories.columns])


def _spread(graph: OnnxGraph, categories: Categories, value: GraphValue) -> str:
    """The inputs that are no codes, then a column of 0 and 1 for each known value of each code."""
    if not categories.columns:
        return value.name
    known = [
        _known(graph, graph.columns(value.name, [column]), values)
        for column, values in zip(categories.columns, categories.values, strict=True)
    ]
    return graph.add("Concat", _amounts(graph, categories, value), *known, axis=1)


def _known(graph: OnnxGraph, column: str, values: Vector) -> str:
    """float64 [n, k]: 1 where the column [n, 1] holds the value."""
    from onnx import TensorProto

    same = graph.add("Equal", column, graph.constant(values[np.newaxis]))
    return graph.add("Cast", same, to=TensorProto.DOUBLE)


_WRITERS: Mapping[str, Callable[[OnnxGraph, Any, GraphValue], GraphValue]] = {
    "constant": _constant,
    "single_feature": _single_feature,
    "rule": _rule,
    "last_value": _last_value,
    "logistic_regression": _linear,
    "ridge": _linear,
    "random_forest": _forest,
    "xgboost": _booster,
    "torch_mlp": _network,
    "narrowed": _narrowed,
    "calibrated": _calibrated,
    "blend": _ensemble,
    "stack": _ensemble,
}
