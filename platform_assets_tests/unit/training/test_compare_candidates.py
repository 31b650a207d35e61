"""The comparison: same rows for all, failures named, ties to the simpler, the refit on the days it was told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration.sections.search import Search
from platform_assets.tasks.registry import make_metrics
from platform_assets.training.compare import (
    Candidate,
    Comparison,
    ComparisonError,
    compare,
    refit,
    select,
    split_fold,
)
from platform_assets.training.dataset import Dataset, DatasetError
from platform_assets.training.folds import Fold, prequential_folds, refit_days
from platform_assets.training.learners import Learner, LearnerKind, TrainingError, make_learner
from platform_assets.training.learners.base import Days, Matrix, Objective, Vector
from platform_assets.training.learners.constant import ConstantModel
from platform_assets.training.learners.constant import load as load_constant
from platform_assets.training.selection import paired_difference
from platform_assets.training.tuning.search import search_candidate

FIRST = date(2024, 1, 1)
AS_OF = FIRST + timedelta(days=11)
FOLDS = prequential_folds(AS_OF, label_delay_days=1, train_days=3, delay_days=0, test_days=2, folds=2)


class FirstFeature(ConstantModel):
    """Predicts the first feature."""

    def predict(self, X: Matrix) -> Vector:
        return X[:, 0].copy()


def learner_that(name: str, fit: Any) -> Candidate:
    kind = LearnerKind(name, "", MappingProxyType({}), fit, load_constant, ("numpy",))
    return Candidate(name, Learner(kind, "binary", {}))


def fit_first_feature(
    X: Matrix, y: Vector, event_day: Days | None, task: Objective, settings: Mapping[str, Any], seed: int
) -> FirstFeature:
    return FirstFeature(0.0)


def fit_on_early_days_only(
    X: Matrix, y: Vector, event_day: Days | None, task: Objective, settings: Mapping[str, Any], seed: int
) -> FirstFeature:
    assert event_day is not None
    if event_day[-1] > np.datetime64(FOLDS[1].train_last):
        raise TrainingError("it does not converge")
    return FirstFeature(0.0)


def make_dataset() -> Dataset:
    """Ten rows a day over twelve days; one positive a day, which the first feature gives away."""
    days = np.repeat(np.arange(12), 10)
    place = np.tile(np.arange(10), 12)
    return Dataset(
        X=np.column_stack([(place == 3) * 0.6 + 0.2, place]).astype(np.float64),
        y=(place == 3).astype(np.float64),
        event_day=np.datetime64(FIRST, "D") + days.astype("timedelta64[D]"),
        group=place,
        key=np.arange(120),
        features=("signal", "place"),
    )


CONSTANT = Candidate("constant", make_learner("constant"), baseline=True)
SIGNAL = learner_that("signal", fit_first_feature)


def compared(*candidates: Candidate, lines: list[str] | None = None) -> Comparison:
    said = [] if lines is None else lines
    return compare(
        make_dataset(), FOLDS, candidates, make_metrics(["average_precision", "brier"], "binary"), 0, said.append
    )


def test_every_candidate_is_measured_on_the_same_rows_of_every_fold() -> None:
    lines: list[str] = []
    comparison = compared(CONSTANT, SIGNAL, lines=lines)
    for result in comparison.results:
        assert [(fold.train_rows, fold.test_rows) for fold in result.folds] == [(30, 20), (30, 20)]
    assert comparison.means("constant")["average_precision"] == pytest.approx(0.1)
    assert comparison.means("signal")["average_precision"] == 1.0
    assert comparison.result("signal").std("average_precision") == 0.0
    assert len(lines) == 4
    assert lines[0].startswith("constant: fold 1 of 2, average_precision 0.1000")


def test_predictions_of_the_latest_fold_are_kept_with_their_rows() -> None:
    comparison = compared(CONSTANT, SIGNAL)
    latest = comparison.latest_scored("signal")
    assert set(latest.event_day.astype(str)) == {"2024-01-10", "2024-01-11"}
    np.testing.assert_array_equal(latest.prediction >= 0.5, latest.y == 1.0)


def test_the_best_wins_in_the_metrics_own_direction_and_the_simplest_among_equals() -> None:
    comparison = compared(CONSTANT, SIGNAL, learner_that("signal_again", fit_first_feature))
    assert select(comparison, "average_precision").name == "signal"
    assert select(comparison, "brier").name == "signal"
    assert select(comparison, "brier", tie_tolerance=1.0).name == "constant"
    with pytest.raises(ComparisonError, match="'recall' was not measured; measured were average_precision, brier"):
        select(comparison, "recall")


def test_a_candidate_that_fails_in_one_fold_is_left_out_and_says_why() -> None:
    lines: list[str] = []
    comparison = compared(CONSTANT, learner_that("fragile", fit_on_early_days_only), lines=lines)
    fragile = comparison.result("fragile")
    assert fragile.failure is not None
    assert "fold 0" in fragile.failure
    assert "does not converge" in fragile.failure
    assert np.isnan(fragile.mean("brier"))
    assert select(comparison, "brier").name == "constant"
    assert any(line.startswith("fragile: left out") for line in lines)
    with pytest.raises(ComparisonError, match=r"no candidate: fragile: fold 0 .*does not converge"):
        select(compared(learner_that("fragile", fit_on_early_days_only)), "brier")


def test_a_metric_that_cannot_be_computed_is_not_a_number_and_says_why() -> None:
    honest = make_dataset()
    one_class = Dataset(honest.X, honest.y * 0, honest.event_day, honest.group, honest.key, honest.features)
    comparison = compare(
        one_class, FOLDS, [CONSTANT], make_metrics(["auc_roc", "brier"], "binary"), 0, lambda line: None
    )
    assert np.isnan(comparison.means("constant")["auc_roc"])
    assert "both classes" in comparison.result("constant").folds[0].problems["auc_roc"]
    assert comparison.means("constant")["brier"] == 0.0
    with pytest.raises(ComparisonError, match="could be computed for no candidate: constant: all 20 labels are 0"):
        select(comparison, "auc_roc")


def one_class_in(folds: Sequence[Fold]) -> Dataset:
    """Rows without a positive in the test periods of these folds."""
    honest = make_dataset()
    y = honest.y.copy()
    for fold in folds:
        days = (honest.event_day >= np.datetime64(fold.test_first)) & (
            honest.event_day <= np.datetime64(fold.test_last)
        )
        y[days] = 0.0
    return replace(honest, y=y)


FOUR = prequential_folds(AS_OF, label_delay_days=1, train_days=3, delay_days=0, test_days=2, folds=4)


def test_a_fold_of_one_class_counts_for_nobody_and_is_told_once() -> None:
    lines: list[str] = []
    metrics = make_metrics(["auc_roc", "brier"], "binary")
    comparison = compare(one_class_in([FOUR[2]]), FOUR, [CONSTANT, SIGNAL], metrics, 0, lines.append)
    assert select(comparison, "auc_roc").name == "signal"
    assert comparison.means("signal")["auc_roc"] == 1.0
    assert comparison.result("signal").std("auc_roc") == 0.0
    assert len(comparison.result("signal").counted("brier")) == 4
    told = [line for line in lines if "does not count" in line]
    assert told == [
        f"fold 2 ({FOUR[2].describe()}) does not count for auc_roc: all 20 labels are 0: both classes are needed"
    ]
    assert paired_difference(comparison, "signal", "constant", "auc_roc").better_folds == 3


def test_fewer_than_half_of_the_folds_are_no_comparison() -> None:
    metrics = make_metrics(["auc_roc", "brier"], "binary")
    comparison = compare(one_class_in(FOUR[:3]), FOUR, [CONSTANT, SIGNAL], metrics, 0, lambda line: None)
    assert np.isnan(comparison.means("signal")["auc_roc"])
    says = r"all 20 labels are 0.*\(1 of 4 folds have labels that allow it, 2 are needed\).*lengthen training.splits.test_days"
    with pytest.raises(ComparisonError, match=says):
        select(comparison, "auc_roc")
    assert select(comparison, "brier").name == "constant"


def test_a_search_leaves_the_fold_out_too() -> None:
    [metric] = make_metrics(["auc_roc"], "binary")
    rows = one_class_in([FOUR[2]])
    splits = [split_fold(rows, fold, False) for fold in FOUR]
    learner = Candidate("line", make_learner("logistic_regression"))
    search = Search.model_validate({"trials": 2, "space": {"C": {"type": "float", "low": 0.1, "high": 1.0}}})
    _, result = search_candidate(learner, search, splits, metric, 0, lambda line: None)
    assert {trial.state for trial in result.trials} <= {"complete", "pruned"}
    assert len(result.best.values) == 3


def test_a_fold_without_rows_names_its_days() -> None:
    early = [Fold(0, date(2023, 1, 1), date(2023, 1, 2), date(2024, 1, 1), date(2024, 1, 2))]
    with pytest.raises(DatasetError, match=r"train 2023-01-01 to 2023-01-02.*has 0 training and 20 test rows"):
        compare(make_dataset(), early, [CONSTANT], make_metrics(["brier"], "binary"), 0, lambda line: None)


def test_two_candidates_of_one_name_are_refused() -> None:
    with pytest.raises(ComparisonError, match="different names"):
        compared(CONSTANT, CONSTANT)


def test_the_winner_is_fitted_again_on_the_days_it_is_told_and_remembers_them() -> None:
    predictor = refit(make_dataset(), refit_days(AS_OF, 1, 3), CONSTANT, seed=5)
    assert (predictor.trained_on.first_day, predictor.trained_on.last_day) == ("2024-01-09", "2024-01-11")
    assert (predictor.trained_on.rows, predictor.trained_on.label_mean) == (30, pytest.approx(0.1))
    assert predictor.predict(np.zeros((2, 2))).tolist() == pytest.approx([0.1, 0.1])
    with pytest.raises(TrainingError, match="there are no training rows"):
        refit(make_dataset(), (date(2030, 1, 1), date(2030, 1, 2)), CONSTANT, seed=5)
