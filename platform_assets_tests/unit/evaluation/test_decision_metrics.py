"""Metrics of decisions by a threshold, and of the mean error: against scikit-learn, and from clusters."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from platform_assets.declaration.tasks.binary import BINARY
from platform_assets.evaluation.metrics.bootstrap import clusters_of, paired_difference
from platform_assets.tasks.binary.decisions import OF_CELLS
from platform_assets.tasks.metric import MetricError, NamedMetric, Scored
from platform_assets.tasks.registry import TASKS, metric_of, metrics_of
from platform_assets.testing.declare import declare

RANDOM = np.random.default_rng(3)
THRESHOLD = 0.3
ORACLES = {
    "accuracy": sklearn_metrics.accuracy_score,
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "precision": lambda y, flagged: sklearn_metrics.precision_score(y, flagged, zero_division=0),
    "recall": sklearn_metrics.recall_score,
    "f1": sklearn_metrics.f1_score,
    "mcc": sklearn_metrics.matthews_corrcoef,
}


def scored(y: list[float] | np.ndarray, prediction: list[float] | np.ndarray) -> Scored:
    days = np.datetime64("2024-01-01") + np.arange(len(y)) % 9
    return Scored(np.asarray(y, dtype=float), np.asarray(prediction, dtype=float), days, None)


def at(name: str) -> NamedMetric:
    decided = TASKS["binary"].metric(name).at
    assert decided is not None
    return decided(THRESHOLD)


def some_rows(seed: int, rows: int = 400) -> Scored:
    random = np.random.default_rng(seed)
    y = (random.random(rows) < 0.2).astype(float)
    return scored(y, np.clip(random.normal(0.2 + 0.3 * y, 0.2), 0, 1))


@pytest.mark.parametrize("name", OF_CELLS)
@pytest.mark.parametrize("seed", range(3))
def test_they_are_what_scikit_learn_says(name: str, seed: int) -> None:
    rows = some_rows(seed)
    flagged = rows.prediction >= THRESHOLD
    assert at(name)(rows) == pytest.approx(ORACLES[name](rows.y == 1.0, flagged))


@pytest.mark.parametrize("name", OF_CELLS)
def test_from_sums_of_clusters_they_are_the_same(name: str) -> None:
    rows = some_rows(9)
    cluster, _ = clusters_of(rows)
    weights = RANDOM.integers(0, 3, int(cluster.max()) + 1)
    repeated = np.repeat(np.arange(len(rows.y)), weights[cluster])
    by_cluster = at(name).by_cluster
    assert by_cluster is not None
    assert by_cluster(rows, cluster)(weights) == pytest.approx(
        at(name)(scored(rows.y[repeated], rows.prediction[repeated]))
    )
    assert (
        paired_difference(at(name), rows, scored(rows.y, 0 * rows.prediction), 0.9).difference > 0 or name == "accuracy"
    )


def test_one_class_alone() -> None:
    nothing, everything = scored([0, 0], [0.1, 0.2]), scored([1, 1], [0.9, 0.2])
    assert at("precision")(nothing) == 0.0
    assert at("mcc")(nothing) == 0.0
    assert at("accuracy")(everything) == 0.5
    for name in ("recall", "f1", "balanced_accuracy"):
        with pytest.raises(MetricError, match=f"all 2 labels are 0: {name} needs the other class"):
            at(name)(nothing)


def test_a_score_at_the_threshold_is_flagged() -> None:
    assert at("recall")(scored([1, 0], [THRESHOLD, 0.1])) == 1.0


def test_the_threshold_is_the_declared_one() -> None:
    binary = declare(events={"order": "int64", "at": "datetime", "amount": "float64"}, label="bad")
    training = binary.training.model_copy(update={"metrics": ("f1", "log_loss", "mcc")})
    binary = binary.model_copy(update={"training": training})
    assert binary.serving.decision is not None
    decision = binary.serving.decision.model_copy(update={"threshold": 0.7})
    binary = binary.model_copy(update={"serving": binary.serving.model_copy(update={"decision": decision})})
    rows = scored([1, 1, 0], [0.8, 0.6, 0.2])
    assert metric_of(binary, "recall")(rows) == 0.5
    assert [metric.name for metric in metrics_of(binary)] == ["f1", "log_loss", "mcc"]
    with pytest.raises(MetricError, match="no threshold is declared"):
        TASKS["binary"].metric("f1")(rows)
    assert set(OF_CELLS) <= set(BINARY.metrics)


def test_the_mean_error_is_how_far_predictions_lie_off_on_the_whole() -> None:
    metric = TASKS["regression"].metric("mean_error")
    assert metric(scored([1, 2, 3], [2, 3, 4])) == pytest.approx(1.0)
    assert metric(scored([1, 2, 3], [0, 1, 2])) == pytest.approx(1.0)
    assert metric(scored([1, 2, 3], [2, 1, 3])) == pytest.approx(0.0)
    rows = scored(RANDOM.normal(size=90), RANDOM.normal(0.5, size=90))
    cluster, _ = clusters_of(rows)
    assert metric.by_cluster is not None
    assert metric.by_cluster(rows, cluster)(np.ones(9, dtype=np.int64)) == pytest.approx(metric(rows))
    assert not metric.higher_is_better
    assert math.isfinite(paired_difference(metric, rows, scored(rows.y, rows.y), 0.9).lower)
