"""Outliers: held between quantiles of the training rows, and of those alone, wherever the model goes."""

from pathlib import Path

import numpy as np
import pytest

from platform_assets.declaration.sections.training import DeclaredLearner, Training
from platform_assets.training.artifact import load, read_manifest, save
from platform_assets.training.dataset import Dataset
from platform_assets.training.fit import declared_imputation, fit_predictor
from platform_assets.training.learners import make_learner
from platform_assets.training.predictor import Clipped, ImputationError, InputError, Predictor, fit_imputation

ROWS = 101


def training_rows() -> Dataset:
    """An amount from 0 to 100 with one missing, and a count that is not clipped."""
    amount = np.arange(ROWS, dtype=np.float64)
    amount[7] = np.nan
    return Dataset(
        X=np.column_stack([amount, amount[::-1]]),
        y=(np.arange(ROWS) % 3 == 0).astype(np.float64),
        event_day=np.full(ROWS, "2024-01-01", dtype="datetime64[D]"),
        group=None,
        key=np.arange(ROWS),
        features=("amount", "count"),
    )


def predictor(kind: str = "logistic_regression") -> Predictor:
    return fit_predictor(training_rows(), make_learner(kind), seed=1, impute={"amount": Clipped("mean", 0.05, 0.95)})


def test_values_beyond_the_quantiles_of_the_training_rows_count_as_the_quantile() -> None:
    rows = training_rows()
    known = rows.X[~np.isnan(rows.X[:, 0]), 0]
    low, high = np.quantile(known, [0.05, 0.95])
    imputation = predictor().imputation
    assert imputation.bounds is not None
    assert imputation.bounds[:, 0].tolist() == [low, high]
    assert imputation.values[0] == np.clip(known, low, high).mean()
    X = np.array([[-5.0, -5.0], [low, 1e9], [1e9, 3.0], [np.nan, np.nan]])
    filled = imputation.filled(X)
    assert filled[:, 0].tolist() == [low, low, high, imputation.values[0]]
    assert filled[:3, 1].tolist() == [-5.0, 1e9, 3.0]


@pytest.mark.parametrize("missing", [0.0, np.nan])
def test_a_prediction_does_not_change_beyond_the_bounds(missing: float) -> None:
    model = predictor()
    assert model.imputation.bounds is not None
    high = float(model.imputation.bounds[1, 0])
    at, beyond = (model.predict(np.array([[amount, 4.0], [1.0, missing]])) for amount in (high, 1e12))
    assert at.tolist() == beyond.tolist()
    below = model.predict(np.array([[high - 1, 4.0], [1.0, missing]]))
    assert below[0] != at[0]
    with pytest.raises(InputError, match="infinite"):
        model.predict(np.array([[np.inf, 1.0]]))


def test_bounds_travel_with_the_model(tmp_path: Path) -> None:
    saved = predictor("constant")
    digest = save(saved, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.imputation.strategies == saved.imputation.strategies
    assert np.array_equal(loaded.imputation.bounds, saved.imputation.bounds)  # type: ignore[arg-type]
    assert save(loaded, tmp_path / "again") == digest
    told = read_manifest(tmp_path / "model")["features"]
    assert told[0]["clip"]["quantiles"] == [0.05, 0.95]
    assert "clip" not in told[1]


def test_declared_clips_and_imputations_come_together() -> None:
    training = Training(
        task="binary",
        learners=(DeclaredLearner(name="constant", kind="constant"),),
        metrics=("auc_roc",),
        select_by="auc_roc",
        impute={"amount": "mean", "count": 0.0},
        clip={"amount": (0.01, 0.99), "age": (0.0, 0.9)},
    )
    assert declared_imputation(training) == {
        "amount": Clipped("mean", 0.01, 0.99),
        "count": 0.0,
        "age": Clipped("median", 0.0, 0.9),
    }


def test_what_has_no_quantiles_is_refused() -> None:
    rows = training_rows()
    with pytest.raises(ImputationError, match="two quantiles"):
        fit_imputation(rows.X, rows.features, {"amount": Clipped("median", 0.9, 0.1)})
    with pytest.raises(ImputationError, match="all 101 training rows are null"):
        fit_imputation(np.full((ROWS, 2), np.nan), rows.features, {"amount": Clipped(0.0, 0.1, 0.9)})
