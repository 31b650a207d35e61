"""Pictures of odd evaluations: too little to draw is a picture that says so, never an error, and never a warning."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from platform_assets.evaluation.plots import plot_candidates
from platform_assets.tasks.binary.plots import plot_binary
from platform_assets.tasks.regression.plots import plot_regression
from platform_assets.training.compare import Candidate, CandidateResult, Comparison, FoldResult
from platform_assets.training.dataset import Dataset
from platform_assets.training.folds import Fold
from platform_assets.training.learners import make_learner

PNG = b"\x89PNG\r\n\x1a\n"
DAY = date(2018, 5, 1)
NOTHING = np.empty(0)


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def width_and_height(png: bytes) -> tuple[int, int]:
    assert png.startswith(PNG)
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_has_no_curves_and_is_drawn(label: float) -> None:
    prediction = np.linspace(0, 1, 50)
    png = plot_binary(np.full(50, label), {"challenger": prediction, "champion": prediction[::-1]}, 0.5)
    assert width_and_height(png) == (1040, 840)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_few_rows_are_drawn(rows: int) -> None:
    y = np.arange(rows) % 2.0
    assert plot_binary(y, {"challenger": np.full(rows, 0.3)}, 0.5).startswith(PNG)
    assert plot_regression(y, y).startswith(PNG)


def test_no_rows_are_a_note() -> None:
    note = plot_binary(NOTHING, {"challenger": NOTHING, "champion": NOTHING}, 0.5)
    assert width_and_height(note)[1] < 200, "a line of text, not four empty charts"
    assert plot_regression(NOTHING, NOTHING) == note


def test_many_rows_make_no_larger_picture() -> None:
    """The picture is stored with each materialization."""
    rng = np.random.default_rng(0)
    prediction = rng.random(200_000)
    y = (rng.random(200_000) < prediction).astype(np.float64)
    assert len(plot_binary(y, {"challenger": prediction}, 0.5)) < 100_000


def comparison(**metrics: list[float] | None) -> Comparison:
    """Candidates by name with a metric for each fold; None for one that failed."""
    empty = Dataset(np.empty((0, 1)), NOTHING, np.empty(0, "datetime64[D]"), None, NOTHING, ("x",))
    folds = tuple(Fold(number, DAY, DAY, DAY, DAY) for number in range(3))
    results = []
    for name, values in metrics.items():
        candidate = Candidate(name, make_learner("constant"), baseline=name.startswith("base"))
        done = tuple(
            FoldResult(fold, {"auc_roc": value}, {}, 10, 10, 0.1, 0.1)
            for fold, value in zip(folds, values or [], strict=False)
        )
        results.append(CandidateResult(candidate, done, None if values else "no rows"))
    return Comparison(tuple(results), folds, {"auc_roc": True}, empty, {})


def test_candidates_are_drawn_with_failures_left_out() -> None:
    two = comparison(base=[0.5, 0.5, 0.5], forest=[0.8, 0.9, 0.85])
    three = comparison(base=[0.5, 0.5, 0.5], forest=[0.8, 0.9, 0.85], failed=None)
    assert plot_candidates(two, "auc_roc") == plot_candidates(three, "auc_roc")
    taller = comparison(base=[0.5, 0.5, 0.5], forest=[0.8, 0.9, 0.85], other=[0.7, 0.7, 0.7])
    assert (
        width_and_height(plot_candidates(taller, "auc_roc"))[1] > width_and_height(plot_candidates(two, "auc_roc"))[1]
    )


def test_a_metric_that_is_missing_in_a_fold_is_drawn() -> None:
    assert plot_candidates(comparison(forest=[0.8, float("nan"), 0.85]), "auc_roc").startswith(PNG)


def test_nothing_but_failures_is_drawn() -> None:
    failed = comparison(base=None, forest=None)
    assert plot_candidates(failed, "auc_roc").startswith(PNG)
    assert plot_candidates(replace(failed, results=()), "auc_roc").startswith(PNG)
