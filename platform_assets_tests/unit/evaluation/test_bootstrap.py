"""The paired bootstrap against its obvious form: rows written out as often as they were drawn, and the metric on them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from platform_assets.evaluation.metrics import bootstrap
from platform_assets.evaluation.metrics.bootstrap import clusters_of, paired_difference
from platform_assets.tasks.metric import MetricError, NamedMetric, Scored
from platform_assets.tasks.registry import TASKS

FAST = ("average_precision", "auc_roc", "brier", "log_loss", "rmse", "mae", "r2")
DAY = np.datetime64("2024-06-01")


def rows(y: NDArray[np.float64], prediction: NDArray[np.float64], groups: int | None = 7) -> Scored:
    group = None if groups is None else np.arange(len(y)) % groups
    return Scored(y, prediction, DAY + np.arange(len(y)) % 10, group)


def named(metric: str) -> NamedMetric:
    return TASKS["regression" if metric in TASKS["regression"].declared.metrics else "binary"].metric(metric)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(FAST), distinct=st.integers(2, 30))
def test_a_draw_is_the_metric_on_rows_written_out(seed: int, metric: str, distinct: int) -> None:
    rng = np.random.default_rng(seed)
    y = (rng.random(60) < 0.3).astype(np.float64)
    y[:2] = 0.0, 1.0
    prediction = rng.integers(0, distinct, 60) / distinct  # ties
    taken = rng.integers(0, 4, 60)
    taken[:2] = 1
    written_out = np.repeat(np.arange(60), taken)
    scored = rows(y, prediction)
    by_cluster = named(metric).by_cluster
    assert by_cluster is not None
    measure = by_cluster(scored, np.arange(60))
    expected = named(metric)(rows(y[written_out], prediction[written_out]))
    assert measure(taken) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric", ["group_precision_at_100", "calibration_error"])
def test_a_metric_that_needs_the_rows_themselves_is_drawn_too(metric: str) -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.3).astype(np.float64)
    good, bad = np.clip(y * 0.4 + rng.random(400) * 0.6, 0, 1), rng.random(400)
    found = paired_difference(named(metric), rows(y, good, 200), rows(y, bad, 200), 0.95)
    assert found.lower <= found.difference <= found.upper
    assert found.replicates == bootstrap.SLOW_REPLICATES


def test_the_same_prediction_is_neither_better_nor_worse() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(300) < 0.2).astype(np.float64)
    scored = rows(y, rng.random(300))
    found = paired_difference(named("average_precision"), scored, scored, 0.95)
    assert (found.difference, found.lower, found.upper) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("metric", ["auc_roc", "rmse"])
def test_better_is_positive_whatever_the_metric_and_the_bounds_follow_the_seed(metric: str) -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(500) < 0.3).astype(np.float64)
    good, bad = 0.5 * y + 0.5 * rng.random(500), rng.random(500)
    found = paired_difference(named(metric), rows(y, good), rows(y, bad), 0.95)
    assert found.difference > found.lower > 0.0
    assert found == paired_difference(named(metric), rows(y, good), rows(y, bad), 0.95)
    assert found.lower != paired_difference(named(metric), rows(y, good), rows(y, bad), 0.95, seed=1).lower
    assert paired_difference(named(metric), rows(y, bad), rows(y, good), 0.95).upper < 0.0


def test_whole_groups_are_drawn_whole_days_without_groups_and_rows_when_there_are_too_few_days() -> None:
    y = np.tile([0.0, 1.0], 30)
    assert [int(n) for n in clusters_of(rows(y, y))[0][:8]] == [0, 1, 2, 3, 4, 5, 6, 0]
    assert clusters_of(rows(y, y))[1] == "group"
    assert clusters_of(rows(y, y, None))[1] == "day"
    one_day = Scored(y, y, np.full(60, DAY), None)
    assert clusters_of(one_day)[1] == "row"


def test_rows_that_resemble_each_other_make_the_interval_wider() -> None:
    """Sixty rows of six people who are each right or wrong as a whole are six observations, not sixty."""
    rng = np.random.default_rng(3)
    y, person = rng.normal(size=60), np.repeat(np.arange(6), 10)
    error = np.array([0.1, 0.2, 0.1, 1.9, 2.0, 1.8])[person]
    day = np.full(60, DAY)
    other = np.full(60, 1.0)

    def width(group: NDArray[np.int64]) -> float:
        found = paired_difference(
            named("mae"), Scored(y, y + error, day, group), Scored(y, y + other, day, group), 0.95
        )
        return found.upper - found.lower

    assert width(person) > 1.5 * width(np.arange(60))


def test_what_cannot_be_compared_says_why() -> None:
    y = np.array([0.0] * 59 + [1.0])
    with pytest.raises(MetricError, match=r"could be computed on \d+ of 400 draws of 7 groups"):
        paired_difference(named("auc_roc"), rows(y, y), rows(y, 1 - y), 0.95)
    with pytest.raises(MetricError, match="not of the same rows"):
        paired_difference(named("auc_roc"), rows(y, y), rows(1 - y, y), 0.95)
    with pytest.raises(MetricError, match="no rows"):
        paired_difference(named("rmse"), rows(y[:0], y[:0]), rows(y[:0], y[:0]), 0.95)
