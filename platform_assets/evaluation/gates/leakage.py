"""Leakage: a feature that knows the label, found by what it achieves alone and by what the model loses without it.

Belongs here: scoring features one by one and shuffling them. Does not belong here: bounds on whole models (`verdict.is_plausible`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from platform_assets.evaluation.gates.base import GateInputs
from platform_assets.evaluation.recipe import with_features
from platform_assets.tasks.base import Task
from platform_assets.tasks.gate_result import GateResult
from platform_assets.tasks.metric import MetricError, NamedMetric, Vector
from platform_assets.tasks.registry import metric_of
from platform_assets.training.compare import scored
from platform_assets.training.dataset import Dataset
from platform_assets.training.predictor import Predictor
from platform_assets.training.samples import stratified

LEAVES = 16
FEWEST_ROWS_IN_A_LEAF = 5
MOST_ROWS = 20_000
SHOWN = 5


def single_feature_predictions(train: Dataset, judged: Dataset, task: Task, seed: int) -> dict[str, Vector]:
    """What each feature alone predicts: a tree of at most `LEAVES` leaves, fitted on earlier rows.

    A tree finds what a rank correlation cannot: a feature that knows the label may be lowest for both kinds of label, or say it
    by being missing.

    Args:
        train: rows to fit on.
        judged: later rows to predict.
        task: what the label is.
        seed: decides between equal splits.

    Raises:
        MetricError: there is nothing to learn from: no rows, or one class.
    """
    obstacle = task.nothing_to_learn(train.y)
    if obstacle is not None:
        raise MetricError(obstacle)
    leaf = min(FEWEST_ROWS_IN_A_LEAF, max(1, len(train) // 20))
    settings = {"max_leaf_nodes": LEAVES, "min_samples_leaf": leaf, "random_state": seed}
    return {
        name: task.predict_by_tree(train.X[:, [column]], train.y, judged.X[:, [column]], len(train.classes), settings)
        for column, name in enumerate(train.features)
    }


def no_feature_is_the_label(
    train: Dataset, judged: Dataset, bounds: Mapping[str, float], task: Task, seed: int
) -> GateResult:
    """No feature alone reaches a bound; the ones that do are named.

    Raises:
        MetricError: a metric cannot be computed.
    """
    alone = single_feature_predictions(train, judged, task, seed)
    scores = {
        metric: {name: task.metric(metric)(scored(judged, prediction)) for name, prediction in alone.items()}
        for metric in bounds
    }
    red = {
        f"{name} ({metric} {value:.4f}, below {bounds[metric]:g} is asked for)": value
        for metric, by_feature in scores.items()
        for name, value in by_feature.items()
        if not value < bounds[metric]
    }
    metric, bound = max(bounds.items(), key=lambda item: max(scores[item[0]].values()) - item[1])
    best = max(scores[metric], key=lambda name: scores[metric][name])
    explanation = f"The best single feature is {best} with {metric} {scores[metric][best]:.4f} on later days; below {bound:g} is asked for."
    if red:
        explanation = f"One feature alone carries the score: {', '.join(red)}. Is it known when a row is scored? It looks like the label."
    details = {name: _best(by_feature) for name, by_feature in scores.items()}
    return GateResult("single_feature", not red, scores[metric][best], bound, explanation, details=details)


def importance_shares(
    predictor: Predictor, rows: Dataset, metric: NamedMetric, seed: int, *, has_classes: bool = True
) -> dict[str, float]:
    """Permutation importance (Breiman 2001): the share of each feature in what the metric loses when features are shuffled.

    Args:
        predictor: the model.
        rows: rows with the predictor's features, in its order; a sample is taken of more than `MOST_ROWS`.
        metric: what is lost.
        seed: decides sample and shuffles.
        has_classes: whether labels are of few values, of which a sample is without none.

    Raises:
        MetricError: the metric cannot be computed, or no feature matters to it.
    """
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_ROWS:
        mask = np.zeros(len(rows), dtype=np.bool_)
        mask[rng.choice(len(rows), MOST_ROWS, replace=False)] = True
        if has_classes and np.setdiff1d(rows.y, rows.y[mask]).size:
            mask[:] = False
            mask[stratified(rows.y, MOST_ROWS, rng)] = True
        rows = rows.where(mask)
    sign = 1.0 if metric.higher_is_better else -1.0
    before = metric(scored(rows, predictor.predict(rows.X)))
    losses: dict[str, float] = {}
    for column, name in enumerate(rows.features):
        X = rows.X.copy()
        X[:, column] = X[rng.permutation(len(rows)), column]
        losses[name] = max(0.0, sign * (before - metric(scored(rows, predictor.predict(X)))))
    total = sum(losses.values())
    if total <= 0.0:
        raise MetricError(f"{metric.name} loses nothing when features are shuffled: the model does not use them")
    return {name: loss / total for name, loss in losses.items()}


def no_feature_dominates(shares: Mapping[str, float], metric: str, bound: float) -> GateResult:
    """No feature has more than its share in what the model achieves."""
    best = max(shares, key=lambda name: shares[name])
    explanation = f"{best} makes up {shares[best]:.0%} of what {metric} loses when features are shuffled; at most {bound:.0%} is allowed."
    details = {"shares": _best(shares, len(shares))}
    return GateResult("importance", shares[best] <= bound, shares[best], bound, explanation, details=details)


def _best(by_feature: Mapping[str, float], count: int = SHOWN) -> dict[str, float]:
    """The best features, best first."""
    ordered = sorted(by_feature, key=lambda name: (-by_feature[name], name))
    return {name: by_feature[name] for name in ordered[:count]}


def single_feature_gate(inputs: GateInputs, name: str) -> GateResult:
    """No feature alone says the label."""
    model, training = inputs.model, inputs.model.use_case.training
    train = model.dataset.rows(model.fold.train_first, model.fold.train_last).as_known(model.fold.test_first)
    bounds = inputs.gates.single_feature_bounds(inputs.task.declared)
    return no_feature_is_the_label(train, model.judged, bounds, inputs.task, training.seed)


def importance_gate(inputs: GateInputs, name: str) -> GateResult:
    """No feature carries the model alone."""
    model = inputs.model
    rows = with_features(model.judged, model.predictor.features)
    metric = metric_of(inputs.model.use_case, inputs.select_by)
    has_classes = model.use_case.task.has_probabilities
    shares = importance_shares(model.predictor, rows, metric, model.use_case.training.seed, has_classes=has_classes)
    return no_feature_dominates(shares, metric.name, inputs.gates.max_importance_share or 1.0)
