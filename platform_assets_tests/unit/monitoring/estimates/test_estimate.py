"""Estimates hold the truth when nothing changed, and are withdrawn when labels mean something else."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from platform_assets.monitoring.estimates.belief import Belief, calibration_control, support_control, truth_control
from platform_assets.monitoring.estimates.estimate import FittedOutcomes, ScoredRows, estimate_metric, fitted_outcomes
from platform_assets.tasks.metric import LabelsDoNotVary, MetricError, Vector
from platform_assets.tasks.registry import TASKS

Draw = Callable[[np.random.Generator, int], tuple[Vector, ScoredRows]]


def days(rows: int, count: int = 7) -> NDArray[np.datetime64]:
    return np.datetime64("2024-03-04") + (np.arange(rows) * count // rows).astype("timedelta64[D]")


def fraud(
    random: np.random.Generator, rows: int, shift: float = 0.0, concept: float = 0.0
) -> tuple[Vector, ScoredRows]:
    """Rare positives; the model is overconfident, and `concept` makes its score mean less."""
    risk = random.standard_normal(rows) + shift
    odds = -3.5 + (1.5 - concept) * risk
    y = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(float)
    score = 1 / (1 + np.exp(-(-2.5 + 2.0 * risk)))
    return y, ScoredRows(score, risk[:, np.newaxis], days(rows))


def tumours(random: np.random.Generator, rows: int) -> tuple[Vector, ScoredRows]:
    """Three classes."""
    x = random.standard_normal((rows, 3))
    p = np.exp(1.2 * x) / np.exp(1.2 * x).sum(axis=1, keepdims=True)
    y = (random.random((rows, 1)) > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1).astype(float)
    shown = np.exp(2.0 * x) / np.exp(2.0 * x).sum(axis=1, keepdims=True)
    return y, ScoredRows(shown, x, days(rows))


def demand(random: np.random.Generator, rows: int, noise: float = 1.0) -> tuple[Vector, ScoredRows]:
    """A value whose error grows with an input."""
    x = random.uniform(0.0, 3.0, rows)
    y = 10 * x + noise * (0.5 + x) * random.standard_normal(rows)
    return y, ScoredRows(10 * x, x[:, np.newaxis], days(rows))


def fit(task: str, y: Vector, rows: ScoredRows) -> FittedOutcomes:
    return fitted_outcomes(TASKS[task].fit_outcomes(y, rows.prediction, rows.X), y, rows, {})


@pytest.mark.parametrize(
    ("task", "metric", "draw"),
    [
        ("binary", "average_precision", fraud),
        ("multiclass", "accuracy", tumours),
        ("regression", "rmse", demand),
    ],
)
def test_the_interval_holds_the_truth(task: str, metric: str, draw: Draw) -> None:
    random, named = np.random.default_rng(1), TASKS[task].metric(metric)
    outcomes = fit(task, *draw(random, 3000))
    covered = 0
    for _ in range(5):
        y, rows = draw(random, 1000)
        estimate = estimate_metric(named, outcomes, rows)
        covered += estimate.low <= named(rows.with_labels(y)) <= estimate.high
    assert covered >= 4


def test_an_estimate_follows_requests_that_moved() -> None:
    """Covariate drift: more risky rows, whose labels mean what they meant."""
    random, named = np.random.default_rng(2), TASKS["binary"].metric("brier")
    outcomes = fit("binary", *fraud(random, 6000))
    y, rows = fraud(random, 3000, shift=0.7)
    estimate, quiet = estimate_metric(named, outcomes, rows), estimate_metric(named, outcomes, fraud(random, 3000)[1])
    assert estimate.low <= named(rows.with_labels(y)) <= estimate.high
    assert estimate.low > quiet.high


def test_labels_that_mean_something_else_withdraw_it() -> None:
    random = np.random.default_rng(3)
    outcomes = fit("binary", *fraud(random, 6000))
    named = TASKS["binary"].metric("average_precision")
    as_before, changed = fraud(random, 2000), fraud(random, 2000, concept=2.5)
    assert calibration_control(outcomes, *as_before).passed
    assert truth_control(named, outcomes, *as_before).passed
    control = calibration_control(outcomes, *changed)
    assert control.passed is False
    assert Belief.of([control]).standing == "withdrawn"
    assert truth_control(named, outcomes, *changed).passed is False


def test_errors_that_grew_withdraw_the_estimate_of_a_value() -> None:
    random = np.random.default_rng(4)
    outcomes = fit("regression", *demand(random, 3000))
    assert calibration_control(outcomes, *demand(random, 800)).passed
    assert calibration_control(outcomes, *demand(random, 800, noise=1.5)).passed is False


def test_inputs_beyond_what_was_seen_withdraw_it() -> None:
    random = np.random.default_rng(5)
    reference, window = fraud(random, 3000)[1], fraud(random, 1000, shift=4.0)[1]
    assert support_control(reference, fraud(random, 1000)[1], ["risk"]).passed
    control = support_control(reference, window, ["risk"])
    assert control.passed is False
    assert "risk" in control.explanation or "score" in control.explanation


def test_without_labels_nothing_is_confirmed() -> None:
    random = np.random.default_rng(6)
    outcomes = fit("binary", *fraud(random, 2000))
    y, rows = fraud(random, 10)
    belief = Belief.of([calibration_control(outcomes, y, rows)])
    assert belief.standing == "unconfirmed"
    assert "10 labels" in belief.reason


def test_rows_that_share_their_luck_widen_the_interval() -> None:
    random = np.random.default_rng(7)
    rows, member = 4000, random.permutation(np.repeat(np.arange(200), 20))
    luck = random.standard_normal(200)[member] * 2
    y = (random.random(rows) < 1 / (1 + np.exp(2 - luck))).astype(float)
    scored = ScoredRows(
        np.full(rows, float(y.mean())) + random.uniform(-0.05, 0.05, rows), np.zeros((rows, 1)), days(rows)
    )
    model = TASKS["binary"].fit_outcomes(y, scored.prediction, scored.X)
    alone, together = fitted_outcomes(model, y, scored, {}), fitted_outcomes(model, y, scored, {"member": member})
    assert together.clusters == "member"
    assert together.dispersion > 3 > alone.dispersion


def test_a_metric_without_a_value_says_so() -> None:
    random = np.random.default_rng(8)
    outcomes = fit("binary", *fraud(random, 2000))
    rows = ScoredRows(np.full(5, 1e-6), np.zeros((5, 1)), days(5))
    with pytest.raises(MetricError, match="auc_roc has no value"):
        estimate_metric(TASKS["binary"].metric("auc_roc"), outcomes, rows)
    assert issubclass(LabelsDoNotVary, MetricError)


@pytest.mark.parametrize("name", ["average_precision", "auc_roc"])
def test_a_ranking_of_drawn_labels_is_the_metric_itself(name: str) -> None:
    random, named = np.random.default_rng(9), TASKS["binary"].metric(name)
    y, rows = fraud(random, 3000)
    tied = ScoredRows(np.round(rows.prediction, 2), rows.X, rows.event_day)
    assert named.of_labels is not None
    measured = named.of_labels(tied.with_labels(np.zeros(3000)))(y)
    assert measured == pytest.approx(named(tied.with_labels(y)), rel=1e-12)
