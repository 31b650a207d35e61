"""Quality with delayed labels: bounds, label rate, and no verdict as failure."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from platform_assets.declaration.use_case import UseCase
from platform_assets.monitoring.intervals import metric_interval
from platform_assets.monitoring.quality import (
    QualityError,
    QualityResult,
    join_labels,
    production_quality,
    quality_bound,
    quality_by_day,
    quality_days,
)
from platform_assets.tasks.binary.metrics import auc_roc, brier, metric
from platform_assets.tasks.intervals import mean_interval, ratio_interval
from platform_assets.tasks.metric import MetricError, Scored

Make = Callable[..., pl.DataFrame]
LATE = date(2024, 6, 1)
RATE = 0.1


def scored_rows(rows: int, seed: int = 0, rate: float = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of a model with an AUC of about 0.92."""
    random = np.random.default_rng(seed)
    y = (random.random(rows) < rate).astype(float)
    return y, 1 / (1 + np.exp(-(random.normal(size=rows) + 2.0 * y)))


@pytest.fixture
def measure(use_case: UseCase, make_log: Make, make_labels: Make) -> Callable[..., QualityResult]:
    def run(y: np.ndarray, scores: np.ndarray, reference: float = 0.92, rate: float | None = RATE) -> QualityResult:
        log = make_log(scores, days=7)
        joined = join_labels(log, make_labels(log, y), use_case, LATE)
        return production_quality(joined, use_case, {"auc_roc": reference}, rate)

    return run


def test_labels_that_are_not_known_yet_are_not_looked_at(use_case: UseCase, make_log: Make, make_labels: Make) -> None:
    log = make_log([0.1] * 10, days=10)
    labels = make_labels(log, [1] * 10)
    joined = join_labels(log, labels, use_case, date(2024, 3, 8))
    assert joined["event_day"].max() == date(2024, 3, 5)
    assert joined.height == 5
    assert quality_days(use_case, date(2024, 3, 8)) == (date(2024, 2, 28), date(2024, 3, 5))


