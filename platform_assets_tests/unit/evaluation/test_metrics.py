"""Metrics against slow, obvious definitions, and rows on which they cannot be computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_assets.tasks.binary.metrics import (
    auc_roc,
    average_precision,
    brier,
    confusion_at,
    group_precision_at_k,
    group_precision_by_day,
    log_loss,
)
from platform_assets.tasks.calibration import calibration_error, reliability_bins
from platform_assets.tasks.metric import MetricError, Scored
from platform_assets.tasks.registry import TASKS, make_metrics
from platform_assets.tasks.regression.metrics import mae, r2, rmse

payments = st.lists(
    st.tuples(
        st.integers(0, 3),  # day
        st.integers(0, 5),  # card
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),  # few scores, so that ties are common
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def arrays(rows: list[tuple[int, int, float, bool]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([float(fraud) for *_, fraud in rows]),
        np.array([score for _, _, score, _ in rows]),
        np.datetime64("2024-01-01", "D") + np.array([day for day, *_ in rows]).astype("timedelta64[D]"),
        np.array([f"card {card}" for _, card, *_ in rows]),
    )


def slow_group_precision(rows: list[tuple[int, int, float, bool]], k: int, remove_found: bool) -> list[float]:
    found: set[int] = set()
    result = []
    for day in sorted({day for day, *_ in rows}):
        best: dict[int, float] = {}
        bad: set[int] = set()
        for when, card, score, fraud in rows:
            if when == day and card not in found:
                best[card] = max(score, best.get(card, -1.0))
                if fraud:
                    bad.add(card)
        ranked = sorted(best, key=lambda card: (-best[card], card))[:k]
        hits = [card for card in ranked if card in bad]
        result.append(len(hits) / k)
        if remove_found:
            found.update(hits)
    return result


@given(rows=payments, k=st.integers(1, 4), remove_found=st.booleans())
def test_group_precision_is_what_its_definition_says(
    rows: list[tuple[int, int, float, bool]], k: int, remove_found: bool
) -> None:
    daily = group_precision_by_day(*arrays(rows), k=k, remove_found=remove_found)
    assert list(daily.values()) == slow_group_precision(rows, k, remove_found)
    assert list(daily) == sorted(daily)


@given(rows=payments, seed=st.integers(0, 100))
def test_group_precision_does_not_depend_on_the_order_of_rows(
    rows: list[tuple[int, int, float, bool]], seed: int
) -> None:
    mixed = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert group_precision_at_k(*arrays(rows), k=2) == group_precision_at_k(*arrays(mixed), k=2)


def test_a_card_found_on_one_day_makes_room_on_the_next() -> None:
    rows = [(0, 1, 0.9, True), (0, 2, 0.8, True), (1, 1, 0.9, True), (1, 2, 0.8, True)]
    assert list(group_precision_by_day(*arrays(rows), k=1).values()) == [1.0, 1.0]
    rows[3] = (1, 2, 0.8, False)
    assert list(group_precision_by_day(*arrays(rows), k=1).values()) == [1.0, 0.0]
    assert list(group_precision_by_day(*arrays(rows), k=1, remove_found=False).values()) == [1.0, 1.0]


labelled = st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@settings(deadline=None)
@given(rows=labelled)
def test_auc_is_the_chance_that_a_positive_scores_above_a_negative(rows: list[tuple[bool, float]]) -> None:
    positive = [score for label, score in rows if label]
    negative = [score for label, score in rows if not label]
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    y, prediction = np.array([float(label) for label, _ in rows]), np.array([score for _, score in rows])
    assert auc_roc(y, prediction) == pytest.approx(wins / (len(positive) * len(negative)))


@settings(deadline=None)
@given(rows=labelled)
def test_average_precision_weighs_precision_by_the_gain_in_recall(rows: list[tuple[bool, float]]) -> None:
    total, expected, before = sum(label for label, _ in rows), 0.0, 0.0
    for threshold in sorted({score for _, score in rows}, reverse=True):
        flagged = [label for label, score in rows if score >= threshold]
        recall = sum(flagged) / total
        expected += (recall - before) * sum(flagged) / len(flagged)
        before = recall
    y, prediction = np.array([float(label) for label, _ in rows]), np.array([score for _, score in rows])
    assert average_precision(y, prediction) == pytest.approx(expected)


@given(rows=st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60), bins=st.integers(1, 12))
def test_reliability_bins_hold_every_row_once_in_order_and_never_split_equals(
    rows: list[tuple[bool, float]], bins: int
) -> None:
    y, prediction = np.array([float(label) for label, _ in rows]), np.array([score for _, score in rows])
    found = reliability_bins(y, prediction, bins)
    assert sum(item.rows for item in found) == len(rows)
    assert len(found) <= bins
    sizes = np.cumsum([item.rows for item in found])[:-1]
    ordered = np.sort(prediction)
    assert all(ordered[size - 1] < ordered[size] for size in sizes)
    assert sum(item.rows * item.observed_ratio for item in found) == pytest.approx(y.sum())


def test_calibration_error_is_zero_for_honest_and_large_for_boastful_probabilities() -> None:
    y = np.tile([1.0, 0.0, 0.0, 0.0], 50)
    assert calibration_error(y, np.full(200, 0.25)) == pytest.approx(0.0)
    assert calibration_error(y, np.full(200, 0.95)) == pytest.approx(0.7)
    with pytest.raises(MetricError, match="are no probabilities"):
        calibration_error(y, np.full(200, 1.5))


def test_confusion_counts_rows_at_the_threshold_as_flagged() -> None:
    found = confusion_at(np.array([1.0, 1.0, 0.0, 0.0, 0.0]), np.array([0.5, 0.4, 0.5, 0.1, 0.2]), 0.5)
    assert (found.true_positives, found.false_positives, found.false_negatives, found.true_negatives) == (1, 1, 1, 2)
    assert (found.precision, found.recall, found.flagged_ratio) == (0.5, 0.5, 0.4)
    nothing = confusion_at(np.array([0.0]), np.array([0.1]), 0.5)
    assert (nothing.precision, nothing.recall) == (0.0, 0.0)


def test_errors_of_values_and_probabilities() -> None:
    y, prediction = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 2.0, 3.0, 2.0])
    assert (rmse(y, prediction), mae(y, prediction), r2(y, prediction)) == (2.0, 1.0, pytest.approx(1 - 16 / 14))
    assert r2(y, np.full(4, y.mean())) == 0.0
    outcome = np.array([1.0, 0.0])
    assert brier(outcome, np.array([0.8, 0.4])) == pytest.approx((0.04 + 0.16) / 2)
    assert log_loss(outcome, np.array([0.5, 0.5])) == pytest.approx(np.log(2))
    assert np.isfinite(log_loss(outcome, np.array([0.0, 1.0])))


def scored(y: list[float], prediction: list[float], group: list[int] | None = None) -> Scored:
    days = np.full(len(y), np.datetime64("2024-01-01", "D"))
    return Scored(np.array(y), np.array(prediction), days, None if group is None else np.array(group))


def test_metrics_are_found_by_the_name_a_requirement_uses() -> None:
    rows = scored([1.0, 0.0, 1.0], [0.9, 0.1, 0.8], [1, 2, 3])
    names = ["auc_roc", "average_precision", "group_precision_at_2", "brier"]
    assert [metric(rows) for metric in make_metrics(names, "binary")] == pytest.approx([1.0, 1.0, 1.0, 0.02])
    assert [metric.higher_is_better for metric in make_metrics(names, "binary")] == [True, True, True, False]
    with pytest.raises(
        MetricError, match=r"metric 'gini' does not exist; the metrics are auc_roc, .*group_precision_at_100"
    ):
        TASKS["binary"].metric("gini")


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("auc_roc", scored([0.0, 0.0], [0.1, 0.2]), "all 2 labels are 0: both classes are needed"),
        ("average_precision", scored([1.0], [0.1]), "all 1 labels are 1"),
        ("brier", scored([], []), "there are no rows"),
        ("brier", scored([1.0, 0.0], [float("nan"), 0.5]), "1 of 2 predictions are not finite"),
        ("group_precision_at_100", scored([1.0], [0.5]), "no group column is declared"),
        ("r2", scored([2.0, 2.0], [1.0, 2.0]), "all 2 labels are 2: there is no variance"),
        ("calibration_error", scored([1.0, 0.0], [3.0, 0.5]), "are no probabilities"),
    ],
)
def test_a_metric_that_cannot_be_computed_says_why(name: str, rows: Scored, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        TASKS["regression" if name == "r2" else "binary"].metric(name)(rows)
