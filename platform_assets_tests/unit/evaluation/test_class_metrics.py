"""Metrics of several classes against scikit-learn's, and their intervals against the slow way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from platform_assets.evaluation.metrics import bootstrap
from platform_assets.tasks.metric import MetricError, Scored
from platform_assets.tasks.multiclass.metrics import class_reports, confusion, correctness, metric
from platform_assets.tasks.multiclass.plots import plot_classes

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "worst_class_recall",
    "auc_roc",
    "average_precision",
    "log_loss",
)


def scored_rows(n: int, classes: int, seed: int, days: int = 8) -> Scored:
    """Probabilities that know something, with ties; the last class may be absent."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, max(2, classes - seed % 2), n).astype(float)
    y[:2] = (0.0, 1.0)
    weights = rng.integers(1, 6, (n, classes)) + 4.0 * (y[:, None] == np.arange(classes))
    day = np.datetime64("2024-01-01") + np.arange(n) % days
    return Scored(y, weights / weights.sum(axis=1, keepdims=True), day, None)


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 60), st.integers(3, 6), st.integers(0, 999))
def test_metrics_are_those_of_scikit_learn(n: int, classes: int, seed: int) -> None:
    rows = scored_rows(n, classes, seed)
    predicted = rows.prediction.argmax(axis=1)
    there = np.unique(rows.y).astype(int)
    expected = {
        "accuracy": sk.accuracy_score(rows.y, predicted),
        "balanced_accuracy": sk.recall_score(rows.y, predicted, average="macro", labels=there, zero_division=0),
        "macro_f1": sk.f1_score(rows.y, predicted, average="macro", zero_division=0),
        "worst_class_recall": sk.recall_score(rows.y, predicted, average=None, labels=there, zero_division=0).min(),
        "auc_roc": np.mean([sk.roc_auc_score(rows.y == place, rows.prediction[:, place]) for place in there]),
        "average_precision": np.mean(
            [sk.average_precision_score(rows.y == place, rows.prediction[:, place]) for place in there]
        ),
        "log_loss": sk.log_loss(rows.y, rows.prediction, labels=np.arange(classes)),
    }
    for name, value in expected.items():
        assert metric(name)(rows) == pytest.approx(value, abs=1e-12), name
    np.testing.assert_array_equal(
        confusion(rows.y, rows.prediction), sk.confusion_matrix(rows.y, predicted, labels=np.arange(classes))
    )


@pytest.mark.parametrize("name", METRICS)
def test_intervals_from_sums_are_those_of_the_rows_themselves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = scored_rows(120, 4, 2), scored_rows(120, 4, 2)
    worse = np.roll(first.prediction, 1, axis=0) * 0.4 + first.prediction * 0.6
    second = Scored(first.y, worse, first.event_day, None)
    for constant in ("REPLICATES", "SLOW_REPLICATES"):
        monkeypatch.setattr(bootstrap, constant, 40)
    quick = bootstrap.paired_difference(metric(name), first, second, 0.9, seed=3)
    slow = bootstrap.paired_difference(replace(metric(name), by_cluster=None), first, second, 0.9, seed=3)
    assert quick.to_dict() == pytest.approx(slow.to_dict())
    assert quick.lower <= quick.difference <= quick.upper


def test_what_cannot_be_computed_is_an_error_that_says_why() -> None:
    rows = scored_rows(20, 3, 0)
    one = Scored(np.ones(20), rows.prediction, rows.event_day, None)
    with pytest.raises(MetricError, match="all 20 labels are of one class"):
        metric("auc_roc")(one)
    with pytest.raises(MetricError, match="metric 'brier' does not exist; the metrics are accuracy"):
        metric("brier")(rows)


def test_calibration_is_that_of_the_predicted_class() -> None:
    y = np.array([0.0, 0.0, 1.0, 2.0])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]])
    right, sure = correctness(y, probabilities)
    assert (right.tolist(), sure.tolist()) == ([1.0, 1.0, 0.0, 0.0], [0.8] * 4)
    day = np.full(4, np.datetime64("2024-01-01"))
    assert metric("calibration_error")(Scored(y, probabilities, day, None)) == pytest.approx(0.3)


def test_a_report_of_each_class_and_its_picture() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.1, 0.9, 0.0]])
    a, b, c = class_reports(y, probabilities, ("a", "b", "c"))
    assert (a.rows, a.predicted, a.recall, a.precision) == (2, 1, 0.5, 1.0)
    assert (b.rows, b.predicted, b.recall, b.precision) == (2, 3, 1.0, pytest.approx(2 / 3))
    assert (c.rows, c.predicted) == (0, 0)
    assert np.isnan([c.recall, c.precision, c.auc_roc]).all()
    for labels, given_probabilities in ((y, probabilities), (y[:0], probabilities[:0])):
        assert plot_classes(labels, given_probabilities, ("a", "b", "c")).startswith(b"\x89PNG")