def test_predictions_whose_label_has_not_come_stay_without_one(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    log = make_log([0.1, 0.2, 0.3])
    labels = make_labels(log, [1, None, 0])[:2]
    joined = join_labels(log, labels, use_case, LATE)
    assert joined["damaged"].to_list() == [1.0, None, None]
    assert joined.columns == [*log.columns, "damaged"]


def test_an_event_scored_twice_counts_with_its_first_answer(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    moment = datetime(2024, 3, 1, tzinfo=UTC)
    log = make_log(
        [0.9, 0.1, 0.5],
        shipment_id=[7, 7, 7],
        scored_at=[moment + timedelta(seconds=2), moment + timedelta(seconds=1), moment],
        model_version=["2", "2", "3"],
    )
    labels = make_labels(log[:1], [1])
    assert join_labels(log, labels, use_case, LATE)["score"].to_list() == [0.5]
    assert join_labels(log, labels, use_case, LATE, model_versions={"2"})["score"].to_list() == [0.1]
    assert join_labels(log, labels, use_case, LATE, model_versions={"9"}).is_empty()


def test_tables_that_cannot_be_joined_are_refused_with_the_reason(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    log = make_log([0.1, 0.2])
    labels = make_labels(log, [1, 0])
    with pytest.raises(QualityError, match="the label table claims lacks the column damaged"):
        join_labels(log, labels.drop("damaged"), use_case, LATE)
    with pytest.raises(QualityError, match="the prediction log lacks the column score"):
        join_labels(log.drop("score"), labels, use_case, LATE)
    with pytest.raises(QualityError, match=r"2 of 2 rows repeat a key.*shipment_id"):
        join_labels(log, labels.with_columns(shipment_id=pl.lit(1, pl.Int32)), use_case, LATE)


def test_a_model_that_is_as_good_as_promised_passes(measure: Callable[..., QualityResult]) -> None:
    y, scores = scored_rows(3000)
    result = measure(y, scores)
    assert result.passed
    assert result.metrics["auc_roc"] == pytest.approx(auc_roc(y, scores))
    assert set(result.metrics) == {"auc_roc", "average_precision", "brier"}
    assert (result.rows, result.labelled_rows, result.coverage_ratio) == (3000, 3000, 1.0)
    assert (result.first_day, result.last_day) == (date(2024, 3, 1), date(2024, 3, 7))
    assert result.bounds["auc_roc"] == pytest.approx(0.8 * 0.92)
    interval = result.intervals["auc_roc"]
    assert interval.low < result.metrics["auc_roc"] < interval.high
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["first_day"] == "2024-03-01"


def test_concept_drift_is_a_lost_metric(measure: Callable[..., QualityResult]) -> None:
    y, scores = scored_rows(3000)
    result = measure(np.random.default_rng(1).permutation(y), scores)
    assert result.status == "violated"
    assert not result.passed
    (violation,) = result.violations
    assert (violation.cause, violation.name) == ("quality", "auc_roc")
    assert "below the bound of 0.7360" in violation.explanation


def test_a_declared_bound_holds_whatever_the_evaluation_had(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    y, scores = scored_rows(3000)

    def judged(**bounds: float) -> QualityResult:
        monitoring = use_case.monitoring.model_copy(update={"bounds": bounds})
        declared = use_case.model_copy(update={"monitoring": monitoring})
        log = make_log(scores, days=7)
        joined = join_labels(log, make_labels(log, y), declared, LATE)
        return production_quality(joined, declared, {"auc_roc": 0.92}, RATE)

    kept = judged(auc_roc=0.5, brier=0.9)
    assert kept.passed
    assert kept.bounds == {"auc_roc": pytest.approx(0.8 * 0.92), "brier": 0.9}
    assert set(kept.intervals) == {"auc_roc", "brier"}
    lost = judged(auc_roc=0.97, brier=0.01)
    assert [(violation.cause, violation.name) for violation in lost.violations] == [
        ("quality", "auc_roc"),
        ("quality", "brier"),
    ]
    assert lost.bounds["auc_roc"] == 0.97


def test_a_bound_on_a_metric_that_cannot_be_computed_gives_no_verdict(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    monitoring = use_case.monitoring.model_copy(update={"bounds": {"group_precision_at_100": 0.5}})
    declared = use_case.model_copy(update={"monitoring": monitoring})
    y, scores = scored_rows(3000)
    log = make_log(scores, days=7)
    result = production_quality(
        join_labels(log, make_labels(log, y), declared, LATE), declared, {"auc_roc": 0.92}, RATE
    )
    assert result.status == "no_verdict"
    assert "group_precision_at_100 has a bound" in result.explanation


def test_a_small_window_does_not_cry_wolf_and_a_large_one_is_heard(measure: Callable[..., QualityResult]) -> None:
    small, large = scored_rows(250, seed=3), scored_rows(6000, seed=3)
    promised = 1.19
    assert measure(*small, reference=promised).metrics["auc_roc"] < 0.8 * promised
    assert measure(*small, reference=promised).status == "ok"
    assert measure(*large, reference=promised).status == "violated"


def test_false_alarms_are_rare_when_nothing_was_lost(measure: Callable[..., QualityResult]) -> None:
    assert sum(not measure(*scored_rows(300, seed=seed)).passed for seed in range(8)) == 0


@pytest.mark.parametrize(("rate", "violated"), [(0.1, False), (0.06, False), (0.3, True), (0.02, True)])
def test_label_drift_is_a_label_rate_outside_the_declared_ratio(
    measure: Callable[..., QualityResult], rate: float, violated: bool
) -> None:
    result = measure(*scored_rows(4000, rate=rate))
    assert [violation.cause for violation in result.violations] == (["label_rate"] if violated else [])
    assert result.label_rate == pytest.approx(rate, rel=0.3)


def test_without_a_reference_rate_the_label_rate_is_not_compared(measure: Callable[..., QualityResult]) -> None:
    assert measure(*scored_rows(4000, rate=0.5), rate=None).passed


@pytest.mark.parametrize("label", [0.0, 1.0], ids=["all negative", "all positive"])
def test_labels_that_are_all_alike_are_a_violation_although_the_metric_cannot_be_computed(
    measure: Callable[..., QualityResult], label: float
) -> None:
    result = measure(np.full(2000, label), scored_rows(2000)[1])
    assert [violation.cause for violation in result.violations] == ["label_rate"]
    assert "auc_roc" in result.problems
    assert not result.passed


@pytest.mark.parametrize(
    ("rows", "rate", "words"),
    [(0, RATE, "0 labelled rows, 200 are needed"), (150, RATE, "150 labelled rows"), (250, 0.0, "0 of 250")],
)
def test_no_verdict_counts_as_failed(measure: Callable[..., QualityResult], rows: int, rate: float, words: str) -> None:
    result = measure(*scored_rows(rows, rate=rate), rate=None)
    assert result.status == "no_verdict"
    assert not result.passed
    assert words in result.explanation
    json.dumps(result.to_dict(), allow_nan=False)


def test_an_evaluation_without_the_metric_gives_no_verdict(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    y, scores = scored_rows(1000)
    log = make_log(scores)
    result = production_quality(join_labels(log, make_labels(log, y), use_case, LATE), use_case, {"brier": 0.1}, RATE)
    assert result.status == "no_verdict"
    assert "the evaluation has no auc_roc; it has brier" in result.explanation


def test_scores_that_are_no_numbers_are_reported_and_left_out(measure: Callable[..., QualityResult]) -> None:
    y, scores = scored_rows(1000)
    scores[:3] = np.nan
    result = measure(y, scores)
    assert [violation.cause for violation in result.violations] == ["scores"]
    assert "3 of 1000" in result.explanation
    assert result.metrics["auc_roc"] == pytest.approx(auc_roc(y[3:], scores[3:]))


def test_coverage_is_the_share_of_due_labels_that_came(use_case: UseCase, make_log: Make, make_labels: Make) -> None:
    y, scores = scored_rows(1000)
    log = make_log(scores)
    labels = make_labels(log, y)[:750]
    result = production_quality(join_labels(log, labels, use_case, LATE), use_case, {"auc_roc": 0.9}, RATE)
    assert (result.rows, result.labelled_rows, result.coverage_ratio) == (1000, 750, 0.75)


def test_an_error_metric_may_not_rise(regression: UseCase, make_log: Make, make_labels: Make) -> None:
    y = np.random.default_rng(0).integers(1, 100, 1000).astype(float)
    for error, status in ((5.0, "ok"), (10.0, "violated")):
        log = make_log(y + error, decision=[None] * 1000)
        result = production_quality(
            join_labels(log, make_labels(log, y), regression, LATE), regression, {"rmse": 5.0}, 50.0
        )
        assert result.status == status
    assert quality_bound(regression, 5.0) == pytest.approx(6.0)
    log = make_log(y)
    shifted = production_quality(
        join_labels(log, make_labels(log, y), regression, LATE), regression, {"rmse": 5.0}, 10.0
    )
    assert [violation.cause for violation in shifted.violations] == ["label_rate"]


def test_the_metric_by_day_has_a_gap_where_a_day_does_not_allow_it(
    use_case: UseCase, make_log: Make, make_labels: Make
) -> None:
    log = make_log([0.1, 0.9, 0.4, 0.6], days=2)
    joined = join_labels(log, make_labels(log, [0, 1, 0, 0]), use_case, LATE)
    assert quality_by_day(joined, use_case).rows() == [(date(2024, 3, 1), 2, 1.0), (date(2024, 3, 2), 2, None)]
    assert quality_by_day(joined.clear(), use_case).is_empty()


def scored(y: np.ndarray, prediction: np.ndarray, days: int = 1, cards: int | None = None) -> Scored:
    rows = np.arange(len(y))
    event_day = np.datetime64("2024-03-01") + (rows % days)
    return Scored(y, prediction, event_day, rows % cards if cards else None)


def test_the_interval_covers_the_long_run_value() -> None:
    true_value = brier(*scored_rows(400_000, seed=99, rate=0.5))
    covered = 0
    for seed in range(100):
        interval = metric_interval(metric("brier"), scored(*scored_rows(400, seed=seed, rate=0.5)), seed)
        covered += interval.low <= true_value <= interval.high
    assert 80 <= covered <= 98


def test_the_interval_is_the_same_for_the_same_seed_and_narrower_for_more_rows() -> None:
    few, many, huge = (metric_interval(metric("brier"), scored(*scored_rows(rows))) for rows in (500, 5000, 50_000))
    assert few == metric_interval(metric("brier"), scored(*scored_rows(500)))
    assert few.high - few.low > many.high - many.low > huge.high - huge.low


def test_group_precision_is_uncertain_from_day_to_day() -> None:
    y, prediction = scored_rows(2000)
    interval = metric_interval(metric("group_precision_at_10"), scored(y, prediction, days=7, cards=100))
    assert 0.0 <= interval.low < interval.high <= 1.0
    with pytest.raises(MetricError, match="group"):
        metric_interval(metric("group_precision_at_10"), scored(y, prediction, days=7))


def test_share_and_mean_intervals_are_wilsons_and_the_normal_one() -> None:
    from scipy.stats import binomtest

    interval, expected = ratio_interval(15, 148), binomtest(15, 148).proportion_ci(0.9, "wilson")
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert ratio_interval(0, 50).low == 0.0
    assert ratio_interval(50, 50).high == 1.0
    mean = mean_interval(np.array([1.0, 3.0]))
    assert (mean.low, mean.high) == (pytest.approx(2 - 1.6449, abs=1e-3), pytest.approx(2 + 1.6449, abs=1e-3))
