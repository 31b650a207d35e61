"""Leakage: a feature that knows the label, found by what it achieves alone and by what the model loses without it.

Belongs here: scoring features one by one and shuffling them. Does not belong here: bounds on whole models (`verdict.is_plausible`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from platform_assets.declaration.sections.training import HIGHER_IS_BETTER
from platform_assets.evaluation.gates.verdict import GateResult
from platform_assets.evaluation.metrics.scored_rows import Vector, make_metric
from platform_assets.training.compare import MetricError, scored
from platform_assets.training.dataset import Dataset
from platform_assets.training.learners.base import positives
from platform_assets.training.learners.classes import spread
from platform_assets.training.predictor import Predictor

LEAVES = 16
FEWEST_ROWS_IN_A_LEAF = 5
MOST_ROWS = 20_000
SHOWN = 5


def single_feature_predictions(train: Dataset, judged: Dataset, *, binary: bool, seed: int) -> dict[str, Vector]:
    """What each feature alone predicts: a tree of at most `LEAVES` leaves, fitted on earlier rows.

    A tree finds what a rank correlation cannot: a feature that knows the label may be lowest for both kinds of label, or say it
    by being missing.

    Args:
        train: rows to fit on.
        judged: later rows to predict.
        binary: whether the label is 0 or 1; rows that know their classes have the label of a multi-class task.
        seed: decides between equal splits.

    Raises:
        MetricError: there is nothing to learn from: no rows, or one class.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if len(train) == 0 or (binary and positives(train.y) in (0, len(train))):
        raise MetricError(
            f"{len(train):,} training rows with {positives(train.y):,} positives say nothing about features"
        )
    if train.classes and len(np.unique(train.y)) == 1:
        raise MetricError(f"{len(train):,} training rows of one class say nothing about features")
    leaf = min(FEWEST_ROWS_IN_A_LEAF, max(1, len(train) // 20))
    settings = {"max_leaf_nodes": LEAVES, "min_samples_leaf": leaf, "random_state": seed}
    predictions: dict[str, Vector] = {}
    for column, name in enumerate(train.features):
        one, other = train.X[:, [column]], judged.X[:, [column]]
        if train.classes:
            tree = DecisionTreeClassifier(**settings).fit(one, train.y)
            predictions[name] = spread(tree.predict_proba(other), tree.classes_.astype(np.int64), len(train.classes))
        elif binary:
            tree = DecisionTreeClassifier(**settings).fit(one, train.y)
            predictions[name] = tree.predict_proba(other)[:, 1].astype(np.float64)
        else:
            tree = DecisionTreeRegressor(**settings).fit(one, train.y)
            predictions[name] = tree.predict(other).astype(np.float64)
    return predictions


def no_feature_is_the_label(
    train: Dataset, judged: Dataset, bounds: Mapping[str, float], *, binary: bool, seed: int
) -> GateResult:
    """No feature alone reaches a bound; the ones that do are named.

    Raises:
        MetricError: a metric cannot be computed.
    """
    alone = single_feature_predictions(train, judged, binary=binary, seed=seed)
    found = {
        metric: {name: make_metric(metric)(scored(judged, prediction)) for name, prediction in alone.items()}
        for metric in bounds
    }
    red = {
        f"{name} ({metric} {value:.4f}, below {bounds[metric]:g} is asked for)": value
        for metric, by_feature in found.items()
        for name, value in by_feature.items()
        if not value < bounds[metric]
    }
    metric, bound = max(bounds.items(), key=lambda item: max(found[item[0]].values()) - item[1])
    best = max(found[metric], key=lambda name: found[metric][name])
    explanation = f"The best single feature is {best} with {metric} {found[metric][best]:.4f} on later days; below {bound:g} is asked for."
    if red:
        explanation = f"One feature alone carries the score: {', '.join(red)}. Is it known when a row is scored? It looks like the label."
    details = {name: _best(by_feature) for name, by_feature in found.items()}
    return GateResult("single_feature", not red, found[metric][best], bound, explanation, details=details)


def importance_shares(predictor: Predictor, rows: Dataset, metric: str, seed: int) -> dict[str, float]:
    """Permutation importance (Breiman 2001): the share of each feature in what the metric loses when features are shuffled.

    Args:
        predictor: the model.
        rows: rows with the predictor's features, in its order; a sample is taken of more than `MOST_ROWS`.
        metric: a name that `metrics.make_metric` knows.
        seed: decides sample and shuffles.

    Raises:
        MetricError: the metric cannot be computed, or no feature matters to it.
    """
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_ROWS:
        mask = np.zeros(len(rows), dtype=np.bool_)
        mask[rng.choice(len(rows), MOST_ROWS, replace=False)] = True
        rows = rows.where(mask)
    measured = make_metric(metric)
    sign = 1.0 if metric in HIGHER_IS_BETTER else -1.0
    before = measured(scored(rows, predictor.predict(rows.X)))
    losses: dict[str, float] = {}
    for column, name in enumerate(rows.features):
        X = rows.X.copy()
        X[:, column] = X[rng.permutation(len(rows)), column]
        losses[name] = max(0.0, sign * (before - measured(scored(rows, predictor.predict(X)))))
    total = sum(losses.values())
    if total <= 0.0:
        raise MetricError(f"{metric} loses nothing when features are shuffled: the model does not use them")
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
