"""Inputs that nothing can be learned from: each with a clear outcome, and the other candidates go on."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from platform_assets.declaration.sections.search import IntRange, Search
from platform_assets.declaration.sections.training import DeclaredLearner as Declared
from platform_assets.declaration.sections.training import Splits, Training
from platform_assets.tasks.registry import make_metrics
from platform_assets.training.compare import ComparisonError
from platform_assets.training.dataset import Dataset, DatasetError
from platform_assets.training.folds import days_needed, final_test_fold
from platform_assets.training.learners import LearnerSettingsError
from platform_assets.training.predictor import InputError
from platform_assets.training.selection import Selection, paired_difference, select_learner, selection_folds

FIRST = date(2024, 1, 1)
DAYS, ROWS_A_DAY = 24, 30
AS_OF = FIRST + timedelta(days=DAYS)
SPLITS = Splits(train_days=4, delay_days=1, test_days=3, folds=3)


def learner(name: str, kind: str, **more: Any) -> Declared:
    return Declared(name=name, kind=kind, **more)


CONSTANT = learner("constant", "constant", baseline=True)
RULE = learner("rule", "rule", feature="signal", settings={"threshold": 0.5})
LOGISTIC = learner("logistic", "logistic_regression")


def training(*learners: Declared, **more: Any) -> Training:
    return Training(
        task="binary",
        learners=learners or (CONSTANT, RULE, LOGISTIC),
        metrics=("average_precision", "brier"),
        select_by="average_precision",
        **{"splits": SPLITS, **more},
    )


def rows() -> Dataset:
    rng = np.random.default_rng(5)
    n = DAYS * ROWS_A_DAY
    X = rng.random((n, 3))
    y = (rng.random(n) < 0.1 + 0.6 * (X[:, 0] > 0.5)).astype(np.float64)
    days = np.datetime64(FIRST, "D") + np.repeat(np.arange(DAYS), ROWS_A_DAY).astype("timedelta64[D]")
    return Dataset(X, y, days, None, np.arange(n), ("signal", "other", "third"))


def selected(declared: Training, dataset: Dataset, lines: list[str] | None = None) -> Selection:
    say = (lambda line: None) if lines is None else lines.append
    return select_learner(
        declared, dataset, AS_OF, 1, make_metrics(declared.metrics, declared.task), say, exclude_known_groups=False
    )


def failures(selection: Selection) -> Mapping[str, str | None]:
    return {result.candidate.name: result.failure for result in selection.comparison.results}


def test_good_rows_have_a_winner() -> None:
    selection = selected(training(), rows())
    assert selection.winner.name in ("rule", "logistic")
    assert selection.final_test is None
    assert set(failures(selection).values()) == {None}


def test_labels_of_one_class_leave_no_winner_and_say_so() -> None:
    dataset = rows()
    with pytest.raises(ComparisonError, match=r"could be computed for no candidate: .*both classes are needed"):
        selected(training(), replace(dataset, y=dataset.y * 0))


def test_one_class_in_one_fold_leaves_out_who_cannot_learn_from_it() -> None:
    dataset = rows()
    oldest = selection_folds(SPLITS, AS_OF, 1)[-1]
    early = dataset.event_day <= np.datetime64(oldest.train_last)
    lines: list[str] = []
    with pytest.raises(ComparisonError, match=r"rule: fold 2 \(train .*all \d+ training labels are 0"):
        selected(training(), replace(dataset, y=np.where(early, 0.0, dataset.y)), lines)
    assert any(line.startswith("logistic: left out, fold 2") for line in lines)


def test_fewer_days_of_rows_than_folds_name_the_fold_and_what_to_do() -> None:
    dataset = rows()
    late = dataset.where(dataset.event_day >= np.datetime64(AS_OF - timedelta(days=8)))
    with pytest.raises(DatasetError, match=r"fold 2 .*has 0 training and \d+ test rows; materialize the training set"):
        selected(training(), late)


def test_a_constant_feature_harms_nobody() -> None:
    dataset = rows()
    X = dataset.X.copy()
    X[:, 1] = 7.0
    forest = learner("forest", "random_forest", settings={"n_estimators": 5, "threads": 1})
    trees = learner("trees", "xgboost", settings={"n_estimators": 5})
    selection = selected(training(CONSTANT, LOGISTIC, forest, trees), replace(dataset, X=X))
    assert set(failures(selection).values()) == {None}


def test_a_feature_without_any_value_is_named_with_what_to_declare() -> None:
    dataset = rows()
    X = dataset.X.copy()
    X[:, 1] = np.nan
    empty = replace(dataset, X=X)
    with pytest.raises(
        ComparisonError, match=r"feature 'other': all 120 training rows are null.*declare a number for it"
    ):
        selected(training(), empty)
    assert set(failures(selected(training(impute={"other": 0.0}), empty)).values()) == {None}


def test_an_infinite_value_is_refused_when_asked_for_a_prediction() -> None:
    from platform_assets.training.fit import fit_predictor

    selection = selected(training(), rows())
    predictor = fit_predictor(rows(), selection.winner.learner, 0)
    with pytest.raises(InputError, match="feature 'other' is infinite in row 1"):
        predictor.predict(np.array([[0.1, 0.2, 0.3], [0.1, np.inf, 0.3]]))


def test_an_estimator_that_fails_in_one_fold_is_named_and_the_others_go_on() -> None:
    """Neighbours ask for more rows than the oldest fold has."""
    dataset = rows()
    oldest = selection_folds(SPLITS, AS_OF, 1)[-1]
    sparse = (dataset.event_day <= np.datetime64(oldest.train_last)) & (np.arange(len(dataset)) % 3 > 0)
    neighbours = learner(
        "neighbours", "estimator", estimator="sklearn.neighbors.KNeighborsClassifier", settings={"n_neighbors": 100}
    )
    lines: list[str] = []
    selection = selected(training(CONSTANT, RULE, neighbours), dataset.where(~sparse), lines)
    failure = failures(selection)["neighbours"]
    assert failure is not None
    assert failure.startswith("fold 2")
    assert "n_neighbors" in failure
    assert selection.winner.name == "rule"
    assert any(line.startswith("neighbours: left out, fold 2") for line in lines)


def test_a_wrong_setting_names_the_learner() -> None:
    with pytest.raises(LearnerSettingsError, match=r"training\.learners, trees: .*unknown setting 'trees'"):
        selected(training(CONSTANT, learner("trees", "xgboost", settings={"trees": 3})), rows())


# The final test.


def test_the_final_test_is_seen_by_nobody_but_the_winner_and_once() -> None:
    """Labels of the final test are poison: whoever saw them would be far worse, or better, than without."""
    dataset, splits = rows(), SPLITS.model_copy(update={"final_test_days": 3, "folds": 2})
    fold = final_test_fold(AS_OF, 1, 4, 1, 3)
    final = (dataset.event_day >= np.datetime64(fold.test_first)) & (dataset.event_day <= np.datetime64(fold.test_last))
    search = Search(space={"column": IntRange(type="int", low=0, high=2)}, trials=20)
    searched = learner("rule", "rule", feature="other", settings={"threshold": 0.5}, search=search)
    honest = selected(training(CONSTANT, searched, splits=splits), dataset)
    poisoned = selected(
        training(CONSTANT, searched, splits=splits), replace(dataset, y=np.where(final, 1 - dataset.y, dataset.y))
    )
    assert honest.searches["rule"].best.settings == {"column": 0}
    assert [trial.values for trial in poisoned.searches["rule"].trials] == [
        trial.values for trial in honest.searches["rule"].trials
    ]
    assert poisoned.comparison.means("rule") == honest.comparison.means("rule")
    assert honest.final_test is not None
    assert poisoned.final_test is not None
    assert honest.final_test.test_rows == 3 * ROWS_A_DAY
    assert poisoned.final_test.metrics["brier"] > honest.final_test.metrics["brier"]
    assert honest.final_test.fold == fold
    assert max(item.test_last for item in honest.comparison.folds) < fold.test_first


def test_the_training_set_reaches_back_far_enough_for_the_final_test() -> None:
    without, with_final = days_needed(7, 7, 7, 7, 4), days_needed(7, 7, 7, 7, 4, final_test_days=7)
    assert with_final.first == without.first - 7
    assert with_final.last == without.last


def test_a_paired_difference_is_in_favour_of_the_better_whatever_the_metrics_direction() -> None:
    comparison = selected(training(), rows()).comparison
    for metric in ("average_precision", "brier"):
        found = paired_difference(comparison, "rule", "constant", metric)
        assert found.mean > 0.0
        assert found.better_folds == 3
        assert len(found.differences) == 3
        assert paired_difference(comparison, "constant", "rule", metric).mean == pytest.approx(-found.mean)


# Ensembles, as declared.


def test_an_ensemble_joins_the_declared_learners_with_the_settings_that_were_found() -> None:
    search = Search(space={"column": IntRange(type="int", low=0, high=2)}, trials=20)
    searched = learner("rule", "rule", feature="other", settings={"threshold": 0.5}, search=search)
    blend = learner("blend", "blend", of=("rule", "logistic"), calibrate="sigmoid")
    selection = selected(training(CONSTANT, searched, LOGISTIC, blend), rows())
    joined: Any = selection.comparison.result("blend").candidate.learner
    [inner] = joined.members
    assert inner.members[0].settings["column"] == selection.searches["rule"].best.settings["column"] == 0
    assert failures(selection)["blend"] is None
