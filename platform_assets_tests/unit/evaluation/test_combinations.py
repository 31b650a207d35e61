"""Labels that were made from features: found in sums, differences, products and ratios, and not in honest data."""

import numpy as np
import pytest
from numpy.typing import NDArray

from platform_assets.evaluation.gates.bounds import nothing_is_perfect
from platform_assets.evaluation.gates.combinations import combination_of
from platform_assets.training.dataset import Dataset

Floats = NDArray[np.float64]


def dataset(X: Floats, y: Floats, names: tuple[str, ...], classes: tuple[str, ...] = ()) -> Dataset:
    days = np.datetime64("2024-01-01") + (np.arange(len(y)) * 20 // len(y)).astype("timedelta64[D]")
    return Dataset(X, y, days, None, np.arange(len(y)), names, classes)


def combination(X: Floats, y: Floats, classes: tuple[str, ...] = ()) -> tuple[str, set[str]] | None:
    """How the label follows from which features, fitted on the first two thirds of the rows."""
    names = tuple("abcdefghijklmnopqrstuvwxyz"[: X.shape[1]])
    cut = 2 * len(y) // 3
    result = combination_of(dataset(X[:cut], y[:cut], names, classes), dataset(X[cut:], y[cut:], names, classes))
    return None if result is None else (result.how, set(result.features))


def columns(seed: int = 0, rows: int = 600, count: int = 6) -> Floats:
    """Counts, amounts and rates, as tables have them; the last two columns have nothing to do with anything."""
    random = np.random.default_rng(seed)
    X = random.lognormal(2.0, 1.0, (rows, count))
    X[:, 0] = random.poisson(20, rows)
    X[:, 1] = random.poisson(200, rows)
    return X


@pytest.mark.parametrize(
    ("label", "how", "features"),
    [
        (lambda X: X[:, 0] + X[:, 1], "sum", {"a", "b"}),
        (lambda X: 8.0 * X[:, 0] + 0.25 * X[:, 1] + 17, "sum", {"a", "b"}),
        (lambda X: X[:, 1] - X[:, 0], "sum", {"a", "b"}),
        (lambda X: X[:, 0] + X[:, 1] + X[:, 2] + X[:, 3], "sum", {"a", "b", "c", "d"}),
        (lambda X: np.float64(np.float32(X[:, 2] + X[:, 3])), "sum", {"c", "d"}),
        (lambda X: np.round(X[:, 2] + X[:, 3], 1), "sum", {"c", "d"}),
        (lambda X: X[:, 2] / X[:, 3], "product", {"c", "d"}),
        (lambda X: 3.0 * X[:, 2] * X[:, 3], "product", {"c", "d"}),
        (lambda X: X[:, 2] ** 2 / X[:, 3] * X[:, 4], "product", {"c", "d", "e"}),
    ],
)
def test_a_label_made_from_features_is_found_with_the_few_that_are_enough(label, how, features) -> None:  # type: ignore[no-untyped-def]
    X = columns()
    assert combination(X, label(X)) == (how, features)


def test_it_is_found_through_features_made_of_the_columns_and_with_values_missing() -> None:
    X = columns()
    y = X[:, 0] + X[:, 1]
    made = np.column_stack([X[:, 0] * 0.5 - 3, X[:, 1] * 7 + X[:, 2], X[:, 2:]])
    assert combination(made, y) == ("sum", {"a", "b", "c"})
    holed = X.copy()
    holed[::9, 0] = holed[::11, 1] = np.nan
    holed[: len(X) * 95 // 100, 5] = np.nan
    assert combination(holed, y) == ("sum", {"a", "b"})


def test_classes_that_flags_of_their_kinds_add_up_to_are_found() -> None:
    random = np.random.default_rng(1)
    kinds = (random.random((900, 3)) < 0.1).astype(float)
    kinds[kinds[:, 0] == 1, 1:] = 0
    kinds[kinds[:, 1] == 1, 2] = 0
    X = np.column_stack([kinds, random.normal(size=(900, 2))])
    assert combination(X, kinds.sum(axis=1)) == ("sum", {"a", "b", "c"})
    of_classes = np.where(kinds[:, 0] == 1, 1.0, np.where(kinds[:, 1] + kinds[:, 2] > 0, 2.0, 0.0))
    result = combination(X, of_classes, ("none", "one", "other"))
    assert result is not None
    assert result[0] == "sum"


@pytest.mark.parametrize("seed", range(100))
def test_honest_data_is_not_taken_for_a_leak(seed: int) -> None:
    random = np.random.default_rng(seed)
    X = columns(seed, rows=int(random.integers(120, 900)), count=int(random.integers(2, 12)))
    signal = X @ random.normal(size=X.shape[1]) if seed % 3 else X[:, 0] * X[:, 1] ** 0.5
    noise = random.choice([0.05, 0.2, 1.0, 5.0]) * signal.std()
    y = signal + random.normal(scale=noise, size=len(signal))
    if seed % 4 == 1:  # a number that is mostly zero, with a few huge rows
        y = np.where(random.random(len(y)) < 0.9, 0.0, np.abs(y) ** 2)
    if seed % 4 == 2:
        y = (y > np.quantile(y, random.choice([0.5, 0.9, 0.97]))).astype(float)
    assert combination(X, y) is None


def test_labels_that_do_not_vary_tell_nothing() -> None:
    X = columns()
    assert combination(X, np.ones(len(X))) is None
    assert combination(X, np.r_[np.arange(400) % 2, np.zeros(200)].astype(float)) is None


BASELINES = {"constant": {"r2": 0.0, "rmse": 50.0, "auc_roc": 0.5, "log_loss": 0.6, "accuracy": 0.9999, "mae": 40.0}}


@pytest.mark.parametrize(
    ("metric", "value", "passes"),
    [
        ("r2", 1.0, False),
        ("r2", 0.99996, False),
        ("r2", 0.998, True),
        ("auc_roc", 1.0, False),
        ("auc_roc", 0.97, True),
        ("log_loss", 0.0, False),
        ("log_loss", 0.0004, False),
        ("log_loss", 0.2, True),
        ("rmse", 0.4, False),
        ("rmse", 5.0, True),
        ("mae", 0.0, False),
        ("accuracy", 0.99992, True),
        ("accuracy", 1.0, False),
    ],
)
def test_what_is_perfect_is_not_plausible_by_default(metric: str, value: float, passes: bool) -> None:
    result = nothing_is_perfect([metric], {metric: value}, BASELINES)
    assert result.passed is passes
    assert passes or f"{metric} {value:.4f} is too good to be true" in result.explanation
