"""The bootstrap of the book's table: its metrics are the platform's, a customer drawn twice counts twice, intervals hold the difference."""

import numpy as np

from benchmarks.common.paired import FoldScores, Resampled, paired_intervals
from platform_assets.tasks.binary.metrics import auc_roc, average_precision, group_precision_at_k


def fold(seed: int, skill: float) -> FoldScores:
    rng = np.random.default_rng(seed)
    y = (rng.random(600) < 0.15).astype(np.float64)
    score = np.round(skill * y + np.random.default_rng(seed + 50).normal(size=600), 1)  # with ties
    day = np.datetime64("2024-01-01", "D") + rng.integers(0, 3, 600).astype("timedelta64[D]")
    return FoldScores(y, score, day, rng.integers(0, 80, 600))


def test_each_customer_once_gives_the_platforms_own_metrics() -> None:
    rows = fold(1, 1.0)
    groups = np.unique(rows.group)
    result = Resampled(rows, groups, k=10).metrics(np.ones(len(groups)))
    expected = [
        auc_roc(rows.y, rows.score),
        average_precision(rows.y, rows.score),
        group_precision_at_k(rows.y, rows.score, rows.day, rows.group, 10),
    ]
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_a_customer_drawn_twice_counts_like_two() -> None:
    rows = fold(2, 1.0)
    groups = np.unique(rows.group)
    weight = np.ones(len(groups))
    weight[:20] = 2.0
    twice = np.repeat(np.arange(600), np.where(rows.group < groups[20], 2, 1))
    result = Resampled(rows, groups, k=10).metrics(weight)
    np.testing.assert_allclose(result[0], auc_roc(rows.y[twice], rows.score[twice]), rtol=1e-12)
    np.testing.assert_allclose(result[1], average_precision(rows.y[twice], rows.score[twice]), rtol=1e-12)


def test_a_better_model_leads_and_its_interval_holds_the_difference() -> None:
    folds = [{"good": fold(seed, 2.5), "bad": fold(seed, 0.3)} for seed in (3, 4)]
    [(auc, low, high), *_] = paired_intervals(folds, "good", k=10, draws=60, seed=0)["bad"]
    assert 0.0 < low < auc < high
