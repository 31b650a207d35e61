"""Pictures of models, from one row to very many: the labels, numbers and marks a reader needs, and no word on another."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from platform_assets.evaluation.plots import CandidateFolds, folds_figure, importances_figure
from platform_assets.tasks.binary.plots import binary_figure, binary_figures
from platform_assets.tasks.multiclass.plots import class_figures
from platform_assets.tasks.regression.plots import regression_figures

from .reading import beyond_the_edge, overlapping, words

Floats = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def rare(rows: int) -> tuple[Floats, Floats]:
    """Labels of which 0.8 % are positive, and calibrated scores."""
    rng = np.random.default_rng(0)
    scores = 1 / (1 + np.exp(-rng.normal(-6.3, 1.8, rows)))
    return (rng.random(rows) < scores).astype(np.float64), scores


def readable(figure: Figure) -> list[str]:
    assert not overlapping(figure)
    assert not beyond_the_edge(figure)
    return words(figure)


@pytest.mark.parametrize("rows", [1, 5, 20_000])
def test_each_picture_of_a_binary_model_is_readable_by_itself_and_together(rows: int) -> None:
    y, scores = rare(rows)
    if rows == 5:
        y[2] = 1.0
    compared = {"xgboost": scores, "champion": scores[::-1].copy()}
    alone = binary_figures(y, compared, 0.1)
    assert len(alone) == 4
    for figure in alone.values():
        readable(figure)
    found = " | ".join(readable(binary_figure(y, compared, 0.1)))
    for part in (
        "share of the negatives flagged",
        "share of positives, 95 % interval",
        "rows by score",
        "0.1 or above",
        "xgboost",
    ):
        assert part in found, part
    assert f"{int((y == 0).sum()):,}" in found


def test_both_classes_of_a_rare_label_are_readable_in_the_confusion() -> None:
    y, scores = rare(200_000)
    figure = next(iter(binary_figures(y, {"model": scores}, 0.1).values()))
    found = readable(figure)
    positives = int(y.sum())
    caught = int(((y == 1) & (scores >= 0.1)).sum())
    assert f"{caught:,}" in found
    assert f"positive\n{positives:,}" in found
    assert sum(word.endswith("of the positives") for word in found) == 2
    assert sum(word.endswith("of the negatives") for word in found) == 2
    shades = [patch.get_alpha() for patch in figure.axes[0].patches if patch.get_alpha() is not None]
    assert max(shades[2:]) > 0.2, "the rare class has a shade of its own"


def test_calibration_is_zoomed_to_where_the_scores_are() -> None:
    y, scores = rare(200_000)
    figure = list(binary_figures(y, {"model": scores}, 0.1).values())[1]
    upper, lower = figure.axes
    assert upper.get_xscale() == "log"
    assert upper.get_xlim()[1] < 0.3
    assert len({round(x, 4) for x in upper.lines[1].get_xdata()}) >= 8, "the bins lie apart"
    assert upper.get_xlim() == lower.get_xlim()
    middle = list(binary_figures((y := np.tile([0.0, 1.0], 500)), {"model": 0.4 + 0.2 * y}, 0.5).values())[1].axes[0]
    assert middle.get_xscale() == "linear"


def test_only_one_label_says_so() -> None:
    found = words(binary_figure(np.zeros(50), {"model": np.linspace(0, 1, 50)}, 0.5))
    assert found.count("no curve: all 50 labels are 0") == 2
    assert words(binary_figure(np.zeros(0), {"model": np.zeros(0)}, 0.5)) == ["There are no rows to compare on."]


def test_candidates_lie_apart_though_a_baseline_is_far_away() -> None:
    candidates = [
        CandidateFolds("constant", [0.5] * 4, is_baseline=True),
        CandidateFolds("forest", [0.91, 0.905, 0.918, 0.909], is_chosen=True),
        CandidateFolds("logistic", [0.902, 0.899, 0.911, float("nan")]),
    ]
    figure = folds_figure(candidates, "auc_roc")
    found = readable(figure)
    low, high = figure.axes[0].get_xlim()
    assert 0.85 < low < high < 0.95
    assert any(word.startswith("◂ 0.5") for word in found)
    assert "constant (baseline)" in found
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == "forest"
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == 7, "a dot for each fold that has a value"


def test_an_error_is_better_to_the_left_and_one_fold_has_no_interval() -> None:
    figure = folds_figure([CandidateFolds("a", [2.0]), CandidateFolds("b", [1.0])], "mae", higher_is_better=False)
    found = readable(figure)
    assert "mae on the only fold" in found
    assert any("better to the left" in word for word in found)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "b"]
    assert words(folds_figure([], "mae")) == ["No candidate has mae on any fold."]


def test_importances_have_their_numbers() -> None:
    figure = importances_figure({f"a_long_name_of_a_feature_{one}": 0.1 / (one + 1) for one in range(40)}, "auc_roc")
    found = readable(figure)
    assert "What it looks at; 25 more lose less" in found
    assert "0.05" in found


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (5, 4), (4_000, 4), (4_000, 30)])
def test_each_picture_of_classes_is_readable(rows: int, classes: int) -> None:
    rng = np.random.default_rng(0)
    odds = np.exp(rng.normal(size=(rows, classes)) * 2)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    y = probabilities.argmax(axis=1).astype(np.float64)
    names = [f"class number {one} of a long name" for one in range(classes)]
    for figure in class_figures(y, probabilities, names).values():
        readable(figure)


@pytest.mark.parametrize("rows", [1, 5, 5_000, 100_000])
def test_many_rows_of_a_regression_are_counted_and_not_drawn_over_each_other(rows: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.gamma(2.0, 3_000.0, rows)
    against, residuals = regression_figures(y, y * rng.normal(1.0, 0.1, rows)).values()
    assert f"Predicted against observed, {rows:,} rows" in readable(against)
    readable(residuals)
    cells = against.axes[0].findobj(PolyCollection)
    assert bool(cells) == (rows > 1_500)
    assert len(against.axes[0].findobj()) < 500
