"""Samples that keep every kind of label, and importances on folds whose labels are many, few or all alike."""

import numpy as np
import pytest

from platform_assets.declaration import UseCase
from platform_assets.pipelines.track_training import IMPORTANCE_ROWS, permutation_importances
from platform_assets.testing.declare import declare
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import fit_predictor
from platform_assets.training.learners.registry import make_learner
from platform_assets.training.samples import stratified, with_rare_rows


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_few_positives_are_all_there_and_many_have_their_share() -> None:
    few, many = np.zeros(9_000), np.arange(9_000) % 2.0
    few[::100] = 1
    chosen = with_rare_rows(few, np.flatnonzero(few == 1), 4_000, rng())
    assert len(chosen) == 4_000
    assert few[chosen].sum() == 90
    chosen = with_rare_rows(many, np.flatnonzero(many == 1), 4_000, rng())
    assert len(chosen) == 4_000
    assert many[chosen].mean() == 0.5


def test_no_label_is_left_out_however_few_rows_it_has() -> None:
    y = np.zeros(50_000)
    y[7], y[100:120] = 1, 2
    chosen = stratified(y, 1_000, rng())
    assert set(y[chosen]) == {0, 1, 2}
    assert len(chosen) <= 1_001
    assert (np.diff(chosen) > 0).all()


def case(select_by: str, label: object = None) -> UseCase:
    metrics = {"metrics": [select_by], "select_by": select_by}
    return declare(
        events={"key": "int64", "at": "datetime", "a": "float64", "b": "float64"},
        label={"y": label or [0, 1]},  # type: ignore[dict-item]
        training=metrics,
    )


@pytest.mark.parametrize(
    ("select_by", "positives"),
    [("auc_roc", 0.5), ("log_loss", 0.5), ("auc_roc", 0.95), ("log_loss", 1.0), ("auc_roc", 1.0), ("auc_roc", 0.0)],
)
def test_importances_of_a_fold_of_nine_thousand_labels(select_by: str, positives: float) -> None:
    random, n = rng(), 9_000
    X = random.normal(size=(n, 2))
    order = np.argsort(X[:, 0])
    y = np.zeros(n)
    y[order[n - int(n * positives) :]] = 1
    days = np.full(n, np.datetime64("2024-01-01", "D"))
    rows = Dataset(X, y, days, None, np.arange(n), ("a", "b"))
    learned = Dataset(X, (X[:, 0] > 0).astype(float), days, None, np.arange(n), ("a", "b"))
    predictor = fit_predictor(learned, make_learner("logistic_regression", {}), 0)
    importances = permutation_importances(case(select_by), predictor, rows)
    if positives in (0.0, 1.0) and select_by == "auc_roc":
        assert importances == {}
    elif positives == 1.0:
        assert set(importances) == {"a", "b"}
    else:
        assert importances["a"] > importances["b"]
    assert n > IMPORTANCE_ROWS


def test_labels_of_one_kind_only_are_refused_with_what_to_declare() -> None:
    X, days = rng().normal(size=(50, 2)), np.full(50, np.datetime64("2024-01-01", "D"))
    rows = Dataset(X, np.ones(50), days, None, np.arange(50), ("a", "b"))
    with pytest.raises(ValueError, match=r"all 50 training labels are 1.*declare `label.absent`"):
        fit_predictor(rows, make_learner("logistic_regression", {}), 0)
